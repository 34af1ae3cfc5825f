"""Words that arrive by themselves, read as the scheduler reads those of a dataset: what a server does.

A call takes words of one width that have arrived by then. Whole batches and words that waited for the window go first,
then words are prepared, then whatever waits: so a batch grows while there is other work, and no call is put off where
there is none.

Not here: who sends the words and when (`crnn.inference.load`).
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from crnn.data.buckets import BatchOf
from crnn.data.preprocess import Preprocess
from crnn.inference.scheduler import Batch, Chunk, Reading, Scheduler
from crnn.inference.sources import Encoded, EncodedWords, Prepared
from crnn.inference.step_timer import StepTimer
from crnn.model.charset import Charset
from crnn.runtimes.runtime import Session


class Requests(EncodedWords):
    """Encoded images by the number of their request, as they come."""

    def __init__(self, preprocess: Preprocess) -> None:
        self._preprocess = preprocess
        self.arrived: deque[Encoded] = deque()

    def chunks(self) -> Iterator[list[Encoded]]:
        while True:
            yield [self.arrived.popleft()]


class Service(Scheduler):
    """A scheduler without an end: a context manager that reads what it is sent. `answer` gets what came of a call.

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
        answer: Callable[[Reading], None],
    ) -> None:
        self._requests = Requests(preprocess)
        super().__init__(self._requests, session, charset, workers)
        self._batch_of, self._window, self._answer = batch_of, window, answer
        self._waiting: dict[int, deque[tuple[float, Prepared]]] = {}  # width → words, and when each was prepared

    def send(self, requests: Iterable[Encoded]) -> None:
        """Hand in requests: a number each, and an encoded image that can be decoded."""
        with self._changed:
            self._requests.arrived.extend(requests)
            self._changed.notify_all()

    def next(self, timer: StepTimer) -> Batch | Chunk | None:  # noqa: ARG002
        """Wait for work. None once the service is closed."""
        with self._changed:
            while self._failure is None:
                if batch := self._due():
                    self._inferring += 1
                    return batch
                if self._requests.arrived:
                    return Chunk(0, next(self._chunks))
                if self._complete:
                    return None
                self._changed.wait()
        return None

    def _due(self) -> Batch | None:
        """The batch of the word that has waited longest; None where no call is free, or preparing comes first."""
        if self._inferring == self.session.calls:
            return None
        late = time.perf_counter() - self._window if self._requests.arrived else float("inf")
        due = [
            (bucket[0][0], width)
            for width, bucket in self._waiting.items()
            if bucket and (bucket[0][0] <= late or len(bucket) >= self._batch_of(width))
        ]
        if not due:
            return None
        width = min(due)[1]
        bucket = self._waiting[width]
        taken = [bucket.popleft()[1] for _ in range(min(len(bucket), self._batch_of(width)))]
        return Batch([number for number, _ in taken], [pixels for _, pixels in taken])

    def put(self, _chunk: Chunk, prepared: list[Prepared]) -> None:
        """Hand in prepared words."""
        with self._changed:
            for number, pixels in prepared:
                bucket = self._waiting.setdefault(pixels.shape[-1], deque())
                bucket.append((time.perf_counter(), (number, pixels)))
            self._changed.notify_all()

    def deliver(self, reading: Reading) -> None:
        """Hand in what came of a batch. It is answered outside of the lock, for whoever waits may send again."""
        with self._changed:
            self._inferring -= 1
            self._changed.notify_all()
        self._answer(reading)

    def __enter__(self) -> "Service":
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        """Read what has arrived, and end. Raises what a worker raised."""
        with self._changed:
            self._complete = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()
        if self._failure is not None:
            raise self._failure
