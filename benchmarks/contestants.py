"""What is measured: the recipe as it was published, and every deployment of a report, each in a process of its own.

A contestant is made in its process, warms up, and then runs any of its tasks when asked. Not here: how often and in
which order (`bytes_to_text.py`), the limits of the runtimes and the machine (`ceilings.py`).
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
from ceilings import inference_ceilings, multiply_adds

from crnn.core.files import read_json
from crnn.data.buckets import batch_sizes
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess, Tensor, normalise
from crnn.inference.benchmark import EndToEnd
from crnn.inference.cascade import Cascade
from crnn.inference.scheduler import Batch, Reader, Scheduler
from crnn.inference.sources import EncodedWords
from crnn.inference.step_timer import StepTimer
from crnn.inference.timings import Timings
from crnn.model.charset import Charset
from crnn.model.decoding import greedy_decode
from crnn.runtimes.registry import find_runtime

Texts = list[tuple[int, str, float]]  # index, text, confidence


@dataclass
class Outcome:
    """Seconds of wall time by what was timed, and the texts of the run where it read any."""

    seconds: dict[str, float]
    texts: Texts = field(default_factory=list)


Task = Callable[[], Outcome]


@dataclass(frozen=True)
class Recipe:
    """The CRNN_Dynamic recipe, step by step: every word resized into a .npy of its own, then one call per word.

    After `parse_testdata.py` and `acc_time.py` of Ascend/ModelZoo-PyTorch, CRNN_Dynamic_for_PyTorch, with ONNX Runtime
    in the place of ais_bench. Its own clock, published as "E2E", is the sum of the inference calls.
    """

    model: Path
    words: Path
    charset: Charset
    threads: int

    def tasks(self) -> dict[str, Task]:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(str(self.model), settings, providers=["CPUExecutionProvider"])
        return {"bytes to text": lambda: self._run(session)}

    def _run(self, session: Any) -> Outcome:
        preprocess, name = Preprocess.from_settings({"rule": "recipe"}), session.get_inputs()[0].name
        inference, texts = 0.0, []
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, Words(self.words) as words:
            readable = []
            for word in words:
                gray = preprocess.decode(word.image) if word.image else None
                if gray is not None:
                    np.save(Path(folder) / f"test_{word.index}.npy", normalise(preprocess.resize(gray))[None])
                    readable.append(word.index)
            for index in readable:
                image = np.load(Path(folder) / f"test_{index}.npy")
                called = time.perf_counter()
                (output,) = session.run(None, {name: image})
                inference += time.perf_counter() - called
                (text,), (confidence,) = greedy_decode(output, self.charset)
                texts.append((index, text, confidence))
        return Outcome({"bytes to text": time.perf_counter() - started, "own boundary": inference}, texts)


def precision_of(runtime: str, options: dict[str, Any], source: Path) -> str:
    """What a deployment computes in: the `precision` of its options, or what the file that it was built from is for.

    `source` is fixed.onnx, fixed.winograd.onnx, fixed.uint8-aspect.onnx or the like.
    """
    known = find_runtime(runtime).precisions
    variant = source.suffixes[-2][1:].partition("-")[0] if len(source.suffixes) > 1 else "fp32"
    return options.get("precision") or next((name for name, of in known.items() if of == variant), "fp32")


@dataclass(frozen=True)
class Deployment:
    """A row of a report, run as the report runs it."""

    precision: str
    build: Path
    runtime: str
    options: dict[str, Any]
    widths: dict[str, Any]
    batch: int | str  # or a plan of buckets
    words: Path
    charset: Charset
    threads: int

    @classmethod
    def from_records(cls, read: Path, build: Path, words: Path, charset: Charset, threads: int) -> "Deployment":
        """As the records of its accuracy run, `read`, and of its build say."""
        parameters = read_json(read)["parameters"]
        settings = {key: parameters[key] for key in ("runtime", "options", "widths", "batch")}
        given = map(Path, read_json(build / "build.json")["inputs"])
        source = next(path for path in given if path.suffix in (".onnx", ".safetensors"))
        precision = precision_of(settings["runtime"], settings["options"], source)
        return cls(precision=precision, build=build, words=words, charset=charset, threads=threads, **settings)

    def tasks(self) -> dict[str, Task]:
        known = find_runtime(self.runtime)
        runtime = known.load(self.build / known.files[0], self.options, self.threads, self.threads)
        reader = Reader(Preprocess.from_settings(self.widths), runtime, self.charset, batch_sizes(self.batch))
        path = EndToEnd(self.words, Cascade([reader]), self.threads)
        batches = list(prepared_batches(self.words, reader))

        def bytes_to_text() -> Outcome:
            timings = Timings()
            found = path.run(timings, 0)
            return Outcome({"bytes to text": timings.last_seconds}, list(found.iter_rows()))

        def scheduled_tensors() -> Outcome:
            started = time.perf_counter()
            Scheduler(Ready(batches), runtime, self.charset, self.threads).run(lambda _: None)
            return Outcome({"inference and CTC": time.perf_counter() - started})

        def alone() -> Outcome:
            return Outcome({**self._preparing(reader), "CTC": self._decoding(runtime, batches)})

        tasks = {"bytes to text": bytes_to_text, "inference and CTC": scheduled_tensors, "alone": alone}
        for name, run in inference_ceilings(self.runtime, self.build, self.options, self.threads).items():
            tasks[name] = ceiling_task(name, run, [images for _, images in batches])
        return tasks

    def _preparing(self, reader: Reader) -> dict[str, float]:
        """Reading, decoding and resizing every word, by one thread and nothing else."""
        started = time.perf_counter()
        with Words(self.words) as words:
            source, timer = EncodedWords(words, reader), StepTimer()
            for chunk in source.chunks():
                source.prepare(chunk, timer)
        return {"reading, decoding, resizing": time.perf_counter() - started}

    def _decoding(self, runtime: Any, batches: list[tuple[list[int], Tensor]]) -> float:
        """CTC decoding of every word, by one thread and nothing else."""
        seconds = 0.0
        for _, images in batches[::8]:  # an eighth of them: the outputs have to be made first, which is the long part
            output = runtime.infer(images)
            started = time.perf_counter()
            greedy_decode(output, self.charset)
            seconds += time.perf_counter() - started
        return seconds * sum(len(i) for i, _ in batches) / sum(len(i) for i, _ in batches[::8])

    def gigaflops(self) -> float:
        """Arithmetic of one pass over the words, in 10^9 operations; a multiplication and its addition are two."""
        preprocess = Preprocess.from_settings(self.widths)
        with Words(self.words) as words:
            images = (preprocess.decode(word.image) for word in words if word.image)
            widths = [preprocess.rule(*pixels.shape[1::-1]) for pixels in images if pixels is not None]
        counts = pl.Series(widths).value_counts(name="words")
        return sum(2 * multiply_adds(width) * words for width, words in counts.iter_rows()) / 1e9


def ceiling_task(name: str, run: Callable[[list[Tensor]], None], batches: list[Tensor]) -> Task:
    # The longest first, as the product does: calls then end at about the same time.
    ordered = sorted(batches, key=lambda images: images.size, reverse=True)

    def task() -> Outcome:
        started = time.perf_counter()
        run(ordered)
        return Outcome({name: time.perf_counter() - started})

    return task


def prepared_batches(words: Path, reader: Reader) -> Iterator[tuple[list[int], Tensor]]:
    """The batches of a pass, in memory: indices, and float32 [N, 1, 32, W]."""
    with Words(words) as opened:
        source, timer = EncodedWords(opened, reader), StepTimer()
        whole = [each for chunk in source.chunks() for each in source.collate(source.prepare(chunk, timer))]
        for each in [*whole, *source.flush()]:
            yield each.indices, normalise(np.stack(each.images))


class Ready:
    """A source of batches that are in memory already."""

    def __init__(self, batches: list[tuple[list[int], Tensor]]) -> None:
        self._batches = [Batch(*batch) for batch in batches]

    def chunks(self) -> Iterator[Batch]:
        return iter(self._batches)

    def prepare(self, chunk: Batch, timer: StepTimer) -> Batch:  # noqa: ARG002
        return chunk

    def collate(self, prepared: Batch) -> list[Batch]:
        return [prepared]

    def flush(self) -> list[Batch]:
        return []
