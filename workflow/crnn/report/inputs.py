"""The inputs of the report: the list of files that a rule passes, and these files, read and checked.

A JSON object stays the dictionary it is, once the keys are there that the report reads; further keys reach report.json.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.core.tables import read_table

Object = dict[str, Any]  # of JSON

NAMES = ("dataset", "model", "deployment")  # what a run is known by
RUN_KEYS = (
    *(*NAMES, "widths", "runtime", "source", "precision", "device", "simulated", "samples", "correct", "accuracy"),
    *("accuracy_ci95", "ned", "unscorable", "by_length", "statuses", "host", "protocols"),
    *("e2e", "infer_only", "cold_seconds", "latency_ms", "batching"),  # null where they were not taken
    *("confidence", "memory_mib", "first_answer", "load"),
)
PARTS = {  # keys of the parts of run.json
    "e2e": ("seconds", "images_per_second", "words", "passes", "spread", "breakdown"),
    "infer_only": ("seconds", "batch", "words", "spread"),
    "latency_ms": ("p50", "p90", "p99"),
    "batching": ("sizes", "words", "changed"),
    "confidence": ("coverage_at_error", "ece", "curve"),
    "memory_mib": ("build", "base", "load", "run", "growth_per_pass"),
    "first_answer": ("cold_seconds", "cached_seconds", "steps", "slowest_width"),
}
LENGTH_KEYS = ("length", "samples", "correct", "accuracy_ci95")
AUDIT_KEYS = ("reference", "samples", "flipped", "fixed", "broken", "mcnemar_p", "path")
STEP_KEYS = ("from", "to", "flipped", "fixed", "broken", "mcnemar_p", "max_abs_difference")
PUBLISHED_KEYS = ("name", "dataset", "accuracy", "boundary", "device", "source")
PUBLISHED_MORE = ("url", "batch", "seconds_3000", "images_per_second", "latency_ms")
RECORD_KEYS = ("stage", "parameters", "outputs", "tools", "host", "command", "started", "seconds")
LISTED = {  # keys of the entries of some lists of `--inputs`
    "skipped": ("deployment", "widths", "runtime", "precision", "reason"),
    "drawings": ("title", "caption", "svg"),
    "training": ("model", "log"),
}

FLIP_COLUMNS = ("index", "from", "to", "label", "text_from", "text_to", "confidence_from", "confidence_to", "kind")
PREDICTION_COLUMNS = ("index", "text", "confidence")
SAMPLE_COLUMNS = ("index", "key", "label", "text", "outside", "tensor_width", "status")
TIMING_COLUMNS = ("phase", "width", "seconds")


def checked(value: Any, keys: Iterable[str], where: object, more: Collection[str] | None = None) -> Object:
    """`value`, a JSON object with all of `keys`; where `more` is given, with no others than these.

    Raises UserError naming `where` and the keys.
    """
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a JSON object, got {type(value).__name__}; make it again")
    if more is not None and (unknown := sorted(set(value) - {*keys, *more})):
        raise UserError(f"{where}: unknown keys {', '.join(unknown)}")
    if lost := [key for key in keys if key not in value]:
        raise UserError(f"{where}: lacks {', '.join(lost)}; it was made by another version, remove it and run again")
    return value


@dataclass(frozen=True)
class RunFiles:
    """The files of one run (dataset × model × deployment) and of the dataset it read, which may be in parts."""

    dataset: str
    model: str
    deployment: str
    run: Path
    audit: Path
    flips: Path
    predictions: tuple[Path, ...]
    timings: Path
    samples: tuple[Path, ...]
    words: Path

    @property
    def contract(self) -> Path:
        """The contract of the run's tensors, which lies beside their first samples and holds the label policy."""
        return self.samples[0].with_name("contract.json")

    @classmethod
    def from_json(cls, value: Any) -> "RunFiles":
        given = checked(value, [f.name for f in fields(cls)], "--inputs: runs")
        values: Object = {f.name: Path(given[f.name]) if f.type is Path else given[f.name] for f in fields(cls)}
        parts = {name: tuple(map(Path, given[name])) for name in ("predictions", "samples")}
        return cls(**values | parts)


