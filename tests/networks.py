"""Networks for testing the model side: a CRNN that costs milliseconds, and the same function as the recipe writes it.

Real exports and real graph surgery run on them; nothing is a double. Weights are random but far from zero: a
wrong direction, gate order or axis shows in the outputs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from crnn.data.widths import HEIGHT
from crnn.model.contract import INPUT, OUTPUT, SYMBOLS
from crnn.model.layouts import StateDict
from crnn.model.network import CRNN, NetworkSize
from crnn.model.precision.calibration import Calibration, measure_ranges
from crnn.model.precision.quantise import convolutions
from crnn.model.surgery import Step, operate

SMALL = NetworkSize(channels=(4, 4, 8, 8, 8, 8, 8), hidden=8, classes=37)
SIZES = {"channels": list(SMALL.channels), "hidden": SMALL.hidden}

REPAIRS = ("drop_zero_states", "split_bidirectional", "fold_constants")

Array = npt.NDArray[np.float32]
Graph = Callable[..., list[npt.NDArray[Any]]]

# For `pytestmark` where networks are exported: the exporter in use is the old one, on purpose, and PyTorch mutes its
# own remarks on tracing with a filter that pytest takes away.
EXPORTS = [
    pytest.mark.filterwarnings("ignore:You are using the legacy TorchScript:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]

# Tensors this small only lose time to threads, and tests may run side by side.
torch.set_num_threads(1)

# --- the network in PyTorch --------------------------------------------------------------------------------


def small_network(seed: int = 0, size: NetworkSize = SMALL) -> CRNN:
    """A CRNN in evaluation mode, as if trained: batch norms have statistics. Equal seeds give equal weights."""
    random = torch.Generator().manual_seed(seed)
    network = CRNN(size)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.3, 2, generator=random)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.4, generator=random)
        else:
            tensor.fill_(1000)  # batches seen
    return network.eval()


class RecipeLayer(nn.Module):
    """A recurrent layer as CRNN_Dynamic has it: two one-way LSTMs, of which one reads the flipped sequence."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.fw_rnn = nn.LSTM(inputs, hidden)
        self.bw_rnn = nn.LSTM(inputs, hidden)
        self.embedding = nn.Linear(2 * hidden, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        forward, _ = self.fw_rnn(sequence)
        backward, _ = self.bw_rnn(torch.flip(sequence, [0]))
        joined = torch.cat((forward, torch.flip(backward, [0])), 2)
        steps, batch, features = joined.size()
        flat = self.embedding(joined.view(steps * batch, features))
        output: Tensor = flat.view(steps, batch, -1)
        return output


def recipe_network(network: CRNN, size: NetworkSize = SMALL) -> CRNN:
    """The function of `network` with the recipe's recurrent layers, and so with its keys and its export."""
    recipe = CRNN(size)
    recipe.rnn = nn.Sequential(
        RecipeLayer(size.channels[-1], size.hidden, size.hidden),
        RecipeLayer(size.hidden, size.hidden, size.classes),
    )
    recipe.load_state_dict(separate_directions(network.state_dict()))
    return recipe.eval()


def images(batch: int, width: int, seed: int = 0) -> Array:
    """Noise in [-1, 1], float32 [batch, 1, 32, width]."""
    return np.random.default_rng(seed).uniform(-1, 1, (batch, 1, HEIGHT, width)).astype(np.float32)


def run_network(network: nn.Module, batch: Array) -> Array:
    """What PyTorch computes, float32 [T, N, classes]."""
    with torch.inference_mode():
        output: Array = network(torch.from_numpy(batch)).numpy()
    return output


# --- the same weights in other layouts ---------------------------------------------------------------------


def separate_directions(state: StateDict) -> StateDict:
    """A CRNN's state dict under the recipe's keys, `rnn.0.fw_rnn.…` and `rnn.0.bw_rnn.…`; gates stay ifgo."""
    renamed = {}
    for name, tensor in state.items():
        direction = "bw_rnn" if name.endswith("_reverse") else "fw_rnn"
        renamed[name.replace(".rnn.", f".{direction}.").removesuffix("_reverse")] = tensor
    return renamed


def swap_middle_gates(state: StateDict) -> StateDict:
    """The LSTM weights of either layout with gates 1 and 2 exchanged: ifgo to igfo and back."""
    swapped = dict(state)
    for name, tensor in state.items():
        if "rnn.weight_" in name or "rnn.bias_" in name:
            swapped[name] = tensor.unflatten(0, (4, -1))[[0, 2, 1, 3]].flatten(0, 1)
    return swapped


# --- graphs ------------------------------------------------------------------------------------------------


def export_as_is(network: nn.Module, path: Path, opset: int) -> onnx.ModelProto:
    """Export without anything that `crnn.model.export` adds: the graph as the recipe's own script leaves it."""
    torch.onnx.export(
        network,
        (torch.zeros(1, 1, HEIGHT, 100),),
        path,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes=SYMBOLS,
        opset_version=opset,
        dynamo=False,
    )
    return onnx.load(path)


def load_graph(model: onnx.ModelProto) -> Graph:
    """A function of the model's inputs in order, giving its outputs; run unoptimised on one core."""
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(*inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        outputs: list[npt.NDArray[Any]] = session.run(None, dict(zip(names, inputs, strict=True)))
        return outputs

    return run


def repaired(raw: Path) -> onnx.ModelProto:
    """The graph of an export, operated on as far as runtimes need it."""
    model, *_ = operate(onnx.load(raw), [Step(name) for name in REPAIRS])
    return model


def calibrated(model: onnx.ModelProto) -> Calibration:
    """The ranges of what the convolutions of a repaired graph read, on noise of two widths; none stays whole."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = [node.input[0] for node in convolutions(model)][1:]
    watched.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in names)
    run = load_graph(watched)
    batches = [images(4, width, seed=width) for width in (40, 100)]
    found = [dict(zip(["imgs", *names], [batch, *run(batch)[1:]], strict=True)) for batch in batches]
    return Calibration(measure_ranges(found), ())
