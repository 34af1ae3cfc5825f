"""Checkpoint files to the one state dict: every known layout of CRNN weights, read without running their code.

Keys tell the layouts apart (`crnn.model.layouts`). Neither keys nor shapes tell the order of the four gates in an LSTM
weight, which class is the blank, or the activation. PyTorch stores gates as i, f, g, o (`ifgo`), NPU-trained
checkpoints as i, g, f, o (`igfo`). Each layout has its usual order and blank as defaults; the config overrides them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from crnn.core.errors import UserError
from crnn.model.checkpoint_file import SAVE_TENSORS, load, state_dicts
from crnn.model.contract import Blank
from crnn.model.layouts import FAMILIES, LAYOUTS, Family, GateOrder, StateDict, other_network
from crnn.model.network import CRNN, NetworkSize
from crnn.model.weights import noted_size

Source = Literal["config", "default of the layout"]

# Where a file holds several networks: these first, in this order, then any other, then averages of weights.
USUAL_NAMES = ("", "state_dict", "model_state_dict", "model", "net")
AVERAGED = re.compile(r"(^|[._])(ema|swa|avg|averaged?|shadow)([._]|$)", re.IGNORECASE)
UNSEEN = ("height", "activation", "mean", "std")  # fields of a network that its tensors do not tell
SHOWN = 3  # keys that an error shows


@dataclass(frozen=True)
class Imported:
    """A state dict as `crnn.model.network.CRNN` has it (float32, gates ifgo, blank first), and how it was read.

    size: of its network; gate_order, blank: what the file had; taken: which of the networks in the file this is, an
    empty text where its keys stand at the top; others: those that were there besides.
    """

    state: StateDict
    size: NetworkSize
    layout: str
    gate_order: GateOrder
    gate_order_from: Source
    blank: Blank
    blank_from: Source
    taken: str
    others: tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """A network in a file: the keys that lead to it and stand before its own, its tensors, its family."""

    name: str
    state: StateDict
    family: Family

    @property
    def rank(self) -> tuple[bool, int]:
        """Its place in the order of preference."""
        first = self.name.partition(".")[0]
        place = USUAL_NAMES.index(first) if first in USUAL_NAMES else len(USUAL_NAMES)
        return AVERAGED.search(self.name) is not None, place


def read_checkpoint(
    path: Path,
    size: NetworkSize,
    layout: str | None = None,
    gate_order: GateOrder | None = None,
    blank: Blank | None = None,
    *,
    gray: bool = False,
) -> Imported:
    """Read a checkpoint for a network of `size`, whose channels, units and pooling give way to those of the file.

    `layout`, `gate_order` and `blank` override what is found or usual. gray: make one input of three, which is exact
    where the three are alike. Raises UserError where the file is missing, is no checkpoint, would run code, holds
    another network or numbers that are none, or does not fit `size`.
    """
    found, others = _choose(path, layout)
    family, noted = found.family, noted_size(path)
    if noted is not None:
        require(path, noted, {name: getattr(size, name) for name in UNSEEN})
    size = replace(size, pooling=noted.pooling if noted else family.pooling)
    state, size = _converted(path, family, _widened(path, found, others), size, gray)
    order, place = gate_order or family.gate_order, blank or family.blank
    if order == "igfo":
        lstm = [name for name in state if ".rnn.weight_" in name or ".rnn.bias_" in name]
        state |= {name: torch.cat([state[name].chunk(4)[i] for i in (0, 2, 1, 3)]) for name in lstm}
    if place == "last":
        state |= {name: state[name].roll(1, 0) for name in ("rnn.1.embedding.weight", "rnn.1.embedding.bias")}
    return Imported(
        {name: (t.float() if t.is_floating_point() else t).contiguous() for name, t in state.items()},
        size,
        family.name,
        order,
        "config" if gate_order else "default of the layout",
        place,
        "config" if blank else "default of the layout",
        found.name,
        others,
    )


def for_bgr(imported: Imported) -> Imported:
    """The network of red, green, blue for blue, green, red, the order in which words are prepared; it is exact."""
    size, first = imported.size, "cnn.conv0.weight"
    state = imported.state | {first: imported.state[first].flip(1).contiguous()}
    return replace(imported, state=state, size=replace(size, mean=size.mean[::-1], std=size.std[::-1]))


def require(path: Path, size: NetworkSize, asked: Mapping[str, Any]) -> None:
    """Raise UserError where a checkpoint's network is not what was asked for, by fields of `NetworkSize`."""
    has, wanted = (json.loads(json.dumps(fields)) for fields in (asdict(size), dict(asked)))
    for name, value in wanted.items():
        if has[name] != value:
            raise UserError(f"{path}: has {name} {has[name]}, the config says {value}; leave that out or correct it")


# --- which network of a file -------------------------------------------------------------------------------


