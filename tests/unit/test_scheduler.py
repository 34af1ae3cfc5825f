"""Many workers, one result: nothing is lost, doubled or mixed up, whatever the number of workers and of calls."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.data.preprocess import Pixels, Tensor
from crnn.inference.scheduler import AHEAD, OPEN_CHUNKS, Batch, Reading, Scheduler
from crnn.inference.step_timer import STEPS, StepTimer
from crnn.model.charset import Charset
from examples import CHARSET, PixelReader, scribble

WAIT = 20.0  # seconds; long past the moment at which a worker that is there has come


@dataclass
class Scribbles:
    """Words of three widths, two in a chunk, in batches of at most `batch`."""

    count: int
    batch: int = 3
    open_chunks: int = 0
    most_open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[int, list[tuple[int, Pixels]]] = field(default_factory=dict)

    def chunks(self) -> Iterator[range]:
        for first in range(0, self.count, 2):
            self.open_chunks += 1
            self.most_open = max(self.most_open, self.open_chunks)
            yield range(first, min(first + 2, self.count))

    def prepare(self, chunk: range, timer: StepTimer) -> list[tuple[int, Pixels]]:
        with timer.step("decode"):
            return [(index, scribble(32 + 4 * (index % 3), 32, seed=index)[None]) for index in chunk]

    def collate(self, prepared: list[tuple[int, Pixels]]) -> list[Batch]:
        self.open_chunks -= 1
        whole = []
        for index, pixels in prepared:
            bucket = self.waiting.setdefault(pixels.shape[2], [])
            bucket.append((index, pixels))
            if len(bucket) == self.batch:
                whole.append(self._batch(self.waiting.pop(pixels.shape[2])))
        return whole

    def flush(self) -> list[Batch]:
        return [self._batch(bucket) for bucket in self.waiting.values()]

    def _batch(self, bucket: list[tuple[int, Pixels]]) -> Batch:
        return Batch([index for index, _ in bucket], [pixels for _, pixels in bucket])


class Concurrent(PixelReader):
    """Takes `calls` calls at a time, and notes how many there were."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()

    def infer(self, images: Tensor) -> Tensor:
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return super().infer(images)
        finally:
            with self._lock:
                self.under_way -= 1


def read(source: Scribbles, runtime: PixelReader, workers: int) -> list[Reading]:
    readings: list[Reading] = []
    Scheduler(source, runtime, CHARSET, workers).run(readings.append)
    return readings


def texts(readings: list[Reading]) -> dict[int, str]:
    return {index: text for reading in readings for index, text, _ in reading.rows}


def indices(readings: list[Reading]) -> list[list[int]]:
    return [[index for index, *_ in reading.rows] for reading in readings]


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 40), batch=st.integers(1, 5), workers=st.integers(1, 5), calls=st.integers(1, 5))
def test_batches_and_texts_are_those_of_one_worker(count: int, batch: int, workers: int, calls: int) -> None:
    alone = read(Scribbles(count, batch), PixelReader(), workers=1)
    source, runtime = Scribbles(count, batch), Concurrent(calls)
    together = read(source, runtime, workers)
    assert sorted(indices(together)) == sorted(indices(alone))
    assert texts(together) == texts(alone)
    assert sum(len(reading.rows) for reading in together) == count
    assert runtime.most_under_way <= min(calls, workers)
    assert source.most_open <= OPEN_CHUNKS * workers


def test_calls_run_at_the_same_time_where_the_runtime_takes_them() -> None:
    barrier = threading.Barrier(2)

    class Meeting(PixelReader):
        calls = 2

        def infer(self, images: Tensor) -> Tensor:
            barrier.wait(WAIT)
            return super().infer(images)

    assert len(texts(read(Scribbles(12), Meeting(), workers=2))) == 12  # four calls, two by two


def test_words_are_prepared_while_a_call_is_under_way() -> None:
    last_chunk = threading.Event()

    class Announcing(Scribbles):
        def prepare(self, chunk: range, timer: StepTimer) -> list[tuple[int, Pixels]]:
            if chunk.stop == self.count:
                last_chunk.set()
            return super().prepare(chunk, timer)

    class Patient(PixelReader):
        def infer(self, images: Tensor) -> Tensor:
            assert last_chunk.wait(WAIT)
            return super().infer(images)

    assert len(texts(read(Announcing(8), Patient(), workers=2))) == 8


def test_no_more_is_prepared_ahead_than_inference_can_use() -> None:
    prepared: list[int] = []

    class Counting(Scribbles):
        def prepare(self, chunk: range, timer: StepTimer) -> list[tuple[int, Pixels]]:
            prepared.extend(chunk)
            return super().prepare(chunk, timer)

    class Slow(PixelReader):
        def infer(self, images: Tensor) -> Tensor:
            time.sleep(0.002)
            most = sum(shape[0] for shape in self.shapes) + (1 + AHEAD) * 3 + 3 * 2 + OPEN_CHUNKS * 2 * 2 + 3 * 3
            assert len(prepared) <= most  # read, under way or ready, in full chunks, open, in buckets
            return super().infer(images)

    assert len(texts(read(Counting(120), Slow(), workers=2))) == 120


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("where", ["chunks", "prepare", "collate", "flush", "infer", "deliver"])
def test_what_a_worker_raises_ends_the_run(where: str, workers: int) -> None:
    source, runtime = Scribbles(30), PixelReader()

    def fail(*_: object) -> Iterator[range]:
        raise RuntimeError(where)
        yield range(0)

    def deliver(reading: Reading) -> None:
        if where == "deliver":
            raise RuntimeError(where)

    owner = runtime if where == "infer" else source
    if where != "deliver":
        setattr(owner, where, fail if where == "chunks" else lambda *_: next(fail()))
    before = threading.active_count()
    with pytest.raises(RuntimeError, match=where):
        Scheduler(source, runtime, CHARSET, workers).run(deliver)
    assert threading.active_count() == before


def test_the_model_of_another_charset_is_refused() -> None:
    with pytest.raises(Exception, match="the charset 11"):
        Scheduler(Scribbles(3), PixelReader(), Charset("0123456789"), 2).run(lambda reading: None)


def test_every_step_is_in_a_reading_or_comes_after_them() -> None:
    readings: list[Reading] = []
    after = Scheduler(Scribbles(20), PixelReader(), CHARSET, 2).run(readings.append)
    assert len(after) == 2
    for step in ("read", "decode", "collate", "execute", "ctc"):
        assert sum(reading.steps[step] for reading in readings) + sum(worker[step] for worker in after) > 0
    assert all(set(reading.steps) == set(STEPS) for reading in readings)
    assert all(reading.seconds >= reading.steps["execute"] for reading in readings)


def test_buffers_hold_the_words_of_their_own_call() -> None:
    class Keeping(PixelReader):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Tensor] = []

        def infer(self, images: Tensor) -> Tensor:
            self.seen.append(images.copy())
            return super().infer(images)

    runtime = Keeping()
    read(Scribbles(5, batch=2), runtime, workers=1)
    assert sorted(len(images) for images in runtime.seen) == [1, 2, 2]
    for images in runtime.seen:
        assert images.dtype == np.float32
        assert -1 <= images.min() <= images.max() <= 1
