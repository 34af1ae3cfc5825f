"""Words that arrive by themselves, read from bytes to text: what a server does.

Threads prepare words as they come, others read what is prepared: the width whose word has waited longest, with all that
wait beside it. So a batch grows while the calls are busy, and no word waits where none is.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from crnn.data.preprocess import Tensor
from crnn.inference.scheduler import Reader
from crnn.inference.sources import Encoded
from crnn.model.decoding import greedy_decode

Answer = Callable[[list[int], list[str]], None]  # requests and their texts


class Service:
    """A context manager that reads what it is sent. window: most seconds that a call waits for the words of a batch."""

    def __init__(self, reader: Reader, workers: int, window: float, answer: Answer) -> None:
        self._reader, self._window, self._answer = reader, window, answer
        self._preparing, self._reading = ThreadPoolExecutor(workers), ThreadPoolExecutor(reader.session.calls)
        self._changed = threading.Condition()
        self._waiting: dict[int, deque[tuple[float, int, Tensor]]] = {}  # by width, as they were prepared
        self._unprepared = 0
        self._failure: BaseException | None = None

    def send(self, requests: Iterable[Encoded]) -> None:
        """Hand in requests: a number each, and an encoded image that can be decoded."""
        for number, image in requests:
            with self._changed:
                self._unprepared += 1
            self._preparing.submit(self._guarded, self._prepare, number, image)

    def _guarded(self, work: Callable[..., None], *given: object) -> None:
        try:
            work(*given)
        except BaseException as error:
            self._failure = self._failure or error

    def _prepare(self, number: int, image: bytes) -> None:
        pixels = self._reader.preprocess.decode(image)
        assert pixels is not None, "an image that cannot be decoded was sent"
        tensor = self._reader.preprocess.tensor(pixels)
        with self._changed:
            self._unprepared -= 1
            self._waiting.setdefault(tensor.shape[2], deque()).append((time.perf_counter(), number, tensor))
            self._changed.notify_all()
        self._reading.submit(self._guarded, self._read)

    def _read(self) -> None:
        with self._changed:
            words = min((words for words in self._waiting.values() if words), default=None, key=lambda each: each[0][0])
            if words is None:  # an earlier call took them all
                return
            size = self._reader.batch_of(words[0][2].shape[2])
            self._changed.wait_for(lambda: len(words) >= size or not self._unprepared, min(self._window, 3600))
            taken = [words.popleft() for _ in range(min(size, len(words)))]
        requests, texts = [number for _, number, _ in taken], [""] * len(taken)
        try:
            if taken:
                output = self._reader.session.infer(np.stack([tensor for *_, tensor in taken]))
                texts = greedy_decode(output, self._reader.charset)[0]
        finally:
            self._answer(requests, texts)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_raised: object) -> None:
        """Read what has arrived, and end. Raises what went wrong."""
        self._preparing.shutdown()
        self._reading.shutdown()
        if self._failure is not None:
            raise self._failure
