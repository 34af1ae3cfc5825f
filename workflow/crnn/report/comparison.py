"""Two reports side by side: the same words read by the same deployments, then and now.

Words are paired, which tells a difference of a few words from chance. Times are given as a ratio with the least and the
largest that the spreads of the passes allow, and judged only where both were taken alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.core.tables import read_table
from crnn.report.inputs import NAMES, Object, Run
from crnn.report.words import judged
from crnn.score.audit import Comparison, compare, flips

READ = ("index", "label", "text", "confidence", "correct")
MACHINE = ("cpu", "cores")  # the facts of a host on which the time of a pass depends
Z = 1.959964  # two-sided 95 % of the normal distribution

Key = tuple[str, ...]  # of a run: its NAMES


def readings_table(runs: Sequence[Run]) -> pl.DataFrame:
    """Every text of every run, as compared with its label: columns NAMES and READ."""
    return pl.concat(run.named(judged(run).select(READ)) for run in runs)


@dataclass(frozen=True)
class Side:
    """One report: the rows of its report.json, and the texts of its readings.parquet."""

    generated: str
    rows: Sequence[Object]
    budgets: Mapping[str, float]
    readings: pl.DataFrame

    @classmethod
    def read(cls, path: Path) -> "Side":
        """Read a report from its folder, its report.json or its results folder.

        Raises UserError where there is none, or where its readings.parquet is not beside it.
        """
        candidates = (path, path / "report.json", path / "report" / "report.json")
        report = next((each for each in candidates if each.is_file()), None)
        if report is None:
            raise UserError(f"{path}: there is no report in it; expected a report.json, or a folder that holds one")
        facts = read_json(report)
        if not isinstance(facts, Mapping) or not {"rows", "generated"} <= set(facts):
            raise UserError(f"{report}: is no report.json (it lacks rows or generated); name the one of a report")
        readings = read_table(report.with_name("readings.parquet"), (*NAMES, *READ))
        return cls(facts["generated"], facts["rows"], facts.get("budgets", {}), readings)

    @cached_property
    def by_key(self) -> dict[Key, Object]:
        return {tuple(row[name] for name in NAMES): row for row in self.rows}

    def read_by(self, key: Key) -> pl.DataFrame:
        """What one run read, in the order of the words."""
        return self.readings.filter(**dict(zip(NAMES, key, strict=True))).sort("index")


@dataclass(frozen=True)
class Change:
    """One run in both reports: its row of comparison.json, which `crnn.score.budgets` judges, and its flipped words."""

    key: Key
    row: Object
    flipped: pl.DataFrame


@dataclass(frozen=True)
class ReportComparison:
    """What two reports have in common and what only one of them has."""

    old: Side
    new: Side
    changes: tuple[Change, ...]
    added: tuple[Key, ...]
    removed: tuple[Key, ...]

    @property
    def json(self) -> Object:
        """comparison.json."""
        return {
            **{"old": self.old.generated, "new": self.new.generated},
            "rows": [change.row for change in self.changes],
            **{"added": [list(key) for key in self.added], "removed": [list(key) for key in self.removed]},
        }


def compare_reports(old: Side, new: Side) -> ReportComparison:
    """Pair the runs of two reports by dataset, model and deployment."""
    changes = tuple(_change(key, old, new) for key in new.by_key if key in old.by_key)
    added = tuple(key for key in new.by_key if key not in old.by_key)
    return ReportComparison(old, new, changes, added, tuple(key for key in old.by_key if key not in new.by_key))


def _change(key: Key, old: Side, new: Side) -> Change:
    """`audit` of the row is None where the two runs did not read the same words, and `not_compared` says why."""
    then, now = old.by_key[key], new.by_key[key]
    before, after = old.read_by(key), new.read_by(key)
    reason, speed = _unpairable(before, after), _speed(then, now)
    flipped = flips(before.clear(), after.clear()) if reason else flips(before, after)
    counts = None if reason else compare(after.height, flipped)
    row = {
        **dict(zip(NAMES, key, strict=True)),
        "old_accuracy": then["accuracy"],
        "new_accuracy": now["accuracy"],
        "difference": now["accuracy"] - then["accuracy"],
        "difference_ci95": counts and paired_interval(counts),
        "audit": counts and {"reference": "the old report", **asdict(counts)},
        "speed": speed,
        # How much longer a pass takes at least: the fastest now against the slowest then.
        "slowdown": max(0.0, 1 / speed["spread"][1] - 1) if speed and speed["comparable"] else None,
        "not_compared": reason or None,
    }
    return Change(key, row, flipped)


def paired_interval(counts: Comparison) -> tuple[float, float]:
    """95 % interval of the difference of two accuracies over the same words (Agresti and Min 2005).

    Wald's interval after half a word is added to each of the four cells of the table.
    """
    gained, lost, samples = counts.fixed + 0.5, counts.broken + 0.5, counts.samples + 2
    difference = (gained - lost) / samples
    error = (gained + lost - (gained - lost) ** 2 / samples) ** 0.5 / samples
    return difference - Z * error, difference + Z * error


def _speed(old: Object, new: Object) -> dict[str, Any] | None:
    """Bytes to text, then and now, seconds. `ratio` is how many times as fast it is now, `spread` its bounds.

    The bounds set the fastest pass of one report against the slowest of the other. `comparable`: both clocks ran over
    as many words on equal processors and cores.
    """
    then, now = old.get("e2e"), new.get("e2e")
    if not then or not now:
        return None
    alike = then["words"] == now["words"] and all(old["host"].get(each) == new["host"].get(each) for each in MACHINE)
    passes = ((then["seconds"], now["seconds"]), *zip(sorted(then["spread"]), sorted(now["spread"])[::-1], strict=True))
    ratio, *spread = (now["words"] / then["words"] * before / after for before, after in passes)
    seconds = {"old_seconds": then["seconds"], "new_seconds": now["seconds"]}
    return {**seconds, "ratio": ratio, "spread": tuple(spread), "comparable": alike}


def _unpairable(old: pl.DataFrame, new: pl.DataFrame) -> str:
    """Why two runs cannot be paired word by word; empty where they can."""
    if old.height != new.height:
        return f"{old.height} words then, {new.height} now"
    different = int((old["label"] != new["label"]).sum()) + int((old["index"] != new["index"]).sum())
    return f"{different} words have other labels" if different else ""


def _line(change: Change) -> list[str]:
    row = change.row
    old, new = (f"{row[name] * 100:.2f} %" for name in ("old_accuracy", "new_accuracy"))
    difference, words, speed = f"{row['difference'] * 100:+.2f}", ["not paired", "", ""], ""
    if audit := row["audit"]:
        low, high = row["difference_ci95"]
        difference += f" ({low * 100:+.2f} to {high * 100:+.2f})"
        words = [str(audit["flipped"]), f"+{audit['fixed']} −{audit['broken']}", f"{audit['mcnemar_p']:.3g}"]
    if ratios := row["speed"]:
        low, high = ratios["spread"]
        speed = f"× {ratios['ratio']:.2f} ({low:.2f} to {high:.2f})" + ("" if ratios["comparable"] else " *")
    return [" / ".join(change.key), old, new, difference, *words, speed]


def console_table(comparison: ReportComparison) -> str:
    """The comparison as text: a line per run, columns in line, then what only one report has."""
    head = ["run", "old", "new", "difference, points (95 %)", "flipped", "gained, lost", "McNemar p", "speed"]
    lines = [head, *map(_line, comparison.changes)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    reasons = [(change.key, change.row["not_compared"]) for change in comparison.changes]
    notes = [f"{' / '.join(key)}: not paired, {reason}" for key, reason in reasons if reason]
    notes += [f"{' / '.join(key)}: only in the new report" for key in comparison.added]
    notes += [f"{' / '.join(key)}: only in the old report" for key in comparison.removed]
    if any(change.row["speed"] and not change.row["speed"]["comparable"] for change in comparison.changes):
        notes.append("* another processor, number of cores or number of words: the times are not judged")
    return "\n".join([*table, *notes])
