"""Encoded bytes in, text out: the whole path of a word, timed from outside with `crnn.measure`.

Not here: accuracy runs over prepared tensors (`crnn.predictions`), what a clock's numbers mean (`crnn.measure`).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

import numpy as np
import polars as pl

from crnn.charset import Charset, greedy_decode
from crnn.measure import Laps, Timings
from crnn.stage import LOG, progress
from crnn.targets import Runtime
from crnn.tensors import Pixels, Preprocess, Tensor, TensorSet, normalise
from crnn.words import Words


@dataclass
class _Bucket:
    """Words of one width that wait for their batch to fill."""

    indices: list[int] = field(default_factory=list)
    pixels: list[Pixels] = field(default_factory=list)


@dataclass(frozen=True)
class Pipeline:
    """Reads, decodes, resizes, batches by width, infers and decodes the words of an LMDB."""

    words: Path
    preprocess: Preprocess
    runtime: Runtime
    charset: Charset
    batch: int

    def run(self, timings: Timings, number: int, limit: int | None = None) -> dict[int, str]:
        """Read every word (or the first `limit`) once as pass `number`; return index → text of the readable ones.

        Adds a row per inference call (phase `e2e`, with its steps) and one for the whole pass (`e2e_total`).
        """
        texts: dict[int, str] = {}
        laps = Laps()
        self._transfers()  # those of earlier calls
        started = time.perf_counter()
        with Words(self.words) as words:
            count = len(words) if limit is None else min(len(words), limit)
            for bucket in self._buckets(words, count, laps):
                called = time.perf_counter()
                texts.update(self._recognise(bucket, laps))
                seconds = time.perf_counter() - called
                timings.add("e2e", number, len(bucket.indices), bucket.pixels[0].shape[1], seconds, laps.take())
        timings.add("e2e_total", number, count, None, time.perf_counter() - started)
        return texts

    def _buckets(self, words: Words, count: int, laps: Laps) -> Iterator[_Bucket]:
        waiting: dict[int, _Bucket] = {}
        for index in range(1, count + 1):
            with laps.step("read"):
                image = words[index].image
            with laps.step("decode"):
                gray = self.preprocess.decode(image) if image else None
            if gray is None:
                continue
            with laps.step("resize"):
                pixels = self.preprocess.resize(gray)
            bucket = waiting.setdefault(pixels.shape[1], _Bucket())
            bucket.indices.append(index)
            bucket.pixels.append(pixels)
            if len(bucket.indices) == self.batch:
                yield waiting.pop(pixels.shape[1])
        yield from waiting.values()

    def _recognise(self, bucket: _Bucket, laps: Laps) -> dict[int, str]:
        with laps.step("collate"):
            images = normalise(np.stack(bucket.pixels)[:, None])
        with laps.step("execute"):
            log_probabilities = self.runtime.infer(images)
        laps.move("execute", self._transfers())
        with laps.step("ctc"):
            texts, _ = greedy_decode(log_probabilities, self.charset)
        return dict(zip(bucket.indices, texts, strict=True))

    def _transfers(self) -> dict[str, float]:
        """Seconds of the copies since the last call, by step, of a runtime that tells them apart."""
        transfer_seconds = getattr(self.runtime, "transfer_seconds", None)
        return dict(zip(("transfer_in", "transfer_out"), transfer_seconds(), strict=True)) if transfer_seconds else {}


@dataclass(frozen=True)
class Repeats:
    """How long to measure: passes of each clock, words of warm-up before each, most words in a pass."""

    passes: int
    warmup: int
    limit: int


def time_words(pipeline: Pipeline, tensors: TensorSet, repeats: Repeats) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Run both clocks of `crnn.measure` on one pipeline.

    Returns timings (see `crnn.measure.Timings`) and what was read: phase, pass, index, text.
    """
    timings = Timings()
    infer_only = _time_infer_only(pipeline, tensors, timings, repeats)
    pipeline.run(Timings(), 0, repeats.warmup)
    e2e = []
    for number in range(repeats.passes):
        e2e.append(pipeline.run(timings, number, repeats.limit))
        LOG.info("e2e, pass %d of %d: %.2f s", number + 1, repeats.passes, timings.rows[-1]["seconds"])
    texts = [
        (phase, number, index, text)
        for phase, passes in (("infer_only", infer_only), ("e2e", e2e))
        for number, found in enumerate(passes)
        for index, text in found.items()
    ]
    schema = {"phase": pl.String, "pass": pl.Int64, "index": pl.Int64, "text": pl.String}
    return timings.frame(), pl.DataFrame(texts, schema=schema, orient="row")


def _time_infer_only(
    pipeline: Pipeline, tensors: TensorSet, timings: Timings, repeats: Repeats
) -> list[dict[int, str]]:
    """Time the inference call alone, one word at a time in LMDB order; return index → text of every pass.

    The first call ever is recorded as `cold`. Inputs are in memory before the clock starts, and texts are decoded
    after it stops.
    """
    inputs = sorted(((indices[0], images) for indices, images in tensors.batches(1, repeats.limit)), key=itemgetter(0))
    for _, images in inputs[:1]:
        _timed_call(pipeline.runtime, images, timings, "cold", 0)
    for _, images in inputs[: repeats.warmup]:
        pipeline.runtime.infer(images)
    found: list[dict[int, str]] = []
    for number in range(repeats.passes):
        texts = {}
        what = f"infer_only, pass {number + 1} of {repeats.passes}"
        for index, images in progress(inputs, total=len(inputs), what=what):
            log_probabilities = _timed_call(pipeline.runtime, images, timings, "infer_only", number)
            texts[index] = greedy_decode(log_probabilities, pipeline.charset)[0][0]
        found.append(texts)
    return found


def _timed_call(runtime: Runtime, images: Tensor, timings: Timings, phase: str, number: int) -> Tensor:
    started = time.perf_counter()
    output = runtime.infer(images)
    timings.add(phase, number, images.shape[0], images.shape[3], time.perf_counter() - started)
    return output
