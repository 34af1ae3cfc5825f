"""How many multiplications each node of a graph takes for an image, and what share of them is in 8 bits."""

from collections.abc import Mapping
from math import prod

import numpy as np
import numpy.typing as npt
import onnx

Array = npt.NDArray[np.float32]
MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU")
GATES = {"LSTM": 4, "GRU": 3}


def _multiplying(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes of a graph that nearly all of its multiplications are in."""
    return [node for node in model.graph.node if node.op_type in MULTIPLYING]


def tensors_of(model: onnx.ModelProto) -> list[str]:
    """The activations that multiplications are counted by: what each node that multiplies reads and gives."""
    names = [name for node in _multiplying(model) for name in (*node.input[:2], node.output[0])]
    return sorted(set(names) - {"", *(entry.name for entry in model.graph.initializer)})


def multiplications(model: onnx.ModelProto, tensors: Mapping[str, Array]) -> dict[str, int]:
    """Node → multiplications for the images that `tensors` were observed with."""
    shapes = {entry.name: tuple(entry.dims) for entry in model.graph.initializer}
    shapes |= {name: values.shape for name, values in tensors.items()}
    return {node.name: _count(node, shapes) for node in _multiplying(model)}


def _count(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    first, second, given = (shapes[name] for name in (*node.input[:2], node.output[0]))
    match node.op_type:
        case "Conv":
            return prod(given) * prod(second[1:])  # weights [out, in / groups, kernel…]
        case "ConvTranspose":
            return prod(first) * prod(second[1:])
        case "MatMul" | "Gemm":
            inner = first[0] if any(each.name == "transA" and each.i for each in node.attribute) else first[-1]
            return prod(given) * inner
    directions, gates, inputs = second  # weights [directions, gates × hidden, inputs]
    return prod(first[:2]) * directions * gates * (inputs + gates // GATES[node.op_type])


def quantised_share(model: onnx.ModelProto, counts: Mapping[str, int]) -> float:
    """Share of the multiplications whose two factors were both in 8 bits: they come out of a DequantizeLinear."""
    dequantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    small = [node.name for node in _multiplying(model) if dequantised.issuperset(node.input[:2])]
    return sum(counts[name] for name in small) / max(sum(counts.values()), 1)
