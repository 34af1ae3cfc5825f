"""Starts of a deployment, each in a fresh process: how long the first text takes, and how much memory it takes to read.

A start loads the model, reads the first word from bytes to text, calls the network once and again at every width, and
then reads words in passes, as the end-to-end clock does. The first start of several is cold: the model's files are no
longer in the page cache, and what the device's driver keeps between processes is empty.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from crnn.core.record import age_seconds, peak_mib, resident_mib
from crnn.core.workers import follow_parent
from crnn.data.buckets import batch_sizes
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess, Tensor, normalise
from crnn.inference.benchmark import EndToEnd, timed_call
from crnn.inference.cascade import Cascade
from crnn.inference.scheduler import Reader
from crnn.inference.sources import readable_images
from crnn.inference.timings import Timings
from crnn.model.contract import Contract
from crnn.model.decoding import greedy_decode
from crnn.runtimes.registry import find_runtime
from crnn.runtimes.runtime import Options, Session

PASSES, WORDS = 8, 400  # of each start, and most words in one
REPEATS = 5  # calls at each width after the first
# Where a driver keeps what it compiled, by the device of the runtime.
CACHES = {"gpu": "CUDA_CACHE_PATH", "npu": "ASCEND_CACHE_PATH"}


@dataclass(frozen=True)
class Start:
    """What a fresh process is told. limit: of the words; batch: as `crnn.data.buckets.batch_sizes` takes it."""

    words: Path
    preprocess: Preprocess
    contract: Contract
    runtime: str
    model: Path
    options: Options
    threads: int
    calls: int
    batch: int | str
    limit: int

    def observe(self, cache: Path) -> dict[str, Any]:
        """Load and read in this process, whose driver keeps its cache in `cache`: seconds and MiB, for `summarise`."""
        runtime = find_runtime(self.runtime)
        os.environ.update({CACHES[runtime.device]: str(cache)} if runtime.device else {})
        begun, base = age_seconds(), resident_mib()
        with closing(runtime.load(self.model, self.options, self.threads, self.calls)) as session:
            loaded, load = age_seconds(), peak_mib()
            images = self._images()
            first = next(images)
            seconds, output = timed_call(session, first)
            text = greedy_decode(output, self.contract.charset)[0][0]
            answered = age_seconds()
            steps = {"start": begun, "load": loaded - begun, "read": answered - loaded}
            later = ((each, timed_call(session, each)[0]) for each in images)
            widths = [_at_width(session, *each) for each in [(first, seconds), *later]]
            passes, device = list(self._passes(session)), session.describe().get("device_mib")
        memory = {"base": base, "load": load, "run": peak_mib(), "passes": passes, "device": device}
        return {"text": text, "seconds": answered, "steps": steps, "widths": widths, "memory": memory}

    def _images(self) -> Iterator[Tensor]:
        """The first readable word of every width, as they come."""
        seen: set[int] = set()
        with Words(self.words) as words:
            for _, pixels in readable_images(words, self.preprocess, self.limit):
                resized = self.preprocess.resize(pixels)
                if resized.shape[2] not in seen:
                    seen.add(resized.shape[2])
                    yield normalise(resized)[None]

    def _passes(self, session: Session) -> Iterator[float]:
        """Read the words again and again; MiB in memory after each pass."""
        batch_of = self.contract.batch_of(batch_sizes(self.batch))
        reader = Reader(self.preprocess, session, self.contract.charset, batch_of)
        reading = EndToEnd(self.words, Cascade([reader]), max(self.threads, session.calls))
        for number in range(PASSES):
            reading.run(Timings(), number, min(self.limit, WORDS))
            yield resident_mib()


def _at_width(session: Session, image: Tensor, first: float) -> dict[str, float]:
    """Milliseconds of the first call at a width, which took `first` seconds, and of a later one; batch 1."""
    later = median(timed_call(session, image)[0] for _ in range(REPEATS))
    return {"width": image.shape[3], "first_ms": first * 1e3, "later_ms": later * 1e3}


def observe(start: Start, count: int) -> list[dict[str, Any]]:
    """What `count` fresh processes find, one after the other; the first one cold."""
    for file in filter(Path.is_file, start.model.parent.iterdir()):
        with file.open("rb") as stream:  # out of the page cache, as far as nobody else uses it
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found = []
    with TemporaryDirectory() as cache:
        for _ in range(count):
            with ProcessPoolExecutor(1, get_context("spawn"), initializer=follow_parent) as process:
                found.append(process.submit(start.observe, Path(cache)).result())
    return found


def summarise(starts: list[dict[str, Any]], build_mib: float | None = None) -> dict[str, Any]:
    """The parts `memory_mib` and `first_answer` of a report row.

    memory_mib: the most that a process held by then (`base`: before it loaded), of the largest start;
    growth_per_pass: the median step from one pass to the next, in the second half of the passes of all starts;
    device: what it held of the device's memory after the passes, None where the toolchain does not tell.
    first_answer: seconds from the beginning of a process to the first text, cold, and the median of the others; the
    `steps` of the cold one; the medians of every width, and of the one whose first call is slowest against later ones.
    """
    cold, *others = starts
    memory = [each["memory"] for each in starts]
    steps = [after - before for each in memory for before, after in pairwise(each["passes"][PASSES // 2 - 1 :])]
    peaks = {name: max(each[name] for each in memory) for name in ("base", "load", "run")}
    peaks["device"] = max((each["device"] for each in memory if each["device"] is not None), default=None)
    widths = [
        {name: median(each[name] for each in of_starts) for name in of_starts[0]}
        for of_starts in zip(*(each["widths"] for each in starts), strict=True)
    ]
    return {
        "memory_mib": {"build": build_mib, **peaks, "growth_per_pass": median(steps)},
        "first_answer": {
            "cold_seconds": cold["seconds"],
            "cached_seconds": median(each["seconds"] for each in others) if others else None,
            "steps": cold["steps"],
            "widths": widths,
            "slowest_width": max(widths, key=lambda each: each["first_ms"] / each["later_ms"]),
        },
    }
