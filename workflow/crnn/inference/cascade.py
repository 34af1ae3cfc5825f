"""Cascades: recognisers in a row, each of which reads the words that the one before it is not sure of.

All read at a time in one stream: words are handed on while the first member still reads. Which text counts is a pure
function of what each member reads, so a cascade's texts follow from those of its members (`crnn.inference.combine`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from queue import SimpleQueue

from crnn.inference.combine import Keep
from crnn.inference.scheduler import Deliver, Reader, Reading, Row, Scheduler, Source
from crnn.inference.sources import CHUNK
from crnn.inference.step_timer import Steps

Handed = SimpleQueue[int | None]  # indices of words that a member hands on to the next one; None where they end


# Makes the source of a member: of the first one, or from chunks of the indices that another hands on.
SourceOf = Callable[[Reader, Iterator[list[int]] | None], Source]


@dataclass(frozen=True)
class Cascade:
    """Members in order. A reading with a confidence under `threshold` is handed on, except by the last."""

    members: Sequence[Reader]
    threshold: float = 0.0
    keep: Keep = "last"


@dataclass
class CascadeRun:
    """One run of a cascade: a scheduler for each member, the first in this thread.

    `deliver` gets the row of a word that counts, `called` what came of each call; one at a time.
    """

    cascade: Cascade
    workers: int
    deliver: Callable[[Row], None]
    called: Deliver = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)
    best: dict[int, Row] = field(default_factory=dict)  # of words that are handed on, what counts so far
    after: list[Steps] = field(default_factory=list)
    failure: BaseException | None = None

    def run(self, source_of: SourceOf) -> list[Steps]:
        """Read every word of the first member's source, and with each of the others what is handed on to it.

        Returns the seconds by step of each worker since its last call. What a member raises is raised here, once all
        have ended.
        """
        members, reads = self.cascade.members, []
        handed = [None, *(Handed() for _ in members[1:]), None]
        for member, (mine, following) in zip(members, pairwise(handed), strict=True):
            source = source_of(member, _chunks(mine) if mine else None)
            reads.append(partial(self._read, member, source, following))
        threads = [threading.Thread(target=read, daemon=True) for read in reads[1:]]
        for thread in threads:
            thread.start()
        reads[0]()
        for thread in threads:
            thread.join()
        if self.failure is not None:
            raise self.failure
        for row in self.best.values():  # of words that the next member cannot decode
            self.deliver(row)
        return self.after

    def _read(self, member: Reader, source: Source, following: Handed | None) -> None:
        def deliver(reading: Reading) -> None:
            with self.lock:
                if self.failure is not None:
                    raise self.failure
                self.called(reading)
                for row in reading.rows:
                    self._take(row, following)

        try:
            self.after += Scheduler(source, member.session, member.charset, self.workers).run(deliver)
        except BaseException as error:
            self.failure = self.failure or error
        finally:
            if following is not None:
                following.put(None)

    def _take(self, row: Row, following: Handed | None) -> None:
        index, _, confidence = row
        kept = self.best.pop(index, row)
        if self.cascade.keep == "most-confident" and kept[2] > confidence:
            row = kept
        if following is not None and confidence < self.cascade.threshold:
            self.best[index] = row
            following.put(index)
        else:
            self.deliver(row)


def _chunks(handed: Handed) -> Iterator[list[int]]:
    """Chunks of what is handed on, until it ends: as much as is there, and at least one word."""
    while (index := handed.get()) is not None:
        chunk = [index]
        while len(chunk) < CHUNK and not handed.empty():
            following = handed.get()
            if following is None:
                yield chunk
                return
            chunk.append(following)
        yield chunk
