"""Worker processes that apply one function to many chunks: results in order, few of them in memory, no orphans."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any, Generic, TypeVar

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

AHEAD = 4  # chunks per process under way or waiting


class WorkerProcesses(Generic[Chunk, Result]):
    """Applies a picklable function in `processes` processes, or here where that is 0. Use it as a context manager.

    The function travels to each process once, so it may be heavy: a renderer with its fonts and words.
    """

    def __init__(self, function: Callable[[Chunk], Result], processes: int) -> None:
        self._function = function
        self._ahead = AHEAD * processes
        self._pool: ProcessPoolExecutor | None = None
        if processes:
            # Fresh interpreters: none of OpenCV, Polars and PyTorch promises to survive a fork.
            self._pool = ProcessPoolExecutor(
                processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(function,)
            )

    def map(self, chunks: Iterable[Chunk]) -> Iterator[Result]:
        """Yield the result of each chunk in order, and take only a few chunks ahead."""
        if self._pool is None:
            return map(self._function, chunks)
        return (future.result() for future in self._submitted(self._pool, chunks))

    def arrivals(self, chunks: Iterable[Chunk]) -> Iterator[Result | None]:
        """The same without waiting: None while the next result is not there yet."""
        if self._pool is None:
            yield from map(self._function, chunks)
            return
        for future in self._submitted(self._pool, chunks):
            while not future.done():
                yield None
            yield future.result()

    def _submitted(self, pool: ProcessPoolExecutor, chunks: Iterable[Chunk]) -> Iterator[Future[Result]]:
        waiting: deque[Future[Result]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_apply, chunk))
            if len(waiting) >= self._ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def __enter__(self) -> "WorkerProcesses[Chunk, Result]":
        return self

    def __exit__(self, *raised: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


# The function of a worker process, set when the process begins.
_function: list[Callable[[Any], Any]] = []


def _begin(function: Callable[[Any], Any]) -> None:
    _function[:] = [function]
    # The user of the results comes first: threads that compute in step all wait for one that lost its turn.
    os.nice(5)
    follow_parent()


def follow_parent() -> None:
    """From now on, end when the parent process ends, however it does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers, which would wait for it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(chunk: Any) -> Any:
    return _function[0](chunk)
