"""Find out how a model is quantised: the ranges of its activations, and which convolutions stay in float32.

  --variant int8 | uint8      --budget '{"accuracy_drop": 0.005, "flipped": 0.01}'

Reads the calibration words with the model, then with candidates of that variant, in ONNX Runtime. Writes
calibration.json: the ranges by variant, `whole`, and every candidate that was tried with what it lost.
"""

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import onnx

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import write_json
from crnn.core.record import Record
from crnn.data.buckets import DEFAULT_BATCH
from crnn.data.labels import LabelPolicy
from crnn.data.preprocess import Tensor
from crnn.data.tensors import TensorSet
from crnn.model.decoding import greedy_decode
from crnn.model.precision import QUANTISED
from crnn.model.precision.calibration import Budget, Calibration, Reading, choose_whole, divergence, measure_ranges
from crnn.model.precision.convert import convert
from crnn.model.precision.quantise import convolutions, never_negative
from crnn.runtimes.onnxruntime.cpu import OnnxSession, build
from stages.arguments import add_tensor_arguments, matched

EVERY = 5  # batches, which come by width: enough of them to rank layers by a mean over all steps


def arguments(command: Command) -> None:
    add_tensor_arguments(command)
    command.add_path("--model", "fixed.onnx")
    command.add_argument("--variant", choices=QUANTISED, required=True, help="of the candidates, and of what is made")
    command.add_labels()
    command.add_json("--budget", "of config `calibration`: what may be lost")
    command.add_output("calibration.json to write")


class Candidates:
    """Reads the calibration words with a model as it is and with convolutions of it quantised."""

    def __init__(self, args: Arguments) -> None:
        self.model = onnx.load(args.model)
        preprocess, contract = matched(args)
        self.tensors, self._batch = TensorSet(args.tensors, preprocess), contract.most(DEFAULT_BATCH)
        self._charset, self._policy = contract.charset, LabelPolicy.from_settings(args.labels)
        self._variant, self._threads = args.variant, args.threads
        self._labels = dict(self.tensors.samples.select("index", "text").iter_rows())
        self.layers = [node.name for node in convolutions(self.model)]
        self.multiplications: dict[str, float] = {}
        self.ranges = measure_ranges(self._observed(), never_negative(self.model))
        original = OnnxSession(args.model, args.threads)
        self._outputs = [original.infer(images) for _, images in self.tensors.batches(self._batch)]
        self._texts = self._decoded(self._outputs)
        self.original = self._reading(self._texts, 0.0)

    def _observed(self) -> Iterator[dict[str, Tensor]]:
        """What each convolution reads, by batch. Counts on the way what each multiplies."""
        names = [node.input[0] for node in convolutions(self.model)]
        watched = onnx.ModelProto()
        watched.CopyFrom(self.model)
        given = {entry.name for entry in self.model.graph.input}
        float32 = onnx.TensorProto.FLOAT
        added = [onnx.helper.make_tensor_value_info(name, float32, None) for name in names if name not in given]
        watched.graph.output.extend(added)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "watched.onnx"
            onnx.save(watched, path)
            runtime = OnnxSession(path, self._threads)
            for _, images in self.tensors.batches(self._batch):
                found = runtime.observe(images) | dict.fromkeys(given, images)
                self.multiplications = self.multiplications or self._multiplied(found)
                yield {name: found[name] for name in names}

    def _multiplied(self, found: dict[str, Tensor]) -> dict[str, float]:
        """Convolution → multiplications per word of a batch, were its output as large as its input."""
        sizes = {entry.name: int(np.prod(entry.dims)) for entry in self.model.graph.initializer}
        return {
            node.name: sizes[node.input[1]] * float(np.prod(found[node.input[0]].shape[2:]))
            for node in convolutions(self.model)
        }

    def read(self, whole: list[str]) -> Reading:
        """All words, with every convolution quantised but for `whole`."""
        outputs = list(self._infer(whole, every=1))
        distances = [divergence(a, b) for a, b in zip(self._outputs, outputs, strict=True)]
        reading = self._reading(self._decoded(outputs), float(np.mean(distances)))
        LOG.info("in float32: %s; %d words flipped, %d right", whole or "nothing", reading.flipped, reading.correct)
        return reading

    def sensitivity(self, layer: str) -> float:
        """The divergence over a part of the words, with this convolution alone quantised."""
        outputs = self._infer([name for name in self.layers if name != layer], EVERY)
        cost = float(np.mean([divergence(a, b) for a, b in zip(self._outputs[::EVERY], outputs, strict=True)]))
        LOG.info("%s alone in 8 bits: divergence %.3g", layer, cost)
        return cost

    def _infer(self, whole: list[str], every: int) -> Iterator[Tensor]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            candidate = convert(self.model, self._variant, Calibration(self.ranges, tuple(whole)))
            onnx.save(candidate, folder / "candidate.onnx")
            (built,) = build(folder / "candidate.onnx", folder / "build", {})
            runtime = OnnxSession(built, self._threads)
            for _, images in islice(self.tensors.batches(self._batch), 0, None, every):
                yield runtime.infer(images)

    def _decoded(self, outputs: list[Tensor]) -> dict[int, str]:
        texts: dict[int, str] = {}
        for (indices, _), output in zip(self.tensors.batches(self._batch), outputs, strict=True):
            texts.update(zip(indices, greedy_decode(output, self._charset)[0], strict=True))
        return texts

    def _reading(self, texts: dict[int, str], distance: float) -> Reading:
        correct = sum(self._policy.apply(text)[0] == self._labels[index] for index, text in texts.items())
        flipped = sum(text != self._texts[index] for index, text in texts.items())
        return Reading(len(texts), correct, flipped, distance)


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.model, args.tensors / "contract.json"], ("onnx", "onnxruntime", "numpy"))
    candidates = Candidates(args)
    layers, budget, original = candidates.multiplications, Budget(**args.budget), candidates.original
    whole, found = choose_whole(layers, candidates.read, candidates.sensitivity, original, budget)
    write_json(args.output, {"ranges": candidates.ranges, "whole": whole, "multiplications": layers, **found})
    record.finish([args.output], **{"whole": whole, "words": original.words, **found["steps"][-1]})
