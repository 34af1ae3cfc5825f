"""Cascades: recognisers in a row, each of which reads the words that the one before it is not sure of.

All read at a time in one stream: a word that is handed on waits for no other. Which text counts is a pure function of
what each member reads, so the texts of a cascade follow from those of its members (`combined`).

Not here: the threshold of a cascade (`crnn.planning.threshold`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Literal, Protocol

import polars as pl

from crnn.data.buckets import BatchOf
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess
from crnn.inference.predict import Row, rows_of
from crnn.inference.scheduler import Deliver, Reading, Scheduler, Source
from crnn.inference.sources import CHUNK, EncodedWords
from crnn.model.charset import Charset
from crnn.runtimes.runtime import Session

Keep = Literal["last", "most-confident"]


@dataclass(frozen=True)
class Member:
    """A recogniser of a cascade: how it prepares words, its model, and how many of a width share a call."""

    preprocess: Preprocess
    session: Session
    charset: Charset
    batch_of: BatchOf


class Next(Source, Protocol):
    """Where a member that is not the first takes its words from."""

    def hand_on(self, index: int | None) -> None:
        """Take a word of the member before; None where no more will come."""
        ...


class HandedWords(EncodedWords):
    """Words of an LMDB that another member hands on."""

    def __init__(self, words: Words, member: Member) -> None:
        super().__init__(words, member.preprocess, member.batch_of)
        self._handed: SimpleQueue[int | None] = SimpleQueue()

    def hand_on(self, index: int | None) -> None:
        self._handed.put(index)

    def chunks(self) -> Iterator[list[tuple[int, bytes]]]:
        for indices in handed_chunks(self._handed):
            images = ((index, self._words.image(index)) for index in indices)
            yield [(index, image) for index, image in images if image]


def handed_chunks(handed: "SimpleQueue[int | None]") -> Iterator[list[int]]:
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
        self, sources: Sequence[Source], workers: int, deliver: Callable[[Row], None], called: Deliver = lambda _: None
    ) -> list[dict[str, float]]:
        """Read every word of the first source. `deliver` gets the row that counts, `called` what came of each call.

        The sources of the members behind the first are `Next`. Returns the seconds by step of each worker since its
        last call. What a member raises is raised here, once all have ended.
        """
        return _Stream(self, sources, workers, deliver, called).run()


class _Stream:
    """One run of a cascade."""

    def __init__(
        self,
        cascade: Cascade,
        sources: Sequence[Source],
        workers: int,
        deliver: Callable[[Row], None],
        called: Deliver,
    ) -> None:
        self._cascade, self._sources, self._workers = cascade, sources, workers
        self._deliver, self._called = deliver, called
        self._lock = threading.Lock()
        self._best: dict[int, Row] = {}  # of words under way, where the most confident reading counts
        self._after: list[dict[str, float]] = []
        self._failure: BaseException | None = None

    def run(self) -> list[dict[str, float]]:
        places = range(len(self._sources))
        others = [threading.Thread(target=self._run, args=(place,), daemon=True) for place in places[1:]]
        for other in others:
            other.start()
        self._run(0)
        for other in others:
            other.join()
        if self._failure is not None:
            raise self._failure
        for row in self._best.values():  # handed on to one who cannot decode them
            self._deliver(row)
        return self._after

    def _run(self, place: int) -> None:
        member, following = self._cascade.members[place], self._following(place)

        def deliver(reading: Reading) -> None:
            with self._lock:
                self._called(reading)
                for row in rows_of(reading):
                    self._take(row, following)

        try:
            scheduler = Scheduler(self._sources[place], member.session, member.charset, self._workers)
            self._after += scheduler.run(deliver)
        except BaseException as error:
            self._failure = self._failure or error
        if following is not None:
            following.hand_on(None)

    def _following(self, place: int) -> Next | None:
        return self._sources[place + 1] if place + 1 < len(self._sources) else None  # type: ignore[return-value]

    def _take(self, row: Row, following: Next | None) -> None:
        index, _, confidence = row
        kept = self._best.pop(index, row)
        if self._cascade.keep == "most-confident" and kept[2] > confidence:
            row = kept
        if following is not None and confidence < self._cascade.threshold:
            self._best[index] = row
            following.hand_on(index)
        else:
            self._deliver(row)


def combined(readings: Sequence[pl.DataFrame], threshold: float, keep: Keep) -> pl.DataFrame:
    """What a cascade reads, from what each member reads of every word: index, text, confidence and `members`, how many
    have read it. A word that a member cannot read is null, as it is in the readings.
    """
    whole = readings[0].with_columns(members=pl.lit(1), last=pl.col("confidence"))
    for following in readings[1:]:
        beside = whole.join(following.select("index", text_next="text", confidence_next="confidence"), on="index")
        handed = pl.col("last").is_not_null() & (pl.col("last") < threshold) & pl.col("text_next").is_not_null()
        better = handed if keep == "last" else handed & (pl.col("confidence_next") >= pl.col("confidence"))
        whole = beside.select(
            "index",
            text=pl.when(better).then("text_next").otherwise("text"),
            confidence=pl.when(better).then("confidence_next").otherwise("confidence"),
            members=pl.col("members") + handed.cast(pl.Int32),
            last=pl.when(handed).then("confidence_next").otherwise(None),
        )
    return whole.drop("last").sort("index")
