"""Tensors inside of a model, as ONNX Runtime computes them. Needs the package onnx, which running a model does not."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from crnn.runtimes.onnxruntime.cpu import OnnxSession

Array = npt.NDArray[np.float32]


def observed(
    model: onnx.ModelProto, names: Iterable[str], batches: Iterable[Array], threads: int = 1
) -> Iterator[dict[str, Array]]:
    """Run a model over batches of images; yield the float32 tensors of these names, inside of it or at its ends."""
    ends = {entry.name for entry in (*model.graph.input, *model.graph.output)}
    watched, wanted = onnx.ModelProto(), list(dict.fromkeys(names))
    watched.CopyFrom(model)
    inside = [name for name in wanted if name not in ends]
    watched.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in inside)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "watched.onnx"
        onnx.save(watched, path)
        session = OnnxSession(path, threads)
        for images in batches:
            found = {model.graph.input[0].name: images, **session.observe(images)}
            yield {name: found[name] for name in wanted}
