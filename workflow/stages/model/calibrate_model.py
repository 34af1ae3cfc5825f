"""Find out how a model is quantised: the ranges of its activations, and which convolutions stay in float32.

  --variant int8 | uint8      --budget '{"accuracy_drop": 0.005, "flipped": 0.01}'

Reads the calibration words with the model, then with candidates of that variant, in ONNX Runtime. Writes
calibration.json: the ranges by variant, `whole`, and every candidate that was tried with what it lost.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
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
from crnn.model.precision.multiplications import multiplications, tensors_of
from crnn.model.precision.quantise import convolutions
from crnn.runtimes.onnxruntime.cpu import OnnxSession, build
from crnn.runtimes.onnxruntime.explain import Bisection
from crnn.runtimes.onnxruntime.observe import observed
from stages.arguments import add_tensor_arguments, matched

MOST_BLAMED = 50  # words of a reading: enough to rank layers


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
        preprocess, contract = matched(args)
        self.model, self._variant, self._threads = onnx.load(args.model), args.variant, args.threads
        self.tensors, self._batch = TensorSet(args.tensors, preprocess), contract.most(DEFAULT_BATCH)
        self._charset, self._policy = contract.charset, LabelPolicy.from_settings(args.labels)
        self._labels = dict(self.tensors.samples.select("index", "text").iter_rows())
        read = [node.input[0] for node in convolutions(self.model)]
        self.ranges = measure_ranges(self._observed(read, self._images()))
        first = next(self._images())[:1]
        self.multiplications = multiplications(self.model, next(self._observed(tensors_of(self.model), [first])))
        self._outputs = list(map(OnnxSession(args.model, args.threads).infer, self._images()))
        self._texts = self._decoded(self._outputs)
        self.original = self._reading(self._texts, 0.0)

    def _images(self) -> Iterator[Tensor]:
        return (images for _, images in self.tensors.batches(self._batch))

    def _observed(self, names: list[str], batches: Iterable[Tensor]) -> Iterator[dict[str, Tensor]]:
        return observed(self.model, names, batches, self._threads)

    def read(self, whole: list[str]) -> Reading:
        """All words, with every convolution quantised but for `whole`."""
        outputs = list(self._infer(whole))
        distances = [divergence(a, b) for a, b in zip(self._outputs, outputs, strict=True)]
        texts = self._decoded(outputs)
        self._turned = [index for index, text in texts.items() if text != self._texts[index]]
        reading = self._reading(texts, float(np.mean(distances)))
        LOG.info("in float32: %s; %d words flipped, %d right", whole or "nothing", reading.flipped, reading.correct)
        return reading

    def blame(self, whole: list[str]) -> Counter[str]:
        """Convolution → how many of the words that were turned at the last reading, or of some of them, it turns."""
        chosen, turned = set(self._turned[:MOST_BLAMED]), Counter[str]()
        bisection = Bisection(self.model, self._candidate(whole), self._text, self._threads)
        for (index,), image in self.tensors.batches(1):
            if index in chosen:
                turned.update(node.name for node in bisection.nodes(image))
        LOG.info("words turned by: %s", dict(turned))
        return turned

    def _candidate(self, whole: list[str]) -> onnx.ModelProto:
        return convert(self.model, self._variant, Calibration(self.ranges, tuple(whole)))

    def _infer(self, whole: list[str]) -> Iterator[Tensor]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            onnx.save(self._candidate(whole), folder / "candidate.onnx")
            (built,) = build(folder / "candidate.onnx", folder / "build", {})
            yield from map(OnnxSession(built, self._threads).infer, self._images())

    def _text(self, output: Tensor) -> str:
        return greedy_decode(output, self._charset)[0][0]

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
    candidates, budget = Candidates(args), Budget(**args.budget)
    counts, original = candidates.multiplications, candidates.original
    layers = {node.name: counts[node.name] for node in convolutions(candidates.model)}
    whole, found = choose_whole(layers, candidates.read, candidates.blame, original, budget)
    write_json(args.output, {"ranges": candidates.ranges, "whole": whole, "multiplications": counts, **found})
    record.finish([args.output], **{"whole": whole, "words": original.words, **found["steps"][-1]})
