"""Convolutions between QuantizeLinear and DequantizeLinear, with scales that every runtime reads: zero points are 0.

Weights have a scale per output channel, activations one per tensor. Only what a convolution reads is quantised, and
where it reads it: behind a MaxPool, not before. (The CPU plugin of OpenVINO 2026.4.1 computes some convolutions
wrongly behind a MaxPool of unsigned bytes.) LSTMs, matrix products and the output stay as they are.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

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
    writer = _Writer(model, ranges, never_negative(model) if unsigned else set())
    for node in model.graph.node:
        writer.add(node, node.op_type == "Conv" and node.name in chosen)
    return writer.finish()


class _Writer:
    """Copies a graph node by node, quantising on the way; a tensor that several convolutions read, once."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges, unsigned: set[str]) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        del self._model.graph.node[:]
        self._weights = {entry.name: entry for entry in model.graph.initializer}
        self._ranges, self._unsigned = ranges, unsigned
        self._done: dict[str, str] = {}

    def add(self, node: onnx.NodeProto, quantised: bool) -> None:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if quantised:
            copy.input[0] = self._activation(node.input[0])
            copy.input[1] = self._weight(node.input[1])
        self._model.graph.node.append(copy)

    def finish(self) -> onnx.ModelProto:
        """The new model, without the weights that nothing reads any more."""
        used = {name for node in self._model.graph.node for name in node.input}
        kept = [entry for entry in self._model.graph.initializer if entry.name in used]
        del self._model.graph.initializer[:]
        self._model.graph.initializer.extend(kept)
        return self._model

    def _constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self._model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str) -> None:
        self._model.graph.node.append(helper.make_node(operator, inputs, [output], name=output))

    def _activation(self, tensor: str) -> str:
        if tensor not in self._done:
            codes: type[np.integer] = np.uint8 if tensor in self._unsigned else np.int8
            scale = self._ranges[tensor] / (UNSIGNED if tensor in self._unsigned else SIGNED)
            scaling = [
                self._constant(f"{tensor}/scale", np.array(scale, np.float32)),
                self._constant(f"{tensor}/zero", np.array(0, codes)),
            ]
            self._node("QuantizeLinear", [tensor, *scaling], f"{tensor}/quantised")
            self._node("DequantizeLinear", [f"{tensor}/quantised", *scaling], f"{tensor}/dequantised")
            self._done[tensor] = f"{tensor}/dequantised"
        return self._done[tensor]

    def _weight(self, name: str) -> str:
        if name not in self._done:
            weight = numpy_helper.to_array(self._weights[name])
            largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
            scale = np.where(largest > 0, largest / SIGNED, 1).astype(np.float32)
            codes = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
            inputs = [
                self._constant(f"{name}/quantised", np.clip(codes, -SIGNED, SIGNED).astype(np.int8)),
                self._constant(f"{name}/scale", scale),
                self._constant(f"{name}/zero", np.zeros(len(scale), np.int8)),
            ]
            self._node("DequantizeLinear", inputs, f"{name}/dequantised")
            self._model.graph.node[-1].attribute.append(helper.make_attribute("axis", 0))
            self._done[name] = f"{name}/dequantised"
        return self._done[name]
