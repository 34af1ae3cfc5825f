"""Words through a model on every core at once: prepared, put together by width, inferred, decoded.

Workers share two kinds of work. Whoever is free infers a batch where one is whole and the runtime takes another call,
and prepares more words where not. So inference is fed first, no core waits while there is work, and what is in memory
depends on the number of workers and widths and not on the number of words. What was prepared is put together in the
order in which it was taken, so the batches of a run are the same whoever prepared them.

Workers are threads: decoding, resizing and inference leave Python's lock. Not here: where words come from
(`crnn.inference.sources`), what becomes of the texts (`crnn.inference.predict`, `crnn.inference.benchmark`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from crnn.data.preprocess import Pixels, Tensor, normalise_into
from crnn.data.widths import HEIGHT
from crnn.inference.step_timer import Laps
from crnn.model.charset import Charset, greedy_decode
from crnn.runtimes.runtime import Session

AHEAD = 2  # whole batches that wait per call that the runtime takes at a time; more would only be memory
PIECES = 2  # pieces per worker that are taken and not put together yet


@dataclass(frozen=True)
class Batch:
    """Words of one width. images: float32 [N, 1, 32, W], or N uint8 [32, W] that are not normalised yet."""

    indices: list[int]
    images: Tensor | list[Pixels]

    @property
    def width(self) -> int:
        return int(self.images[0].shape[-1])


class Feed(Protocol):
    """Where words come from. One run uses it up."""

    def pieces(self) -> Iterator[Any]:
        """Yield pieces of the work, cheaply: one worker at a time advances it."""
        ...

    def prepare(self, piece: Any, laps: Laps) -> Any:
        """Do the work on a piece; any number of workers at a time."""
        ...

    def put_together(self, prepared: Any) -> list[Batch]:
        """Take what became of the next piece; return the batches that are whole now. One worker at a time."""
        ...

    def rest(self) -> list[Batch]:
        """The batches that are not full, once every piece has been put together."""
        ...


class Reading(NamedTuple):
    """What came of one call. seconds: wall time of it; laps: of its steps, and of what its worker prepared before."""

    indices: list[int]
    width: int
    texts: list[str]
    confidences: list[float]
    seconds: float
    laps: dict[str, float]


Deliver = Callable[[Reading], None]


@dataclass(frozen=True)
class Stream:
    """Everything that a run needs: the words, the model, and how many workers there are."""

    feed: Feed
    runtime: Session
    charset: Charset
    workers: int = 1

    def run(self, deliver: Deliver) -> list[dict[str, float]]:
        """Read every word once. `deliver` gets each reading as it comes, one at a time.

        Returns the laps of each worker since its last call. What a worker raises is raised here, once the others have
        ended what they were at.
        """
        desk = _Desk(self.feed, self.runtime.lanes, self.workers, deliver)
        workers = [_Worker(desk, self) for _ in range(self.workers)]
        threads = [threading.Thread(target=worker.work, daemon=True) for worker in workers[1:]]
        for thread in threads:
            thread.start()
        workers[0].work()
        for thread in threads:
            thread.join()
        desk.raise_failure()
        return [worker.laps.take() for worker in workers]


class _Piece(NamedTuple):
    number: int
    content: Any


class _Desk:
    """What is to be done next, and what has been done: everything that workers share."""

    def __init__(self, feed: Feed, lanes: int, workers: int, deliver: Deliver) -> None:
        self._feed, self._deliver, self._lanes = feed, deliver, lanes
        self._pieces = feed.pieces()
        self._most_ready, self._most_open = AHEAD * lanes, PIECES * workers
        self._changed = threading.Condition()
        self._prepared: dict[int, Any] = {}
        self._ready: deque[Batch] = deque()
        self._taken = self._together = self._inferring = 0
        self._exhausted = self._complete = False
        self._failure: BaseException | None = None

    def next(self, laps: Laps) -> Batch | _Piece | None:
        """Wait for work. None where nothing is left to do, or another worker has failed."""
        with self._changed:
            while self._failure is None:
                if self._ready and self._inferring < self._lanes:
                    self._inferring += 1
                    return self._ready.popleft()
                if self._may_take():
                    with laps.step("read"):
                        content = next(self._pieces, None)
                    if content is not None:
                        self._taken += 1
                        return _Piece(self._taken - 1, content)
                    self._exhausted = True
                    self._complete_if_together()
                    continue
                if self._complete and not self._ready:
                    return None
                self._changed.wait()
        return None

    def _may_take(self) -> bool:
        waiting = self._taken - self._together
        return not self._exhausted and len(self._ready) < self._most_ready and waiting < self._most_open

    def _complete_if_together(self) -> None:
        if self._exhausted and self._together == self._taken:
            # The longest first: workers then end at about the same time.
            rest = sorted(self._feed.rest(), key=lambda batch: len(batch.indices) * batch.width, reverse=True)
            self._ready.extend(rest)
            self._complete = True
            self._changed.notify_all()

    def put(self, piece: _Piece, prepared: Any) -> None:
        """Hand in a prepared piece."""
        with self._changed:
            self._prepared[piece.number] = prepared
            while self._together in self._prepared:
                self._ready.extend(self._feed.put_together(self._prepared.pop(self._together)))
                self._together += 1
            self._complete_if_together()
            self._changed.notify_all()

    def deliver(self, reading: Reading) -> None:
        """Hand in what came of a batch."""
        with self._changed:
            self._inferring -= 1
            self._deliver(reading)
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Send everybody home; the first error is the one that counts."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _Worker:
    """One thread: does whatever the desk has next. Its buffers are its own, one per width, and are used again."""

    def __init__(self, desk: _Desk, stream: Stream) -> None:
        self.laps = Laps()
        self._desk, self._stream = desk, stream
        self._buffers: dict[int, Tensor] = {}

    def work(self) -> None:
        try:
            while (task := self._desk.next(self.laps)) is not None:
                if isinstance(task, Batch):
                    self._desk.deliver(self._read(task))
                else:
                    self._desk.put(task, self._stream.feed.prepare(task.content, self.laps))
        except BaseException as error:
            self._desk.fail(error)

    def _read(self, batch: Batch) -> Reading:
        runtime, laps = self._stream.runtime, self.laps
        called = time.perf_counter()
        with laps.step("collate"):
            images = self._collated(batch)
        with laps.step("execute"):
            log_probabilities = runtime.infer(images)
        laps.move("execute", transfers(runtime))
        with laps.step("ctc"):
            texts, confidences = greedy_decode(log_probabilities, self._stream.charset)
        seconds = time.perf_counter() - called
        return Reading(batch.indices, batch.width, texts, confidences, seconds, laps.take())

    def _collated(self, batch: Batch) -> Tensor:
        if isinstance(batch.images, np.ndarray):
            return batch.images
        count, width = len(batch.images), batch.width
        buffer = self._buffers.get(width)
        if buffer is None or len(buffer) < count:
            buffer = self._buffers[width] = np.empty((count, 1, HEIGHT, width), np.float32)
        for pixels, image in zip(batch.images, buffer, strict=False):
            normalise_into(pixels, image[0])
        return buffer[:count]


def transfers(runtime: Session) -> dict[str, float]:
    """Seconds of the copies since the last call, by step, of a runtime that tells them apart."""
    transfer_seconds = getattr(runtime, "transfer_seconds", None)
    return dict(zip(("transfer_in", "transfer_out"), transfer_seconds(), strict=True)) if transfer_seconds else {}
