"""Checkpoint files to the one state dict: every known layout of CRNN weights, read without running their code.

Keys tell the layouts apart:

- `bidirectional`: one bidirectional LSTM per layer, `rnn.0.rnn.weight_ih_l0`, `…_reverse` (most public ports);
- `separate`: two LSTMs per layer, `rnn.0.fw_rnn.*` and `rnn.0.bw_rnn.*` (Ascend/ModelZoo-PyTorch, trained on NPU).

Neither keys nor shapes tell the order of the four gates in an LSTM weight. PyTorch stores i, f, g, o (`ifgo`), the
NPU-trained checkpoints i, g, f, o (`igfo`, see `lstm_op_adapter` in that recipe's pth2onnx.py). Each layout has its
usual order as the default; the config overrides it.

Not here: the network, training checkpoints with optimiser state.
"""

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.model.network import CRNN, NetworkSize

StateDict = dict[str, Tensor]
Layout = Literal["bidirectional", "separate"]
GateOrder = Literal["ifgo", "igfo"]

USUAL_GATE_ORDER: dict[Layout, GateOrder] = {"bidirectional": "ifgo", "separate": "igfo"}
WRAPPERS = ("state_dict", "model_state_dict", "model")


@dataclass(frozen=True)
class Imported:
    """A state dict in the layout of `crnn.model.network.CRNN` (float32, gates ifgo), and how it was read."""

    state: StateDict
    layout: Layout
    gate_order: GateOrder
    gate_order_from: Literal["config", "default of the layout"]


def read_checkpoint(
    path: Path, size: NetworkSize, layout: Layout | None = None, gate_order: GateOrder | None = None
) -> Imported:
    """Read a checkpoint (`.safetensors`, else a torch file) for a network of `size`.

    `layout` and `gate_order` override what the keys say. Raises UserError where the file is missing, is no
    checkpoint, holds anything but tensors (it is not run), or does not fit: missing keys, extra keys, wrong shapes
    and a wrong class count are listed.
    """
    # (Distributed)DataParallel puts `module.` before every key.
    stored = {name.removeprefix("module."): tensor for name, tensor in _unwrap(_load(path), path).items()}
    layout = layout or _detect_layout(stored, path)
    order = gate_order or USUAL_GATE_ORDER[layout]
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in stored.items()}
    if layout == "separate":
        state = _join_directions(state)
    expected = CRNN(size).state_dict()
    # Checkpoints older than PyTorch 0.4 lack the batch counters, which inference does not use.
    counters = {name: value for name, value in expected.items() if name.endswith("num_batches_tracked")}
    state = counters | state
    _check_fit(state, expected, path, size)
    if order == "igfo":
        state = {name: _swap_middle_gates(tensor) if _is_lstm(name) else tensor for name, tensor in state.items()}
    return Imported(
        {name: state[name].contiguous() for name in expected},
        layout,
        order,
        "config" if gate_order else "default of the layout",
    )


def write_weights(state: StateDict, size: NetworkSize, path: Path) -> None:
    """Write a state dict with its network's size as safetensors: no code inside, and equal weights are equal bytes."""
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(state, temporary, metadata={"network": json.dumps(asdict(size))})


def load_network(path: Path) -> CRNN:
    """Return the network that `write_weights` wrote, in evaluation mode. Raises UserError on any other file."""
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            fields = json.loads((stream.metadata() or {})["network"])
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: was not written by import_checkpoint ({error})") from error
    size = NetworkSize(tuple(fields["channels"]), fields["hidden"], fields["classes"])
    network = CRNN(size)
    network.load_state_dict(read_checkpoint(path, size, "bidirectional", "ifgo").state)
    return network.eval()


def _load(path: Path) -> object:
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that are no checkpoint fail in as many ways as there are bytes
        code = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if code is None:
            raise UserError(f"{path}: is not a readable checkpoint ({_reason(error)})") from error
        raise UserError(
            f"{path}: refused, because it holds {code[1]} and loading that would run code. "
            f"Save only the tensors: torch.save(model.state_dict(), path)"
        ) from error


def _reason(error: Exception) -> str:
    """The first sentence of an error; the rest of PyTorch's advises to load the file without protection."""
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    sentence = text.partition("\n")[0].partition(". ")[0]
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__


def _unwrap(value: object, path: Path) -> StateDict:
    for wrapper in WRAPPERS:
        if isinstance(value, Mapping) and isinstance(value.get(wrapper), Mapping):
            value = value[wrapper]
    if not isinstance(value, Mapping) or not value:
        raise UserError(f"{path}: holds a {type(value).__name__}; expected a state dict or a dict with 'state_dict'")
    foreign = [str(name) for name, item in value.items() if not isinstance(item, Tensor)]
    if foreign:
        raise UserError(f"{path}: entries that are not tensors: {', '.join(foreign[:10])}")
    return {str(name): tensor for name, tensor in value.items()}


def _detect_layout(state: StateDict, path: Path) -> Layout:
    if any(".fw_rnn." in name for name in state):
        return "separate"
    if any(name.endswith(".rnn.weight_ih_l0_reverse") for name in state):
        return "bidirectional"
    raise UserError(
        f"{path}: is no known CRNN layout; expected keys such as rnn.0.rnn.weight_ih_l0_reverse or "
        f"rnn.0.fw_rnn.weight_ih_l0, found {', '.join(sorted(state)[:8])} …"
    )


def _join_directions(state: StateDict) -> StateDict:
    renamed = {}
    for name, tensor in state.items():
        if ".bw_rnn." in name:
            name = name.replace(".bw_rnn.", ".rnn.") + "_reverse"
        renamed[name.replace(".fw_rnn.", ".rnn.")] = tensor
    return renamed


def _is_lstm(name: str) -> bool:
    return ".rnn.weight_" in name or ".rnn.bias_" in name


def _swap_middle_gates(tensor: Tensor) -> Tensor:
    first, second, third, fourth = tensor.chunk(4)
    return torch.cat((first, third, second, fourth))


def _check_fit(state: StateDict, expected: Mapping[str, Any], path: Path, size: NetworkSize) -> None:
    classifier = state.get("rnn.1.embedding.bias")
    if classifier is not None and classifier.ndim == 1 and len(classifier) != size.classes:
        raise UserError(
            f"{path}: has {len(classifier)} classes, the config's charset has {size.classes} "
            f"({size.classes - 1} characters and the blank); set models.<name>.charset to the one it was trained with"
        )
    faults = [f"missing key {name}" for name in expected if name not in state]
    faults += [f"unexpected key {name}" for name in state if name not in expected]
    faults += [
        f"{name} has shape {list(state[name].shape)}, expected {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if faults:
        raise UserError(f"{path}: does not fit the network of the config:\n  " + "\n  ".join(faults))
