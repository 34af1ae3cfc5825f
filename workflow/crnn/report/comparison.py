"""Two reports side by side: the same words read by the same deployments, then and now.

Words are paired, which tells a difference of a few words from chance. Times are given as a ratio with the least and the
largest that the spreads of the passes allow, and judged only where both were taken alike.

Not here: what a loss may be (`crnn.score.budgets`), how two sets of words are compared (`crnn.score.audit`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.core.tables import read_table
from crnn.report.inputs import Run
from crnn.report.words import judged
from crnn.score.audit import Comparison, compare, flips

NAMES = ("dataset", "model", "deployment")
READING_COLUMNS = (*NAMES, "index", "label", "text", "confidence", "correct")
MACHINE = ("cpu", "cores")  # the facts of a host on which the time of a pass depends
Z = 1.959964  # two-sided 95 % of the normal distribution

Key = tuple[str, str, str]


def readings_table(runs: Sequence[Run]) -> pl.DataFrame:
    """Every text of every run, as compared with its label: the columns READING_COLUMNS."""
    return pl.concat(
        judged(run).select(
            *(pl.lit(getattr(run.files, name), pl.String).alias(name) for name in NAMES),
            *("index", "label", "text", "confidence", "correct"),
        )
        for run in runs
    )


@dataclass(frozen=True)
class Side:
    """One report: the rows of its report.json, and the texts of its readings.parquet."""

    generated: str
    rows: Sequence[Mapping[str, Any]]
    budgets: Mapping[str, float]
    readings: pl.DataFrame

    @classmethod
    def read(cls, path: Path) -> "Side":
        """Read a report from its folder, its report.json, or the results folder that it is in.

        Raises UserError where there is none, or where its readings.parquet is not beside it.
        """
        candidates = (path, path / "report.json", path / "report" / "report.json")
        report = next((each for each in candidates if each.is_file()), None)
        if report is None:
            raise UserError(f"{path}: there is no report in it; expected a report.json, or a folder that holds one")
        facts = read_json(report)
        if not isinstance(facts, Mapping) or not {"rows", "generated"} <= set(facts):
            raise UserError(f"{report}: is no report.json (it lacks rows or generated); name the one of a report")
        readings = read_table(report.with_name("readings.parquet"), READING_COLUMNS)
        return cls(facts["generated"], facts["rows"], facts.get("budgets", {}), readings)

    @cached_property
    def by_key(self) -> dict[Key, Mapping[str, Any]]:
        return {(row["dataset"], row["model"], row["deployment"]): row for row in self.rows}

    def read_by(self, key: Key) -> pl.DataFrame:
        """What one run read, in the order of the words."""
        mine = pl.all_horizontal(pl.col(name) == value for name, value in zip(NAMES, key, strict=True))
        return self.readings.filter(mine).sort("index")


@dataclass(frozen=True)
class Speed:
    """Bytes to text, then and now, seconds. `ratio` is how many times as fast it is now, `spread` its bounds.

    The bounds set the fastest pass of one report against the slowest of the other. `comparable`: both clocks ran over
    as many words on equal processors and cores.
    """

    old_seconds: float
    new_seconds: float
    ratio: float
    spread: tuple[float, float]
    comparable: bool

    @property
    def slowdown(self) -> float:
        """How much longer a pass takes at least, the fastest now against the slowest then; 0 where it does not."""
        return max(0.0, 1 / self.spread[1] - 1)


@dataclass(frozen=True)
class Change:
    """One run in both reports. `paired` is None where the two did not read the same words, and `reason` says why."""

    key: Key
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    paired: Comparison | None
    flipped: pl.DataFrame
    speed: Speed | None
    reason: str = ""

    @property
    def difference(self) -> float:
        """Accuracy now less accuracy then."""
        return float(self.new["accuracy"] - self.old["accuracy"])

    @property
    def interval(self) -> tuple[float, float] | None:
        return paired_interval(self.paired) if self.paired else None

    @property
    def row(self) -> dict[str, Any]:
        """As comparison.json holds it, and as `crnn.score.budgets` judges it."""
        paired = {"reference": "the old report", **asdict(self.paired)} if self.paired else None
        return {
            **dict(zip(NAMES, self.key, strict=True)),
            "old_accuracy": self.old["accuracy"],
            "new_accuracy": self.new["accuracy"],
            "difference": self.difference,
            "difference_ci95": self.interval,
            "audit": paired,
            "speed": asdict(self.speed) if self.speed else None,
            "slowdown": self.speed.slowdown if self.speed and self.speed.comparable else None,
            "not_compared": self.reason or None,
        }


@dataclass(frozen=True)
class ReportComparison:
    """What two reports have in common and what only one of them has."""

    old: Side
    new: Side
    changes: tuple[Change, ...]
    added: tuple[Key, ...]
    removed: tuple[Key, ...]

    @property
    def json(self) -> dict[str, Any]:
        """comparison.json."""
        return {
            **{"old": self.old.generated, "new": self.new.generated},
            "rows": [change.row for change in self.changes],
            **{"added": [list(key) for key in self.added], "removed": [list(key) for key in self.removed]},
        }


def paired_interval(counts: Comparison) -> tuple[float, float]:
    """95 % interval of the difference of two accuracies over the same words (Agresti and Min 2005).

    Wald's interval after half a word is added to each of the four cells of the table.
    """
    gained, lost, samples = counts.fixed + 0.5, counts.broken + 0.5, counts.samples + 2
    difference = (gained - lost) / samples
    error = (gained + lost - (gained - lost) ** 2 / samples) ** 0.5 / samples
    return difference - Z * error, difference + Z * error


def _speed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Speed | None:
    then, now = old.get("e2e"), new.get("e2e")
    if not then or not now:
        return None
    alike = then["words"] == now["words"] and all(old["host"].get(each) == new["host"].get(each) for each in MACHINE)
    per_word = now["words"] / then["words"]
    return Speed(
        then["seconds"],
        now["seconds"],
        per_word * then["seconds"] / now["seconds"],
        (per_word * min(then["spread"]) / max(now["spread"]), per_word * max(then["spread"]) / min(now["spread"])),
        alike,
    )


def _unpairable(old: pl.DataFrame, new: pl.DataFrame) -> str:
    """Why two runs cannot be paired word by word; empty where they can."""
    if old.height != new.height:
        return f"{old.height} words then, {new.height} now"
    different = int((old["label"] != new["label"]).sum()) + int((old["index"] != new["index"]).sum())
    return f"{different} words have other labels" if different else ""


def _changes(old: Side, new: Side) -> Iterator[Change]:
    for key, row in new.by_key.items():
        if key in old.by_key:
            then, now = old.read_by(key), new.read_by(key)
            reason, speed = _unpairable(then, now), _speed(old.by_key[key], row)
            flipped = flips(then, now) if not reason else flips(then.clear(), now.clear())
            paired = None if reason else compare(now.height, flipped)
            yield Change(key, old.by_key[key], row, paired, flipped, speed, reason)


def compare_reports(old: Side, new: Side) -> ReportComparison:
    """Pair the runs of two reports by dataset, model and deployment."""
    added = tuple(key for key in new.by_key if key not in old.by_key)
    removed = tuple(key for key in old.by_key if key not in new.by_key)
    return ReportComparison(old, new, tuple(_changes(old, new)), added, removed)


# --- the console -------------------------------------------------------------------------------------------


def _line(change: Change) -> list[str]:
    old, new = (f"{row['accuracy'] * 100:.2f} %" for row in (change.old, change.new))
    interval, paired = change.interval, change.paired
    difference = f"{change.difference * 100:+.2f}"
    words = ["not paired", "", ""]
    if interval and paired:
        difference += f" ({interval[0] * 100:+.2f} to {interval[1] * 100:+.2f})"
        words = [str(paired.flipped), f"+{paired.fixed} −{paired.broken}", f"{paired.mcnemar_p:.3g}"]
    speed = ""
    if change.speed:
        low, high = change.speed.spread
        speed = f"× {change.speed.ratio:.2f} ({low:.2f} to {high:.2f})" + ("" if change.speed.comparable else " *")
    return [" / ".join(change.key), old, new, difference, *words, speed]


def console_table(comparison: ReportComparison) -> str:
    """The comparison as text: a line per run, columns in line, then what only one report has."""
    head = ["run", "old", "new", "difference, points (95 %)", "flipped", "gained, lost", "McNemar p", "speed"]
    lines = [head, *map(_line, comparison.changes)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    notes = [f"{' / '.join(change.key)}: not paired, {change.reason}" for change in comparison.changes if change.reason]
    notes += [f"{' / '.join(key)}: only in the new report" for key in comparison.added]
    notes += [f"{' / '.join(key)}: only in the old report" for key in comparison.removed]
    if any(change.speed and not change.speed.comparable for change in comparison.changes):
        notes.append("* another processor, number of cores or number of words: the times are not judged")
    return "\n".join([*table, *notes])
