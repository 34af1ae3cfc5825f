"""Words through a model on every core at once: prepared, collated by width, inferred, decoded.

Every worker takes the most urgent work: a whole batch where the session takes another call, or else the next chunk of
words to prepare. So inference is fed first, no core waits while there is work, and the memory depends on the number of
workers and widths, not on the number of words. Chunks are collated in the order in which they were taken: the batches
of a run are the same whoever prepared them.

Workers are threads: decoding, resizing and inference leave Python's lock.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from crnn.data.buckets import BatchOf
from crnn.data.decode import Pixels
from crnn.data.preprocess import Preprocess, Tensor, normalise_into
from crnn.inference.step_timer import Steps, StepTimer
from crnn.model.charset import Charset
from crnn.model.decoding import greedy_decode
from crnn.runtimes.runtime import Session

Row = tuple[int, str, float]  # of a word: index, text, confidence
AHEAD = 2  # whole batches that wait per concurrent call; more would only be memory
OPEN_CHUNKS = 2  # chunks per worker that are taken and not collated yet


@dataclass(frozen=True)
class Batch:
    """Words of one width. images: float32 [N, channels, height, W], or N uint8 [channels, height, W] as resized."""

    indices: list[int]
    images: Tensor | list[Pixels]

    @property
    def width(self) -> int:
        return int(self.images[0].shape[-1])


@dataclass(frozen=True)
class Reader:
    """What reads words: how it prepares them, its model, and how many of a width share a call."""

    preprocess: Preprocess
    session: Session
    charset: Charset
    batch_of: BatchOf


class Source(Protocol):
    """Where words come from. One run uses it up."""

    def chunks(self) -> Iterator[Any]:
        """Yield chunks of the work, cheaply: one worker at a time advances it."""

    def prepare(self, chunk: Any, timer: StepTimer) -> Any:
        """Do the work on a chunk; any number of workers at a time."""

    def collate(self, prepared: Any) -> list[Batch]:
        """Take what became of the next chunk; return the batches that are whole now. One worker at a time."""

    def flush(self) -> list[Batch]:
        """The batches that are not full, once every chunk has been collated."""


class Reading(NamedTuple):
    """What came of one call. seconds: its wall time; steps: seconds by step, with what its worker prepared before."""

    rows: list[Row]
    width: int
    seconds: float
    steps: Steps


Deliver = Callable[[Reading], None]


class Scheduler:
    """One run over the words of a source: what is to be done next, and what has been done. Its workers share it."""

    def __init__(self, source: Source, session: Session, charset: Charset, workers: int = 1) -> None:
        self.source, self.session, self.charset = source, session, charset
        self._chunks = source.chunks()
        self._workers = [_WorkerThread(self) for _ in range(workers)]
        self._changed = threading.Condition()
        self._prepared: dict[int, Any] = {}
        self._ready: deque[Batch] = deque()
        self._taken = self._collated = self._inferring = 0
        self._exhausted = self._complete = False
        self._failure: BaseException | None = None

    def run(self, deliver: Deliver) -> list[Steps]:
        """Read every word once. `deliver` gets each reading as it comes, one at a time.

        Returns the seconds by step of each worker since its last call. What a worker raises is raised here, once the
        others have ended what they were at.
        """
        self._deliver = deliver
        for worker in self._workers[1:]:
            worker.start()
        self._workers[0].run()  # in this thread
        for worker in self._workers[1:]:
            worker.join()
        if self._failure is not None:
            raise self._failure
        return [worker.timer.take() for worker in self._workers]

    def next(self, timer: StepTimer) -> Batch | tuple[int, Any] | None:
        """Wait for work: a batch, or a chunk with its number. None where nothing is left, or another has failed."""
        with self._changed:
            while self._failure is None:
                if self._ready and self._inferring < self.session.calls:
                    self._inferring += 1
                    return self._ready.popleft()
                few_ready = len(self._ready) < AHEAD * self.session.calls
                few_open = self._taken - self._collated < OPEN_CHUNKS * len(self._workers)
                if few_ready and few_open and not self._exhausted:
                    with timer.step("read"):
                        content = next(self._chunks, None)
                    if content is not None:
                        self._taken += 1
                        return self._taken - 1, content
                    self._exhausted = True
                    self._flush_if_collated()
                    continue
                if self._complete and not self._ready:
                    return None
                self._changed.wait()
        return None

    def _flush_if_collated(self) -> None:
        if self._exhausted and self._collated == self._taken:
            # The longest first: workers then end at about the same time.
            last = sorted(self.source.flush(), key=lambda batch: len(batch.indices) * batch.width, reverse=True)
            self._ready.extend(last)
            self._complete = True
            self._changed.notify_all()

    def put(self, number: int, prepared: Any) -> None:
        """Hand in what was made of a chunk."""
        with self._changed:
            self._prepared[number] = prepared
            while self._collated in self._prepared:
                self._ready.extend(self.source.collate(self._prepared.pop(self._collated)))
                self._collated += 1
            self._flush_if_collated()
            self._changed.notify_all()

    def deliver(self, reading: Reading) -> None:
        """Hand in what came of a batch."""
        with self._changed:
            self._inferring -= 1
            self._deliver(reading)
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End the run; the first error is the one that counts."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()


class _WorkerThread(threading.Thread):
    """Does whatever the scheduler has next. It keeps a buffer per width, and uses it again."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(daemon=True)
        self.timer = StepTimer()
        self._scheduler = scheduler
        self._buffers: dict[int, Tensor] = {}

    def run(self) -> None:
        scheduler = self._scheduler
        try:
            while (task := scheduler.next(self.timer)) is not None:
                if isinstance(task, Batch):
                    scheduler.deliver(self._read(task))
                else:
                    number, chunk = task
                    scheduler.put(number, scheduler.source.prepare(chunk, self.timer))
        except BaseException as error:
            scheduler.fail(error)

    def _read(self, batch: Batch) -> Reading:
        session, timer = self._scheduler.session, self.timer
        called = time.perf_counter()
        with timer.step("collate"):
            images = self._stacked(batch)
        with timer.step("execute"):
            log_probabilities = session.infer(images)
        timer.move("execute", transfers(session))
        with timer.step("ctc"):
            rows = list(zip(batch.indices, *greedy_decode(log_probabilities, self._scheduler.charset), strict=True))
        return Reading(rows, batch.width, time.perf_counter() - called, timer.take())

    def _stacked(self, batch: Batch) -> Tensor:
        if isinstance(batch.images, np.ndarray):
            return batch.images
        count, width = len(batch.images), batch.width
        buffer = self._buffers.get(width)
        if buffer is None or len(buffer) < count:
            buffer = self._buffers[width] = np.empty((count, *batch.images[0].shape), np.float32)
        for pixels, image in zip(batch.images, buffer, strict=False):
            normalise_into(pixels, image)
        return buffer[:count]


def transfers(session: Session) -> Steps:
    """Seconds of the copies since the last call, by step, of a session that tells them apart."""
    transfer_seconds = getattr(session, "transfer_seconds", None)
    return dict(zip(("transfer_in", "transfer_out"), transfer_seconds(), strict=True)) if transfer_seconds else {}
