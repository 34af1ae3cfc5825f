"""Tensors inside of a model, as ONNX Runtime computes them. Needs the package onnx, which running a model does not."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from crnn.runtimes.onnxruntime.cpu import OnnxSession

Array = npt.NDArray[Any]
Tensors = dict[str, Array]
Run = Callable[[Tensors], Tensors]  # a model: its inputs → its outputs


def opened(model: onnx.ModelProto, names: Iterable[str], threads: int = 1) -> Run:
    """A function of a model's inputs that gives its outputs, and the tensors of these names inside of it."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ends = {entry.name for entry in (*model.graph.input, *model.graph.output)}
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name not in ends)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "watched.onnx"
        onnx.save(watched, path)
        return OnnxSession(path, threads).observe


def observed(
    model: onnx.ModelProto, names: Iterable[str], batches: Iterable[Array], threads: int = 1
) -> Iterator[Tensors]:
    """Run a model over batches of images; yield the tensors of these names, inside of it or at its ends."""
    wanted, given = list(dict.fromkeys(names)), model.graph.input[0].name
    observe = opened(model, wanted, threads)
    for images in batches:
        found = {given: images, **observe({given: images})}
        yield {name: found[name] for name in wanted}
