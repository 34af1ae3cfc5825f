"""Convolutions between QuantizeLinear and DequantizeLinear, with scales that every runtime reads: zero points are 0.

Weights have a scale per output channel, activations one per tensor. Only what a convolution reads is quantised, and
where it reads it: behind a MaxPool, not before. (The CPU plugin of OpenVINO 2026.4.1 computes some convolutions
wrongly behind a MaxPool of unsigned bytes.) LSTMs, matrix products and the output stay as they are.
"""

from collections.abc import Collection

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from crnn.model.pattern import exported, values

Ranges = dict[str, float]
SIGNED, UNSIGNED = 127, 255  # the largest codes; without -128 the range is symmetric
NEVER_NEGATIVE = ("Relu",)
KEEPS_SIGNS = ("MaxPool", "Squeeze", "Transpose")


def convolutions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The convolutions that can be quantised, those with constant weights, in the order of the graph."""
    constants = {entry.name for entry in model.graph.initializer}
    return [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in constants]


def never_negative(model: onnx.ModelProto) -> set[str]:
    """The tensors that come out of a ReLU, also through operators that keep signs."""
    found: set[str] = set()
    for node in model.graph.node:  # in order: what a node reads is known before it
        if node.op_type in NEVER_NEGATIVE or (node.op_type in KEEPS_SIGNS and node.input[0] in found):
            found.update(node.output)
    return found


def quantise(model: onnx.ModelProto, ranges: Ranges, *, unsigned: bool, whole: Collection[str] = ()) -> onnx.ModelProto:
    """A copy of `model` whose convolutions, but for those named in `whole`, compute in 8 bits.

    `ranges`: what each of them reads → the magnitude that its largest code stands for. `unsigned`: codes of tensors
    that are never negative go from 0 to 255 instead of -127 to 127.
    """
    chosen = {node.name for node in convolutions(model)} - set(whole)
    graph, writer = gs.import_onnx(model), _Writer(ranges, never_negative(model) if unsigned else set())
    for node in graph.nodes:
        writer.add(node, node.op == "Conv" and node.name in chosen)
    graph.nodes = writer.nodes
    return exported(graph, model)


class _Writer:
    """Lists the nodes of a graph, quantising on the way; a tensor that several convolutions read, once."""

    def __init__(self, ranges: Ranges, unsigned: set[str]) -> None:
        self.nodes: list[gs.Node] = []
        self._ranges, self._unsigned = ranges, unsigned
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
        codes, largest = (np.uint8, UNSIGNED) if name in self._unsigned else (np.int8, SIGNED)
        scaling = [
            gs.Constant(f"{name}/scale", np.array(self._ranges[name] / largest, np.float32)),
            gs.Constant(f"{name}/zero", np.array(0, codes)),
        ]
        quantised = self._node("QuantizeLinear", [tensor, *scaling], f"{name}/quantised")
        return self._node("DequantizeLinear", [quantised, *scaling], f"{name}/dequantised")

    def _weight(self, tensor: gs.Tensor, name: str) -> gs.Variable:
        weight = values(tensor).astype(np.float32)
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scale = np.where(largest > 0, largest / SIGNED, 1).astype(np.float32)
        codes = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
        inputs = [
            gs.Constant(f"{name}/quantised", np.clip(codes, -SIGNED, SIGNED).astype(np.int8)),
            gs.Constant(f"{name}/scale", scale),
            gs.Constant(f"{name}/zero", np.zeros(len(scale), np.int8)),
        ]
        return self._node("DequantizeLinear", inputs, f"{name}/dequantised", axis=0)
