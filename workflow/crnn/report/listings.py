"""Which words the page lists: read wrong with most confidence, changed between two stages, unfit to be read.

Runs that would show the very same list share one. Not here: pictures (`crnn.report.pictures`), deciding whether a
word is right (`crnn.score.judge`, with the label policy of the dataset's contract.json).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import polars as pl

from crnn.charset import LabelPolicy
from crnn.errors import UserError
from crnn.files import read_json
from crnn.report.inputs import Run
from crnn.score import judge

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class WrongWord:
    """A word read wrong: LMDB index, label and reading as compared, confidence of the reading in [0, 1]."""

    index: int
    label: str
    text: str
    confidence: float


@dataclass(frozen=True)
class FlippedWord:
    """A word whose text changed between two stages. `kind`: fixed, broken or changed (wrong before and after)."""

    index: int
    label: str
    text_from: str
    text_to: str
    confidence_from: float
    confidence_to: float
    kind: str


@dataclass(frozen=True)
class BadRecord:
    """An LMDB record that could not be scored. `label` as stored; `outside`: its characters outside the charset."""

    index: int
    key: str
    status: str
    label: str | None
    outside: str


@dataclass(frozen=True)
class Listing(Generic[Entry]):
    """One list of words, the runs it is true of, and how many entries there are beyond those shown."""

    runs: tuple[Run, ...]
    entries: tuple[Entry, ...]
    total: int
    source: str = ""
    target: str = ""

    @property
    def words(self) -> Path:
        """The LMDB folder that holds the listed words."""
        return self.runs[0].files.words


def _shared(
    runs: Iterable[Run], listing: Callable[[Run], Listing[Entry]], identity: Callable[[Listing[Entry]], Any]
) -> list[Listing[Entry]]:
    """One listing per run, runs with equal `identity` (on the same words) merged, empty ones left out."""
    merged: dict[Any, Listing[Entry]] = {}
    for run in runs:
        new = listing(run)
        key = (new.words, new.total, identity(new))
        merged[key] = replace(merged[key], runs=(*merged[key].runs, run)) if key in merged else new
    return [shown for shown in merged.values() if shown.total]


def _judged(run: Run) -> pl.DataFrame:
    """The run's words as `crnn.score.judge` judges them.

    Raises UserError where the number of right words is not the one that run.json states.
    """
    policy = LabelPolicy.from_settings(read_json(run.files.contract)["label_policy"])
    judged = judge(run.samples, run.predictions, policy)
    correct = int(judged["correct"].sum())
    if correct != run.scores.correct:
        raise UserError(
            f"{run.files.predictions}: {correct} words are right, but {run.files.run} states {run.scores.correct}; "
            "they are not of one run, remove both and run again"
        )
    return judged


def _worst(run: Run, limit: int) -> Listing[WrongWord]:
    wrong = _judged(run).filter(pl.col("scorable") & ~pl.col("correct"))
    # Rounded first, so that runs that differ in the last bit of a confidence list their words in one order.
    order = wrong.sort(pl.col("confidence").round(4), "index", descending=[True, False], nulls_last=True)
    rows = order.head(limit).select("index", "label", "text", "confidence").iter_rows()
    return Listing((run,), tuple(WrongWord(*row) for row in rows), wrong.height)


def worst_words(runs: Sequence[Run], limit: int) -> list[Listing[WrongWord]]:
    """Words read wrong, most confident first, at most `limit` of each run."""
    return _shared(
        runs, lambda run: _worst(run, limit), lambda shown: tuple((word.index, word.text) for word in shown.entries)
    )


def _flips(run: Run, source: str, target: str, limit: int) -> Listing[FlippedWord]:
    edge = run.flips.filter((pl.col("from") == source) & (pl.col("to") == target)).sort("index")
    columns = ("index", "label", "text_from", "text_to", "confidence_from", "confidence_to", "kind")
    rows = edge.head(limit).select(columns).iter_rows()
    return Listing((run,), tuple(FlippedWord(*row) for row in rows), edge.height, source, target)


def flipped_words(runs: Sequence[Run], limit: int) -> list[Listing[FlippedWord]]:
    """Words that changed along the audit path, at most `limit` per edge, edges in path order."""
    edges = dict.fromkeys((step.source, step.target) for run in runs for step in run.audit.path)
    listings: list[Listing[FlippedWord]] = []
    for source, target in edges:
        on_path = [run for run in runs if (source, target) in {(step.source, step.target) for step in run.audit.path}]
        listings += _shared(
            on_path,
            lambda run, source=source, target=target: _flips(run, source, target, limit),  # type: ignore[misc]
            lambda shown: tuple((word.index, word.text_from, word.text_to) for word in shown.entries),
        )
    return listings


def _bad(run: Run, limit: int) -> Listing[BadRecord]:
    bad = run.samples.filter(pl.col("status") != "ok").sort("status", "index")
    rows = bad.head(limit).select("index", "key", "status", "label", "outside").iter_rows()
    return Listing((run,), tuple(BadRecord(*row) for row in rows), bad.height)


def bad_records(runs: Sequence[Run], limit: int) -> list[Listing[BadRecord]]:
    """Records whose status is not ok, at most `limit` per dataset."""
    return _shared(runs, lambda run: _bad(run, limit), lambda shown: shown.entries)
