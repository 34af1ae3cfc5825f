"""Starts of a deployment, each in a fresh process: how long the first text takes, and how much memory it takes to read.

A start loads the model, reads the first word from bytes to text, calls the network once and again at every width, and
then reads words in passes, as the end-to-end clock does. The first start of several is cold: the model's files are no
longer in the page cache, and what the device's driver keeps between processes is empty.

Not here: the clocks of a run (`crnn.inference.timings`).
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from crnn.core.errors import UserError
from crnn.core.files import scratch_directory
from crnn.core.process import age_seconds, peak_mib, resident_mib
from crnn.core.workers import follow_parent
from crnn.data.buckets import batch_sizes
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess, Tensor, normalise
from crnn.inference.benchmark import EndToEnd
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

    def observe(self, _number: int) -> dict[str, Any]:
        """Load and read in this process. MiB and seconds, as `summarise` reads them."""
        begun, base = age_seconds(), resident_mib()
        session = find_runtime(self.runtime).load(self.model, self.options, self.threads, self.calls)
        try:
            loaded, load = age_seconds(), peak_mib()
            images = self._images()
            first = next(images)
            seconds, output = _timed_call(session, first)
            text = greedy_decode(output, self.contract.charset)[0][0]
            answered = age_seconds()
            steps = {"start": begun, "load": loaded - begun, "read": answered - loaded}
            later = ((each, _timed_call(session, each)[0]) for each in images)
            widths = [_at_width(session, *each) for each in [(first, seconds), *later]]
            held = [self._pass(session, number) for number in range(PASSES)]
            memory = {"base": base, "load": load, "run": peak_mib(), "passes": held, **_on_device(session)}
        finally:
            session.close()
        return {"text": text, "seconds": answered, "steps": steps, "widths": widths, "memory": memory}

    def _images(self) -> Iterator[Tensor]:
        """The first readable word of every width, as they come. Raises UserError where no word is readable."""
        seen: set[int] = set()
        with Words(self.words) as words:
            for index in range(1, min(len(words), self.limit) + 1):
                image = self.preprocess.decode(words.image(index) or b"")
                pixels = None if image is None else self.preprocess.resize(image)
                if pixels is not None and pixels.shape[2] not in seen:
                    seen.add(pixels.shape[2])
                    yield normalise(pixels)[None]
        if not seen:
            raise UserError(f"{self.words}: none of the first {self.limit} words has a readable image")

    def _pass(self, session: Session, number: int) -> float:
        """Read the words once; MiB in memory afterwards."""
        reading = EndToEnd(
            self.words,
            self.preprocess,
            session,
            self.contract.charset,
            self.contract.batch_of(batch_sizes(self.batch)),
            max(self.threads, session.calls),
        )
        reading.run(Timings(), number, min(self.limit, WORDS))
        return resident_mib()


def _on_device(session: Session) -> dict[str, float]:
    """MiB of the device's own memory, of a session that tells."""
    told = getattr(session, "device_mib", None)
    return {"device": told()} if told else {}


def _timed_call(session: Session, image: Tensor) -> tuple[float, Tensor]:
    called = time.perf_counter()
    output = session.infer(image)
    return time.perf_counter() - called, output


def _at_width(session: Session, image: Tensor, first: float) -> dict[str, float]:
    """Milliseconds of the first call at a width, which took `first` seconds, and of a later one; batch 1."""
    later = median(_timed_call(session, image)[0] for _ in range(REPEATS))
    return {"width": image.shape[3], "first_ms": first * 1e3, "later_ms": later * 1e3}


def observe(start: Start, count: int) -> list[dict[str, Any]]:
    """What `count` fresh processes find, one after the other; the first one cold."""
    for file in start.model.parent.iterdir():
        _forget(file)
    with _empty_cache(start):
        return [_in_a_process(start, number) for number in range(count)]


def _in_a_process(start: Start, number: int) -> dict[str, Any]:
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=follow_parent) as pool:
        return pool.submit(start.observe, number).result()


def _forget(file: Path) -> None:
    """Drop a file from the page cache, as far as nobody else uses it."""
    with file.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _empty_cache(start: Start) -> Iterator[None]:
    """Have the driver of the device keep its cache in a new folder, which all starts share."""
    name = CACHES.get(find_runtime(start.runtime).device or "")
    if name is None:
        yield
        return
    before = os.environ.get(name)
    with scratch_directory(start.model) as folder:
        os.environ[name] = str(folder)
        try:
            yield
        finally:
            os.environ.pop(name) if before is None else os.environ.update({name: before})


def summarise(starts: list[dict[str, Any]], build_mib: float | None = None) -> dict[str, Any]:
    """The parts `memory_mib` and `first_answer` of a report row.

    memory_mib: the most that a process held by then (`base`: before it loaded), of the largest start;
    growth_per_pass: the median step from one pass to the next, in the second half of the passes of all starts.
    first_answer: seconds from the beginning of a process to the first text, cold, and the median of the others;
    `steps`, `widths` and the width whose first call is slowest against a later one are those of the cold one.
    """
    cold, *others = starts
    memory = [each["memory"] for each in starts]
    steps = [after - before for each in memory for before, after in pairwise(each["passes"][PASSES // 2 - 1 :])]
    peaks = {
        name: max(each[name] for each in memory) for name in ("base", "load", "run", "device") if name in memory[0]
    }
    return {
        "memory_mib": {"build": build_mib, **peaks, "growth_per_pass": median(steps)},
        "first_answer": {
            "cold_seconds": cold["seconds"],
            "cached_seconds": median(each["seconds"] for each in others) if others else None,
            "steps": cold["steps"],
            "widths": cold["widths"],
            "slowest_width": max(cold["widths"], key=lambda each: each["first_ms"] / each["later_ms"]),
        },
    }
