"""Convolutions between QuantizeLinear and DequantizeLinear.

Weights have a scale per output channel, activations one per tensor. Only what a convolution reads is quantised, and
where it reads it: behind a MaxPool, not before. (The CPU plugin of OpenVINO 2026.4.1 computes some convolutions
wrongly behind a MaxPool of unsigned bytes.) LSTMs, matrix products, depthwise convolutions and the output stay as they
are.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from crnn.model.pattern import exported, values

Ranges = dict[str, list[float]]  # tensor → what its smallest and its largest code stand for
SIGNED, UNSIGNED = 127, 255  # the largest codes; without -128 a range around 0 is symmetric


def convolutions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The convolutions that can be quantised, in the order of the graph: those with constant weights.

    Depthwise ones are not among them. They multiply little, so 8 bits spare nothing, and their channels, which nothing
    mixes, would share one range: each of them loses what the others need.
    """
    weights = {entry.name: entry.dims for entry in model.graph.initializer}
    found = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in weights]
    return [node for node in found if weights[node.input[1]][1] > 1 or _groups(node) == 1]


def _groups(node: onnx.NodeProto) -> int:
    return next((entry.i for entry in node.attribute if entry.name == "group"), 1)


def codes(low: float, high: float) -> tuple[float, int, type[np.integer[Any]]]:
    """Scale, zero point and type of the codes of a range: signed around 0, unsigned where it is not symmetric."""
    if low == -high:
        return high / SIGNED, 0, np.int8
    scale = (high - low) / UNSIGNED
    return scale, round(-low / scale), np.uint8


def quantise(model: onnx.ModelProto, ranges: Ranges, whole: Collection[str] = ()) -> onnx.ModelProto:
    """A copy of `model` whose convolutions, but for those named in `whole`, compute in 8 bits.

    `ranges`: of what each of them reads.
    """
    chosen = {node.name for node in convolutions(model)} - set(whole)
    graph, writer = gs.import_onnx(model), _Writer(ranges)
    for node in graph.nodes:
        writer.add(node, node.op == "Conv" and node.name in chosen)
    graph.nodes = writer.nodes
    return exported(graph, model)


class _Writer:
    """Lists the nodes of a graph, quantising on the way; a tensor that several convolutions read, once."""

    def __init__(self, ranges: Ranges) -> None:
        self.nodes: list[gs.Node] = []
        self._ranges = ranges
        self._done: dict[str, gs.Tensor] = {}

    def add(self, node: gs.Node, quantised: bool) -> None:
        if quantised:
            for place, dequantised in enumerate((self._activation, self._weight)):
                name = node.inputs[place].name
                if name not in self._done:
                    self._done[name] = dequantised(node.inputs[place], name)
                node.inputs[place] = self._done[name]
        self.nodes.append(node)

    def _node(self, operator: str, inputs: list[gs.Tensor], output: str, **attributes: int) -> gs.Variable:
        made = gs.Variable(output)
        self.nodes.append(gs.Node(operator, output, attributes, inputs, [made]))
        return made

    def _activation(self, tensor: gs.Tensor, name: str) -> gs.Variable:
        scale, zero, kind = codes(*self._ranges[name])
        scaling = [
            gs.Constant(f"{name}/scale", np.array(scale, np.float32)),
            gs.Constant(f"{name}/zero", np.array(zero, kind)),
        ]
        quantised = self._node("QuantizeLinear", [tensor, *scaling], f"{name}/quantised")
        return self._node("DequantizeLinear", [quantised, *scaling], f"{name}/dequantised")

    def _weight(self, tensor: gs.Tensor, name: str) -> gs.Variable:
        weight = values(tensor).astype(np.float32)
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scale = np.where(largest > 0, largest / SIGNED, 1).astype(np.float32)
        rounded = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
        inputs = [
            gs.Constant(f"{name}/quantised", np.clip(rounded, -SIGNED, SIGNED).astype(np.int8)),
            gs.Constant(f"{name}/scale", scale),
            gs.Constant(f"{name}/zero", np.zeros(len(scale), np.int8)),
        ]
        return self._node("DequantizeLinear", inputs, f"{name}/dequantised", axis=0)