def _choose(path: Path, layout: str | None) -> tuple[Candidate, tuple[str, ...]]:
    """The network to take from a file, and the names of the others in it."""
    content = load(path)
    families = [family for family in FAMILIES if layout in (None, family.name)]
    stored = list(state_dicts(content))
    if not stored:
        keys = f" with {_some(map(str, content))}" if isinstance(content, Mapping) and content else ""
        raise UserError(
            f"{path}: holds a {type(content).__name__}{keys} and no tensors; expected a state dict, alone or beside "
            f"others. {SAVE_TENSORS}"
        )
    found = sorted(
        (each for name, state in stored for each in _candidates(name, state, families)), key=lambda c: c.rank
    )
    name, state = max(stored, key=lambda each: len(each[1]))
    other = other_network(found[0].state if found else state)
    if other is not None:
        raise UserError(f"{path}: is {other}")
    if not found and layout is None:
        raise UserError(
            f"{path}: is no known CRNN layout ({', '.join(LAYOUTS)}): its {len(state)} tensors are named "
            f"{_some(state)}. docs/checkpoints.md has the keys of each layout and how to rename others"
        )
    found = found or [Candidate(name, state, families[0])]
    return found[0], tuple(each.name for each in found[1:])


def _candidates(name: str, state: StateDict, families: Iterable[Family]) -> list[Candidate]:
    """The networks in one mapping of a file; keys that stand behind none of their prefixes are left to each."""
    state.pop("n_averaged", None)  # a counter of torch.optim.swa_utils.AveragedModel
    found = [(prefix, family) for family in families for prefix in family.prefixes(state)]

    def owner(key: str, otherwise: str) -> str:
        return max((prefix for prefix, _ in found if key.startswith(prefix)), key=len, default=otherwise)

    return [
        Candidate(
            ".".join(filter(None, (name, prefix.rstrip(".")))),
            {key.removeprefix(prefix): tensor for key, tensor in state.items() if owner(key, prefix) == prefix},
            family,
        )
        for prefix, family in found
    ]


# --- tensors -----------------------------------------------------------------------------------------------


def _widened(path: Path, found: Candidate, others: tuple[str, ...]) -> StateDict:
    """The tensors in double precision. Raises UserError naming those that are not numbers."""
    tensors = found.state.items()
    odd = [name for name, t in tensors if t.layout != torch.strided or t.is_quantized or t.is_complex() or t.is_meta]
    if odd:
        raise UserError(
            f"{path}: holds tensors that are sparse, quantised, complex or empty ({_some(odd)}); save plain ones"
        )
    state = {name: t.double() if t.is_floating_point() else t for name, t in tensors}
    lowest = {name: 0 if name.endswith("running_var") else -torch.inf for name in state}
    broken = [name for name, t in state.items() if not t.isfinite().all() or (t < lowest[name]).any()]
    if broken:
        more = f". The file also has {', '.join(others)}" if others else ""
        raise UserError(
            f"{path}: {len(broken)} of its tensors hold NaN, infinite numbers or negative variances: {_some(broken)}; "
            f"the training broke, so take an earlier checkpoint{more}"
        )
    return state


def _converted(
    path: Path, family: Family, state: StateDict, size: NetworkSize, gray: bool
) -> tuple[StateDict, NetworkSize]:
    """The tensors as `CRNN` has them, in its order, and the size of their network."""
    try:
        state = family.convert(state)
        if gray and max(len(size.mean), len(size.std)) > 1:
            raise UserError(f"{path}: cannot read gray images with a mean or std for each colour; set one number")
        if gray:
            state["cnn.conv0.weight"] = state["cnn.conv0.weight"].sum(1, keepdim=True)
        size = _measured(state, size, path)
    except KeyError as error:
        raise UserError(f"{path}: lacks {error.args[0]}, which the layout {family.name} has") from error
    except (RuntimeError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: its tensors do not fit one another ({reason})") from error
    with torch.device("meta"):  # only the shapes are wanted
        expected = CRNN(size).state_dict()
    # Checkpoints older than PyTorch 0.4 lack the batch counters, which inference does not use.
    state = {name: torch.tensor(0) for name in expected if name.endswith("num_batches_tracked")} | state
    _check_fit(state, expected, path, family)
    return {name: state[name] for name in expected}, size


def _measured(state: StateDict, size: NetworkSize, path: Path) -> NetworkSize:
    """`size` with the channels and units that the tensors have. Raises UserError where inputs or classes differ."""
    first, classifier = state["cnn.conv0.weight"], state["rnn.1.embedding.bias"]
    if first.shape[1] != size.inputs:
        raise UserError(
            f"{path}: reads images of {first.shape[1]} channels, the config says {size.inputs}; set "
            f"models.<name>.input.channels to {first.shape[1]}, and input.colour to rgb, bgr, or gray for gray images"
        )
    if classifier.ndim == 1 and len(classifier) != size.classes:
        raise UserError(
            f"{path}: has {len(classifier)} classes, the config's charset has {size.classes} "
            f"({size.classes - 1} characters and the blank); set models.<name>.charset to the one it was trained with"
        )
    hidden, between = state["rnn.0.rnn.weight_hh_l0"].shape[1], state["rnn.0.embedding.weight"].shape[0]
    channels = tuple(state[f"cnn.conv{i}.weight"].shape[0] for i in range(len(size.channels)))
    return replace(size, channels=channels, hidden=hidden, between=None if between == hidden else between)


def _check_fit(state: StateDict, expected: Mapping[str, Tensor], path: Path, family: Family) -> None:
    wrong = [
        f"{name} is {list(state[name].shape)} and not {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    faults = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": wrong,
    }
    told = [f"{len(names)} {fault}: {_some(names)}" for fault, names in faults.items() if names]
    if told:
        raise UserError(f"{path}: does not fit the network of the layout {family.name}; tensors {'; '.join(told)}")


def _some(names: Iterable[str]) -> str:
    """The first few of many names."""
    known = list(names)
    return ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
