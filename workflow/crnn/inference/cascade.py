"""Cascades: recognisers in a row, each of which reads the words that the one before it is not sure of.

All read at a time in one stream: words are handed on while the first member still reads. Which text counts is a pure
function of what each member reads, so a cascade's texts follow from those of its members (`crnn.inference.combine`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from crnn.data.buckets import BatchOf
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess
from crnn.inference.combine import Keep
from crnn.inference.predict import Row, rows_of
from crnn.inference.scheduler import Deliver, Reading, Scheduler, Source
from crnn.inference.sources import CHUNK, Encoded, EncodedWords
from crnn.model.charset import Charset
from crnn.runtimes.runtime import Session


@dataclass(frozen=True)
class Member:
    """A recogniser of a cascade: how it prepares words, its model, and how many of a width share a call."""

    preprocess: Preprocess
    session: Session
    charset: Charset
    batch_of: BatchOf


class Handed:
    """The words that a member hands on to the next one, in the order in which they come."""

    def __init__(self) -> None:
        self._indices: SimpleQueue[int | None] = SimpleQueue()

    def put(self, index: int | None) -> None:
        """Hand a word on; None says that no more will come."""
        self._indices.put(index)

    def chunks(self) -> Iterator[list[int]]:
        """Chunks of what is handed on, until it ends: as much as is there, and at least one word."""
        while (index := self._indices.get()) is not None:
            chunk = [index]
            while len(chunk) < CHUNK and not self._indices.empty():
                following = self._indices.get()
                if following is None:
                    yield chunk
                    return
                chunk.append(following)
            yield chunk


class Next(Source, Protocol):
    """Where a member that is not the first takes its words from."""

    handed: Handed


class HandedWords(EncodedWords):
    """Words of an LMDB that another member hands on."""

    def __init__(self, words: Words, member: Member) -> None:
        super().__init__(words, member.preprocess, member.batch_of)
        self.handed = Handed()

    def chunks(self) -> Iterator[list[Encoded]]:
        return map(self.images, self.handed.chunks())


@dataclass(frozen=True)
class Cascade:
    """Members in order. A reading with a confidence under `threshold` is handed on, except by the last."""

    members: Sequence[Member]
    threshold: float = 0.0
    keep: Keep = "last"

    @classmethod
    def of_one(cls, *member: Any) -> "Cascade":
        """The cascade of a single recogniser; the fields of `Member`."""
        return cls([Member(*member)])

    def run(
        self,
        first: Source,
        others: Sequence[Next],
        workers: int,
        deliver: Callable[[Row], None],
        called: Deliver = lambda _: None,
    ) -> list[dict[str, float]]:
        """Read every word of `first`, which the others are handed on by the members before them.

        `deliver` gets the row of a word that counts, `called` what came of each call; one at a time. Returns the
        seconds by step of each worker since its last call. What a member raises is raised here, once all have ended.
        """
        return _Run(self, first, others, workers, deliver, called).run()


class _Run:
    """One run of a cascade: a scheduler for each member, the first in this thread."""

    def __init__(
        self,
        cascade: Cascade,
        first: Source,
        others: Sequence[Next],
        workers: int,
        deliver: Callable[[Row], None],
        called: Deliver,
    ) -> None:
        self._cascade, self._workers, self._deliver, self._called = cascade, workers, deliver, called
        self._sources, self._following = [first, *others], [*(other.handed for other in others), None]
        self._lock = threading.Lock()
        self._best: dict[int, Row] = {}  # of words under way, where the most confident reading counts
        self._after: list[dict[str, float]] = []
        self._failure: BaseException | None = None

    def run(self) -> list[dict[str, float]]:
        others = [
            threading.Thread(target=self._run, args=(place,), daemon=True) for place in range(1, len(self._sources))
        ]
        for other in others:
            other.start()
        self._run(0)
        for other in others:
            other.join()
        if self._failure is not None:
            raise self._failure
        for row in self._best.values():  # of words that the next member cannot decode
            self._deliver(row)
        return self._after

    def _run(self, place: int) -> None:
        member, following = self._cascade.members[place], self._following[place]

        def deliver(reading: Reading) -> None:
            with self._lock:
                if self._failure is not None:
                    raise self._failure
                self._called(reading)
                for row in rows_of(reading):
                    self._take(row, following)

        try:
            scheduler = Scheduler(self._sources[place], member.session, member.charset, self._workers)
            self._after += scheduler.run(deliver)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            if following is not None:
                following.put(None)

    def _take(self, row: Row, following: Handed | None) -> None:
        index, _, confidence = row
        kept = self._best.pop(index, row)
        if self._cascade.keep == "most-confident" and kept[2] > confidence:
            row = kept
        if following is not None and confidence < self._cascade.threshold:
            self._best[index] = row
            following.put(index)
        else:
            self._deliver(row)
