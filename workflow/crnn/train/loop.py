"""A training run from its first word, or from where it was killed, to its last.

Its state is written beside the last one and renamed, so that a kill at any moment leaves one that is whole.
"""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.model.charset import Charset
from crnn.train.settings import TrainingSettings
from crnn.train.steps import Learner
from crnn.train.stream import Batch, Place
from crnn.train.validate import ValidationSet

REPORT_SECONDS = 10.0  # between two lines of the log
SMOOTHING = 0.98  # decay per step of the loss that is shown; single batches jump


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


@dataclass
class Run:
    """One training run. `state` is where it saves itself, every `save_seconds`; `identity` and `code` are in it.

    identity: of the settings and the data, which a state must match; code: of the modules that make words and steps.
    """

    settings: TrainingSettings
    learner: Learner
    stream: Callable[[Place], Generator[Batch, None, None]]
    validation: Mapping[str, ValidationSet]
    charset: Charset
    state: Path
    identity: str
    code: str
    save_seconds: float = 300.0

    def train(self) -> Progress:
        """Run to the end; returns the progress with its history. The learner holds the weights."""
        progress = self._resume()
        with closing(self.stream(progress.place)) as batches:
            saved = time.monotonic()
            started = saved - progress.seconds
            share = self.settings.share(progress.seen, progress.seconds)
            meter = _Meter(progress.seen, share)
            while share < 1:
                batch = next(batches)
                progress.loss = _smoothed(progress.loss, self.learner.learn(batch, share))
                before, progress.seen = progress.seen, progress.seen + len(batch.classes)
                progress.place, progress.seconds = batch.after, time.monotonic() - started
                share = self.settings.share(progress.seen, progress.seconds)
                every = self.settings.validate_words
                if share >= 1 or before // every < progress.seen // every:
                    progress.history.append(self._entry(progress, progress.loss))
                    LOG.info("%s", json.dumps(progress.history[-1]))
                meter.show(progress.seen, progress.place.next, share, progress.loss, self.learner.learning_rate)
                if share >= 1 or time.monotonic() - saved >= self.save_seconds:
                    saved = time.monotonic()
                    save_state(self.state, self.identity, progress, self.learner.state_dict())
        return progress

    def _resume(self) -> Progress:
        found = load_state(self.state, self.identity)
        if found is None:
            return Progress(code=[(0, self.code)])
        progress, learner = found
        self.learner.load_state_dict(learner)
        LOG.info("going on after word %d (%s)", progress.seen, self.state)
        if progress.code[-1][1] != self.code:
            LOG.warning("the code has changed since this run began; the record says from which word on")
            progress.code.append((progress.seen, self.code))
        return progress

    def _entry(self, progress: Progress, loss: float) -> dict[str, Any]:
        """A line of the log: words, loss, learning rate, seconds, accuracy of every validation set."""
        accuracies = {
            name: round(words.accuracy(self.learner.averaged, self.charset, self.learner.device), 4)
            for name, words in self.validation.items()
        }
        return {
            "words": progress.seen,
            "loss": round(loss, 4),
            "learning_rate": self.learner.learning_rate,
            "seconds": round(progress.seconds, 1),
            "accuracy": accuracies,
        }


def write_log(history: list[dict[str, Any]], path: Path) -> None:
    """Write the log's entries as JSON Lines."""
    with atomic_path(path) as temporary:
        temporary.write_text("".join(json.dumps(entry) + "\n" for entry in history), encoding="utf-8")


def _smoothed(loss: float | None, latest: float) -> float:
    return latest if loss is None else SMOOTHING * loss + (1 - SMOOTHING) * latest


class _Meter:
    """A line every few seconds: words, loss, learning rate, words per second, time left."""

    def __init__(self, seen: int, share: float) -> None:
        self._seen, self._share, self._shown = seen, share, time.monotonic()

    def show(self, seen: int, rendered: int, share: float, loss: float, learning_rate: float) -> None:
        passed = time.monotonic() - self._shown
        if passed < REPORT_SECONDS:
            return
        rate = (seen - self._seen) / passed
        left = tqdm.format_interval(max(0.0, 1 - share) * passed / (share - self._share))
        self._seen, self._share, self._shown = seen, share, time.monotonic()
        LOG.info(
            "%d words (%.1f %%) of %d rendered, loss %.3f, learning rate %.1e, %.0f words/s, %s left",
            *(seen, 100 * share, rendered, loss, learning_rate, rate, left),
        )
