"""Everything that a training run needs to go on as if nothing had happened.

A state is written beside the last one and renamed, so that a kill at any moment leaves one that is whole.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.train.stream import Place


@dataclass
class Progress:
    """How far a run is. seen: words learned from. loss: smoothed over the last steps; None before the first.
    seconds: spent so far. history: the log's entries so far.

    code: which code learned from which words on, as (words seen before, digest) pairs: a run may go on after the
    renderer or the loop was changed, and then says so.
    """

    seen: int = 0
    loss: float | None = None
    seconds: float = 0.0
    place: Place = field(default_factory=Place)
    history: list[dict[str, Any]] = field(default_factory=list)
    code: list[tuple[int, str]] = field(default_factory=list)


def save_state(path: Path, identity: str, progress: Progress, learner: dict[str, Any]) -> None:
    """Write a state atomically. `identity` names the run that it belongs to."""
    state = {**vars(progress), **vars(progress.place), "learner": learner, "random": torch.get_rng_state()}
    del state["place"]
    with atomic_path(path) as temporary:
        torch.save({"identity": identity, **state}, temporary)


def load_state(path: Path, identity: str) -> tuple[Progress, dict[str, Any]] | None:
    """Return the progress and the learner's state; None where there is no state.

    Raises UserError where the file cannot be read, or belongs to another run.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["identity"]
    except Exception as error:  # bytes that are no state fail in as many ways as there are bytes
        raise UserError(f"{path}: is not a training state ({type(error).__name__}); delete it to start anew") from error
    if found != identity:
        raise UserError(f"{path}: belongs to another run ({found}, this is {identity}); delete it to start anew")
    torch.set_rng_state(state["random"])
    progress = Progress(
        **{name: state[name] for name in ("seen", "loss", "seconds", "history")},
        place=Place(state["next"], state["waiting"]),
        code=[(seen, digest) for seen, digest in state["code"]],
    )
    return progress, state["learner"]
