"""Cascades: what one reads follows from what its members read, and members that run together read no other thing."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.data.decode import Pixels
from crnn.data.preprocess import Preprocess, Tensor
from crnn.inference.benchmark import EndToEnd
from crnn.inference.cascade import Cascade
from crnn.inference.combine import Keep, combined
from crnn.inference.predict import SCHEMA
from crnn.inference.scheduler import Reader
from crnn.inference.timings import Timings, summarise_e2e
from examples import ASPECT, FIXED, SIZES, Levels, PixelReader, reader_of

KEEPS: list[Keep] = ["last", "most-confident"]
Read = tuple[str, float] | None  # what a member reads of a word, where it can


# --- the rule ----------------------------------------------------------------------------------------------


def word_by_word(readings: list[Read], threshold: float, keep: Keep) -> tuple[Read, int]:
    """What counts of the readings of one word, and how many members read it."""
    kept, members = readings[0], 1
    last = kept
    for following in readings[1:]:
        if last is None or last[1] >= threshold or following is None:
            break
        if keep == "last" or kept is None or following[1] >= kept[1]:
            kept = following
        last, members = following, members + 1
    return kept, members


def frame(words: list[Read]) -> pl.DataFrame:
    rows = [(index, *(read or (None, None))) for index, read in enumerate(words, 1)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


READ = st.none() | st.tuples(st.sampled_from(["", "exit", "exil", "door"]), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
WORDS = st.integers(1, 4).flatmap(
    lambda members: st.lists(st.lists(READ, min_size=members, max_size=members), min_size=1, max_size=12)
)


@given(WORDS, st.sampled_from([0.0, 0.5, 0.6, 1.0, 1.01]), st.sampled_from(KEEPS))
def test_tables_are_combined_as_words_are_one_by_one(words: list[list[Read]], threshold: float, keep: Keep) -> None:
    members = [frame(list(readings)) for readings in zip(*words, strict=True)]
    found = combined(members, threshold, keep)
    expected = [word_by_word(readings, threshold, keep) for readings in words]
    assert found.select("text", "confidence").rows() == [read or (None, None) for read, _ in expected]
    assert found["members"].to_list() == [members for _, members in expected]
    assert found["index"].to_list() == list(range(1, len(words) + 1))


# --- members that run together -----------------------------------------------------------------------------


@dataclass
class Unsure(PixelReader):
    """Reads other texts than its neighbours, and is as sure of a word as the word's pixels say."""

    seed: int
    calls: int = 2

    def __post_init__(self) -> None:
        super().__init__()

    def infer(self, images: Tensor) -> Tensor:
        doubt = ((images.sum(axis=(1, 2, 3)).astype(int) * self.seed) % 7) / 40
        return super().infer(images) - doubt[None, :, None].astype(images.dtype)

    def classes(self, levels: Levels) -> Levels:
        return (super().classes(levels) + self.seed) % 37


class Blind(Preprocess):
    """Cannot decode words that are not wide."""

    def decode(self, data: bytes) -> Pixels | None:
        pixels = super().decode(data)
        return pixels if pixels is not None and pixels.shape[1] > 70 else None


BLIND = Blind.from_settings({"rule": "aspect"})


def member(seed: int, preprocess: Preprocess = ASPECT, batch: int = 2) -> Reader:
    return reader_of(Unsure(seed), batch, preprocess)


def read(words: Path, *members: Reader, threshold: float = 0.0, keep: Keep = "last", workers: int = 2) -> pl.DataFrame:
    return EndToEnd(words, Cascade(members, threshold, keep), workers).run(Timings(), 0)


def with_nulls(found: pl.DataFrame) -> pl.DataFrame:
    """A row for every word, as predictions have."""
    every = pl.DataFrame({"index": range(1, len(SIZES) + 1)}, schema={"index": pl.Int64})
    return every.join(found, on="index", how="left").sort("index")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([ASPECT, FIXED, BLIND]), min_size=1, max_size=3),
    st.floats(0, 1.01),
    st.sampled_from(KEEPS),
    st.integers(1, 3),
)
def test_a_stream_reads_what_follows_from_its_members(
    healthy: Path, widths: list[Preprocess], threshold: float, keep: Keep, workers: int
) -> None:
    members = [member(seed, preprocess) for seed, preprocess in enumerate(widths, 3)]
    alone = [with_nulls(read(healthy, each)) for each in members]
    together = read(healthy, *members, threshold=threshold, keep=keep, workers=workers)
    assert with_nulls(together).equals(combined(alone, threshold, keep).drop("members"))


def test_the_words_of_the_examples_are_handed_on_in_part_and_read_differently(healthy: Path) -> None:
    """So that the test above is one."""
    members = [member(3), member(4), member(5)]
    alone = [with_nulls(read(healthy, each)) for each in members]
    counts = combined(alone, 0.5, "last")["members"].value_counts(sort=True)
    assert set(counts["members"]) == {1, 2, 3}
    assert all(a["text"].ne(b["text"]).all() for a, b in pairwise(alone))


@pytest.mark.parametrize(("threshold", "calls"), [(0.0, [12, 0]), (1.01, [12, 12])])
def test_the_second_member_reads_only_what_it_is_handed(healthy: Path, threshold: float, calls: list[int]) -> None:
    first, second = PixelReader(), PixelReader()
    members = [reader_of(session, 2) for session in (first, second)]
    read(healthy, *members, threshold=threshold)
    assert [sum(shape[0] for shape in session.shapes) for session in (first, second)] == calls


def test_a_pass_counts_each_word_once_and_every_call(healthy: Path) -> None:
    timings = Timings()
    path = EndToEnd(healthy, Cascade([member(3), member(4)], 1.01), 2)
    path.run(timings, 0)
    row = summarise_e2e(timings.frame())
    assert row is not None
    assert row["words"] == len(SIZES)
    assert timings.frame().filter(phase="e2e")["batch"].sum() == 2 * len(SIZES)


def failing(call: int) -> Callable[[Tensor], Tensor]:
    calls = iter(range(100))

    def infer(images: Tensor) -> Tensor:
        if next(calls) == call:
            raise OSError("the device is gone")
        return PixelReader().infer(images)

    return infer


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("call", [0, 2])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_member_raises_ends_all_and_is_raised(healthy: Path, place: int, call: int, workers: int) -> None:
    members = [member(seed) for seed in (3, 4, 5)]
    members[place].session.infer = failing(call)  # type: ignore[method-assign]
    before = threading.active_count()
    with pytest.raises(OSError, match="the device is gone"):
        read(healthy, *members, threshold=1.01, workers=workers)
    assert threading.active_count() == before
