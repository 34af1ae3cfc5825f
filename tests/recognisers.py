"""Recognisers in ONNX as other exporters write them, small enough to be read in whole and to run in microseconds.

Each is one convolution whose kernel is as high as the image and four columns wide: what it reads at a time step follows
from those four columns. Its weights add up to nothing, so a plain image is read as what the bias says, the blank.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 5

Array = npt.NDArray[Any]
Change = Callable[[onnx.ModelProto], object]


@dataclass(frozen=True)
class Foreign:
    """How a foreign recogniser differs from others. blank: its class; names: of input and output."""

    opset: int = 13
    height: int = 32
    channels: int = 1
    batch: str | int = "batch"
    width: str | int = "width"
    axes: str = "NTC"
    values: str = "probabilities"
    blank: int = 0
    names: tuple[str, str] = ("x", "softmax_0.tmp_0")
    layer_norm: bool = False
    change: Change = lambda model: None

    def model(self) -> onnx.ModelProto:
        """Input [batch, channels, height, width] → output [batch, T, 5], or [T, batch, 5], T = width // 4."""
        given, output = self.names
        nodes = [helper.make_node("Conv", [given, "kernel", "bias"], ["columns"], strides=[self.height, 4])]
        constants = self._weights()
        if self.opset < 13:
            nodes.append(helper.make_node("Squeeze", ["columns"], ["rows"], axes=[2]))
        else:
            nodes.append(helper.make_node("Squeeze", ["columns", "two"], ["rows"]))
            constants["two"] = np.array([2], np.int64)
        nodes.append(helper.make_node("Transpose", ["rows"], ["output1"], perm=[0, 2, 1]))
        last = "output1"  # a name that means something here
        if self.layer_norm:
            nodes.append(helper.make_node("LayerNormalization", [last, "scale"], ["normal"], axis=-1))
            constants["scale"], last = np.full(CLASSES, 2, np.float32), "normal"
        if self.axes == "TNC":
            nodes.append(helper.make_node("Transpose", [last], ["by_steps"], perm=[1, 0, 2]))
            last = "by_steps"
        ends = {"probabilities": "Softmax", "log-probabilities": "LogSoftmax", "logits": "Identity"}
        attributes = {} if self.values == "logits" else {"axis": 2}
        nodes.append(helper.make_node(ends[self.values], [last], [output], **attributes))
        graph = helper.make_graph(
            nodes,
            "foreign",
            [value(given, self.batch, self.channels, self.height, self.width)],
            [value(output, *(None, None), CLASSES)],
            [numpy_helper.from_array(each, name) for name, each in constants.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7)
        self.change(made)
        return made

    def _weights(self) -> dict[str, Array]:
        random = np.random.default_rng(self.height + self.channels)
        kernel = random.normal(0, 0.3, (CLASSES, self.channels, self.height, 4))
        kernel -= kernel.mean(axis=(2, 3), keepdims=True)
        bias = np.where(np.arange(CLASSES) == self.blank, 2.0, 0.0)
        return {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}

    def save(self, path: Path) -> Path:
        onnx.save(self.model(), path)
        return path


def value(name: str, *shape: str | int | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def run(model: onnx.ModelProto | bytes, images: Array, output: str | None = None) -> Array:
    """What ONNX Runtime computes of a model, its first output by default."""
    import onnxruntime

    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: Sequence[Array] = session.run(output and [output], {session.get_inputs()[0].name: images})
    return found[0]
