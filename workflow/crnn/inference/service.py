"""Words that arrive by themselves, read by the workers of `crnn.inference.scheduler`: what a server does.

A call takes the words of one width that have arrived by then. Whole batches and words that waited for the window go
first, then words are prepared, then whatever waits: so a batch grows while there is other work, and no call is put off
where there is none.

Not here: who sends the words and when (`crnn.inference.load`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType

from crnn.data.buckets import BatchOf
from crnn.data.preprocess import Pixels, Preprocess
from crnn.inference.scheduler import Batch, Chunk, Reading, WorkerThread
from crnn.inference.sources import Encoded, prepare_words
from crnn.inference.step_timer import StepTimer
from crnn.model.charset import Charset
from crnn.runtimes.runtime import Session

Waiting = tuple[float, int, Pixels]  # when it was prepared, the request, what is to be read


class Service:
    """Reads requests until it is closed; a context manager. `answer` gets the texts of a call, by request.

    window: seconds that a prepared word waits for others of its width while there is other work.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        session: Session,
        charset: Charset,
        batch_of: BatchOf,
        workers: int,
        window: float,
        answer: Callable[[list[int], list[str]], None],
    ) -> None:
        self.session, self.charset = session, charset
        self._preprocess, self._batch_of, self._window, self._answer = preprocess, batch_of, window, answer
        self._changed = threading.Condition()
        self._arrived: deque[Encoded] = deque()
        self._waiting: dict[int, deque[Waiting]] = {}
        self._inferring = 0
        self._closed = False
        self._failure: BaseException | None = None
        self._workers = [WorkerThread(self) for _ in range(workers)]

    def send(self, requests: Iterable[Encoded]) -> None:
        """Hand in requests: a number each, and an encoded image that can be decoded."""
        with self._changed:
            self._arrived.extend(requests)
            self._changed.notify_all()

    def prepare(self, content: list[Encoded], timer: StepTimer) -> list[tuple[int, Pixels]]:
        return prepare_words(self._preprocess, content, timer)

    def next(self, timer: StepTimer) -> Batch | Chunk | None:  # noqa: ARG002
        """Wait for work. None once the service is closed."""
        with self._changed:
            while self._failure is None:
                if batch := self._due():
                    self._inferring += 1
                    return batch
                if self._arrived:
                    return Chunk(0, [self._arrived.popleft()])
                if self._closed:
                    return None
                self._changed.wait()
        return None

    def _due(self) -> Batch | None:
        """The batch to infer now, of the word that has waited longest; None where there is better work, or no call."""
        if self._inferring == self.session.calls or not self._waiting:
            return None
        late = time.perf_counter() - self._window if self._arrived else float("inf")
        due = [
            (bucket[0][0], width)
            for width, bucket in self._waiting.items()
            if bucket[0][0] <= late or len(bucket) >= self._batch_of(width)
        ]
        return self._take(min(due)[1]) if due else None

    def _take(self, width: int) -> Batch:
        bucket = self._waiting[width]
        taken = [bucket.popleft() for _ in range(min(len(bucket), self._batch_of(width)))]
        if not bucket:
            del self._waiting[width]
        return Batch([request for _, request, _ in taken], [pixels for _, _, pixels in taken])

    def put(self, chunk: Chunk, prepared: list[tuple[int, Pixels]]) -> None:  # noqa: ARG002
        """Hand in prepared words."""
        with self._changed:
            for request, pixels in prepared:
                bucket = self._waiting.setdefault(pixels.shape[2], deque())
                bucket.append((time.perf_counter(), request, pixels))
            self._changed.notify_all()

    def deliver(self, reading: Reading) -> None:
        """Hand in what came of a batch."""
        with self._changed:
            self._inferring -= 1
            self._changed.notify_all()
        self._answer(reading.indices, reading.texts)

    def fail(self, error: BaseException) -> None:
        """End the service; the first error is the one that counts."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def __enter__(self) -> "Service":
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read what has arrived, and end. Raises what a worker raised."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()
        if self._failure is not None:
            raise self._failure
