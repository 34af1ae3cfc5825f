"""Both clocks of `crnn.inference.timings` around a model: the path from encoded bytes to texts, and its call alone."""

import time
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

import polars as pl

from crnn.core.command import LOG, counter, progress
from crnn.data.lmdb import Words
from crnn.data.preprocess import Tensor
from crnn.data.tensors import TensorSet
from crnn.inference.cascade import Cascade, CascadeRun
from crnn.inference.predict import Readings
from crnn.inference.scheduler import Reader, Reading, Row, transfers
from crnn.inference.sources import EncodedWords
from crnn.inference.timings import Timings
from crnn.model.decoding import greedy_decode
from crnn.runtimes.runtime import Session

Passes = list[pl.DataFrame]  # what each pass read: index, text, confidence


@dataclass(frozen=True)
class Repeats:
    """How long to measure: passes of each clock, words of warm-up before each, most words in a pass."""

    passes: int
    warmup: int
    limit: int


@dataclass(frozen=True)
class EndToEnd:
    """The path that the e2e clock times: the words of an LMDB read, decoded, resized, batched, inferred and decoded."""

    words: Path
    cascade: Cascade
    workers: int = 1

    def run(self, timings: Timings, number: int, limit: int | None = None) -> pl.DataFrame:
        """Read every word (or the first `limit`) once as pass `number`; return index, text, confidence of the readable.

        Adds a row per inference call (phase `e2e`, with its steps) and one for the whole pass (`e2e_total`).
        """
        readings, members = Readings(), self.cascade.members
        for member in members:
            transfers(member.session)  # those of earlier calls
        started = time.perf_counter()
        with Words(self.words) as words:
            count = len(words) if limit is None else min(len(words), limit)
            with counter(count, f"e2e, pass {number + 1}") as bar:

                def deliver(row: Row) -> None:
                    readings.add([row])
                    bar.update()

                def called(call: Reading) -> None:
                    timings.add("e2e", number, len(call.rows), call.width, call.seconds, call.steps)

                sources = partial(EncodedWords, words, limit=count)
                after = CascadeRun(self.cascade, self.workers, deliver, called).run(sources)
        found = readings.frame()
        calls = sum(member.session.calls for member in members)
        timings.add_pass(number, count, time.perf_counter() - started, after, calls)
        return found

    def time(self, timings: Timings, repeats: Repeats) -> Passes:
        """Run the e2e clock."""
        self.run(Timings(), 0, repeats.warmup)
        passes = []
        for number in range(repeats.passes):
            passes.append(self.run(timings, number, repeats.limit))
            LOG.info("e2e, pass %d of %d: %.2f s", number + 1, repeats.passes, timings.last_seconds)
        return passes


def time_infer_only(reader: Reader, tensors: TensorSet, timings: Timings, repeats: Repeats) -> Passes:
    """Time the inference call alone, one word at a time in LMDB order; return what each pass read.

    The first call ever is recorded as `cold`. Inputs are in memory before the clock starts, and texts are decoded
    after it stops.
    """
    inputs = sorted(((indices[0], images) for indices, images in tensors.batches(1, repeats.limit)), key=itemgetter(0))
    for _, images in inputs[:1]:
        timings.add("cold", 0, 1, images.shape[3], timed_call(reader.session, images)[0])
    for _, images in inputs[: repeats.warmup]:
        reader.session.infer(images)
    passes = []
    for number in range(repeats.passes):
        readings, what = Readings(), f"infer_only, pass {number + 1} of {repeats.passes}"
        for index, images in progress(inputs, total=len(inputs), what=what):
            seconds, output = timed_call(reader.session, images)
            timings.add("infer_only", number, 1, images.shape[3], seconds)
            readings.add(zip([index], *greedy_decode(output, reader.charset), strict=True))
        passes.append(readings.frame())
    return passes


def timed_call(session: Session, images: Tensor) -> tuple[float, Tensor]:
    """Seconds of an inference call, and its output."""
    called = time.perf_counter()
    output = session.infer(images)
    return time.perf_counter() - called, output


def timed_texts(infer_only: Passes, e2e: Passes) -> pl.DataFrame:
    """What the timed runs read: phase, pass, index, text."""
    return pl.concat(
        found.select(pl.lit(phase).alias("phase"), pl.lit(number, pl.Int64).alias("pass"), "index", "text")
        for phase, passes in (("infer_only", infer_only), ("e2e", e2e))
        for number, found in enumerate(passes)
    )