@dataclass(frozen=True)
class Inputs:
    """The whole list."""

    runs: tuple[RunFiles, ...]
    records: tuple[Path, ...] = ()
    budgets: dict[str, float] = field(default_factory=dict)  # of `crnn.score.budgets`: name → what is allowed
    title: str = "Scene-text recognition report"
    words_mib: float = 16.0  # of words and their pictures on the page
    previous: Path | None = None  # report.json of an earlier report, with its readings.parquet beside it
    skipped: tuple[Object, ...] = ()  # deployments that the config describes and that were not run
    evaluations: dict[str, list[str]] = field(default_factory=dict)  # evaluation folder → its datasets
    drawings: tuple[Object, ...] = ()  # SVG of other stages, to stand among the charts
    training: tuple[Object, ...] = ()  # log.jsonl of the runs that made a model's checkpoint

    @classmethod
    def from_json(cls, value: Any) -> "Inputs":
        """Check and convert the JSON object of `--inputs`. Raises UserError where a key is missing or unknown."""
        given = checked(value, ("runs",), "--inputs", [f.name for f in fields(cls)])
        if not given["runs"]:
            raise UserError("--inputs: runs is empty; a report needs at least one run")
        for name, keys in LISTED.items():
            for entry in given.get(name, ()):
                checked(entry, keys, f"--inputs: {name}")
        runs = tuple(map(RunFiles.from_json, given["runs"]))
        records, previous = tuple(map(Path, given.get("records", ()))), given.get("previous")
        return cls(**{**given, "runs": runs, "records": records, "previous": Path(previous) if previous else None})

    @property
    def files(self) -> list[Path]:
        """Every plain file the report reads from runs (records and the word pictures' LMDB folders excluded)."""
        files = [self.previous, self.previous.with_name("readings.parquet")] if self.previous else []
        for run in self.runs:
            files += [run.run, run.audit, run.flips, *run.predictions, run.timings, *run.samples, run.contract]
        files += [*(Path(each["svg"]) for each in self.drawings), *(Path(each["log"]) for each in self.training)]
        return list(dict.fromkeys(files))


@dataclass(frozen=True)
class Run:
    """One run: its files and its row of the report, run.json with audit.json under `audit`. Tables are read on use."""

    files: RunFiles
    row: Object

    @classmethod
    def read(cls, files: RunFiles) -> "Run":
        """Read the two JSON files. Raises UserError where one is missing, incomplete or of another run."""
        row, audit = checked(read_json(files.run), RUN_KEYS, files.run), read_json(files.audit)
        for name, keys in PARTS.items():
            if row[name] is not None:
                checked(row[name], keys, f"{files.run}: {name}")
        for score in row["by_length"]:
            checked(score, LENGTH_KEYS, f"{files.run}: by_length")
        for step in checked(audit, AUDIT_KEYS, files.audit)["path"]:
            checked(step, STEP_KEYS, f"{files.audit}: path")
        stated, found = ([getattr(files, name) for name in NAMES], [row[name] for name in NAMES])
        if stated != found:
            raise UserError(f"{files.run}: is the run {'/'.join(found)}, expected {'/'.join(stated)}; run again")
        return cls(files, {**row, "audit": audit})

    def named(self, table: pl.DataFrame) -> pl.DataFrame:
        """`table`, with what the run is known by in front of every row."""
        return table.select(*(pl.lit(self.row[name]).alias(name) for name in NAMES), pl.all())

    @cached_property
    def flips(self) -> pl.DataFrame:
        """One row per flipped word and audit edge, columns FLIP_COLUMNS."""
        return read_table(self.files.flips, FLIP_COLUMNS)

    @cached_property
    def predictions(self) -> pl.DataFrame:
        """One row per word, columns PREDICTION_COLUMNS."""
        return pl.concat(read_table(path, PREDICTION_COLUMNS) for path in self.files.predictions)

    @cached_property
    def samples(self) -> pl.DataFrame:
        """One row per LMDB record, columns SAMPLE_COLUMNS and the image's size."""
        return pl.concat(read_table(path, SAMPLE_COLUMNS) for path in self.files.samples)

    @cached_property
    def timings(self) -> pl.DataFrame:
        """One row per timed call, at least the columns TIMING_COLUMNS."""
        return read_table(self.files.timings, TIMING_COLUMNS)


def run_names(runs: Iterable[Run]) -> list[str]:
    """What tells each run of a dataset from the others: its deployment, with the model where there are several."""
    rows = [run.row for run in runs]
    alone = len({row["model"] for row in rows}) == 1
    return [row["deployment"] if alone else f"{row['model']} / {row['deployment']}" for row in rows]


def read_published(path: Path) -> list[Object]:
    """Figures from elsewhere, with source and what they measure. Raises UserError on a missing or unknown key."""
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f"{path}: expected a list of published figures")
    return [{**dict.fromkeys(PUBLISHED_MORE), **checked(row, PUBLISHED_KEYS, path, PUBLISHED_MORE)} for row in rows]


def read_record(path: Path) -> Object:
    """The record a stage left beside its output (`crnn.core.record.Record`)."""
    return checked(read_json(path), RECORD_KEYS, path)
