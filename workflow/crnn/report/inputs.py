"""The inputs of the report: the list of files that a rule passes, and these files, read and checked.

Each class mirrors one JSON object; keys it does not name are kept for report.json and ignored here.
Not here: turning any of it into tables (`crnn.report.tables`) or charts (`crnn.report.drawing.charts`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.core.tables import read_table

Mirror = TypeVar("Mirror")
WORDS_MIB = 16.0  # of the page, for the words and their pictures; the default

FLIP_COLUMNS = ("index", "from", "to", "label", "text_from", "text_to", "confidence_from", "confidence_to", "kind")
PREDICTION_COLUMNS = ("index", "text", "confidence")
SAMPLE_COLUMNS = ("index", "key", "label", "text", "outside", "tensor_width", "status")
TIMING_COLUMNS = ("phase", "width", "seconds")


def _mirror(kind: type[Mirror], value: Any, where: str) -> Mirror:
    """Fill the dataclass `kind` from the JSON object `value`. Raises UserError naming `where` and the lost keys."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected a JSON object, got {type(value).__name__}; make it again")
    known = fields(kind)  # type: ignore[arg-type]
    lost = [f.name for f in known if f.name not in value and f.default is MISSING and f.default_factory is MISSING]
    if lost:
        raise UserError(f"{where}: lacks {', '.join(lost)}; it was made by another version, remove it and run again")
    return kind(**{f.name: value[f.name] for f in known if f.name in value})


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
        plain = _mirror(cls, value, "--inputs: runs")
        paths: dict[str, Any] = {f.name: Path(getattr(plain, f.name)) for f in fields(cls) if f.type is Path}
        parts = {name: tuple(map(Path, getattr(plain, name))) for name in ("predictions", "samples")}
        return replace(plain, **paths | parts)


@dataclass(frozen=True)
class Skipped:
    """A deployment that the config describes and does not run, with the reason it gives."""

    deployment: str
    widths: str
    runtime: str
    precision: str
    reason: str


@dataclass(frozen=True)
class Drawing:
    """A picture that another stage drew (SVG), to stand among the charts."""

    title: str
    caption: str
    svg: Path


@dataclass(frozen=True)
class TrainingLog:
    """The log.jsonl of the run that made a model's checkpoint."""

    model: str
    log: Path


@dataclass(frozen=True)
class Inputs:
    """The whole list. `budgets` maps names of `crnn.score.budgets` to what is allowed; `words_mib` bounds the page.

    `previous`: the report.json of an earlier report, with its readings.parquet beside it.
    """

    runs: tuple[RunFiles, ...]
    records: tuple[Path, ...] = ()
    budgets: Mapping[str, float] = field(default_factory=dict)
    title: str = "Scene-text recognition report"
    words_mib: float = WORDS_MIB
    previous: Path | None = None
    skipped: tuple[Skipped, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    training: tuple[TrainingLog, ...] = ()

    @classmethod
    def from_json(cls, value: Any) -> "Inputs":
        """Check and convert the JSON object of `--inputs`. Raises UserError where a key is missing or unknown."""
        plain = _mirror(cls, value, "--inputs")
        unknown = sorted(set(value) - {f.name for f in fields(cls)})
        if unknown:
            raise UserError(f"--inputs: unknown keys {', '.join(unknown)}")
        if not plain.runs:
            raise UserError("--inputs: runs is empty; a report needs at least one run")
        drawings = [_mirror(Drawing, each, "--inputs: drawings") for each in plain.drawings]
        logs = [_mirror(TrainingLog, each, "--inputs: training") for each in plain.training]
        return replace(
            plain,
            runs=tuple(RunFiles.from_json(run) for run in plain.runs),
            records=tuple(map(Path, plain.records)),
            previous=Path(plain.previous) if plain.previous else None,
            skipped=tuple(_mirror(Skipped, each, "--inputs: skipped") for each in plain.skipped),
            drawings=tuple(replace(each, svg=Path(each.svg)) for each in drawings),
            training=tuple(replace(each, log=Path(each.log)) for each in logs),
        )

    @property
    def files(self) -> list[Path]:
        """Every plain file the report reads from runs (records and the word pictures' LMDB folders excluded)."""
        of_runs = [
            path
            for run in self.runs
            for path in (run.run, run.audit, run.flips, *run.predictions, run.timings, *run.samples, run.contract)
        ]
        previous = [self.previous, self.previous.with_name("readings.parquet")] if self.previous else []
        beside = [*(each.svg for each in self.drawings), *(each.log for each in self.training)]
        return list(dict.fromkeys([*of_runs, *previous, *beside]))


@dataclass(frozen=True)
class EndToEnd:
    """Encoded image bytes in, text out. `spread`: fastest and slowest pass, seconds. `breakdown`: seconds per step."""

    seconds: float
    images_per_second: float
    words: int
    passes: int
    spread: Sequence[float]
    breakdown: Mapping[str, float]


@dataclass(frozen=True)
class InferOnly:
    """The network alone, tensor in, log-probabilities out. `spread`: fastest and slowest pass, seconds."""

    seconds: float
    batch: int
    words: int
    spread: Sequence[float]


@dataclass(frozen=True)
class Latency:
    """Percentiles of one warm call, milliseconds."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class Batching:
    """The batch-invariance gate: how many of `words` texts changed between batch 1 and any of `sizes`."""

    sizes: Sequence[int]
    words: int
    changed: int


@dataclass(frozen=True)
class LengthScore:
    """Words of one label length: how many, how many right, Wilson 95 % interval of the fraction."""

    length: int
    samples: int
    correct: int
    accuracy_ci95: tuple[float, float]

    @classmethod
    def from_json(cls, value: Any, where: str) -> "LengthScore":
        plain = _mirror(cls, value, where)
        low, high = plain.accuracy_ci95
        return replace(plain, accuracy_ci95=(low, high))

    @property
    def accuracy(self) -> float:
        return self.correct / self.samples


@dataclass(frozen=True)
class Step:
    """One edge of the audit: words changed from stage `source` to stage `target`; `fixed`: gained, `broken`: lost."""

    source: str
    target: str
    flipped: int
    fixed: int
    broken: int
    mcnemar_p: float | None = None
    max_abs_difference: float | None = None

    @classmethod
    def from_json(cls, value: Any, where: str) -> "Step":
        """Fill one edge; its ends are `from` and `to` in the file, and `from` is a Python keyword."""
        ends = {"source": value.get("from"), "target": value.get("to")} if isinstance(value, Mapping) else {}
        return _mirror(cls, {**value, **ends} if ends else value, where)


@dataclass(frozen=True)
class Audit:
    """How the deployment's words differ from the reference's: in total and on each edge."""

    reference: str
    samples: int
    flipped: int
    fixed: int
    broken: int
    mcnemar_p: float | None
    path: tuple[Step, ...]

    @classmethod
    def read(cls, path: Path) -> "Audit":
        plain = _mirror(cls, read_json(path), str(path))
        return replace(plain, path=tuple(Step.from_json(edge, f"{path}: path") for edge in plain.path))


@dataclass(frozen=True)
class Scores:
    """run.json: what one run answered, how well and how fast. Timings are None where none were taken."""

    dataset: str
    model: str
    deployment: str
    widths: str
    runtime: str
    source: str
    precision: str
    device: str
    simulated: bool
    samples: int
    correct: int
    accuracy: float
    accuracy_ci95: Sequence[float]
    ned: float
    unscorable: int
    by_length: tuple[LengthScore, ...]
    statuses: Mapping[str, int]
    host: Mapping[str, Any]
    e2e: EndToEnd | None = None
    infer_only: InferOnly | None = None
    cold_seconds: float | None = None
    latency_ms: Latency | None = None
    batching: Batching | None = None
    repeat_texts: Mapping[str, int] | None = None

    @classmethod
    def read(cls, path: Path) -> "Scores":
        plain = _mirror(cls, read_json(path), str(path))
        by_length = tuple(LengthScore.from_json(score, f"{path}: by_length") for score in plain.by_length)
        kinds: dict[str, type[Any]] = {
            "e2e": EndToEnd,
            "infer_only": InferOnly,
            "latency_ms": Latency,
            "batching": Batching,
        }
        parts = {name: getattr(plain, name) for name in kinds}
        present = {
            name: _mirror(kinds[name], part, f"{path}: {name}") for name, part in parts.items() if part is not None
        }
        return replace(plain, by_length=by_length, **present)


@dataclass(frozen=True)
class Run:
    """One run, read. The tables are read on first use and kept."""

    files: RunFiles
    scores: Scores
    audit: Audit

    @classmethod
    def read(cls, files: RunFiles) -> "Run":
        """Read the two JSON files. Raises UserError where one is missing, incomplete or of another run."""
        scores, audit = Scores.read(files.run), Audit.read(files.audit)
        stated = (files.dataset, files.model, files.deployment)
        found = (scores.dataset, scores.model, scores.deployment)
        if stated != found:
            raise UserError(f"{files.run}: is the run {'/'.join(found)}, expected {'/'.join(stated)}; run again")
        return cls(files, scores, audit)

    @cached_property
    def row(self) -> dict[str, Any]:
        """The report row: run.json as it stands, with audit.json under `audit`."""
        return {**read_json(self.files.run), "audit": read_json(self.files.audit)}

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


@dataclass(frozen=True)
class Published:
    """A figure from elsewhere, with its source and what it measures. Never from this host."""

    name: str
    dataset: str | None
    accuracy: float | None
    boundary: str
    device: str
    source: str
    url: str | None = None
    batch: int | None = None
    seconds_3000: float | Sequence[float] | None = None
    images_per_second: float | None = None
    latency_ms: float | None = None


def read_published(path: Path) -> list[Published]:
    """Read the published figures. Raises UserError on a missing or unknown key."""
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f"{path}: expected a list of published figures")
    known = {f.name for f in fields(Published)}
    for row in rows:
        unknown = sorted(set(row) - known) if isinstance(row, Mapping) else []
        if unknown:
            raise UserError(f"{path}: unknown keys {', '.join(unknown)}")
    return [_mirror(Published, row, str(path)) for row in rows]


@dataclass(frozen=True)
class StageRecord:
    """The record a stage left beside its output (`crnn.core.record.Record`). `outputs`: path → sha256 and bytes."""

    stage: str
    parameters: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, Any]]
    tools: Mapping[str, str]
    host: Mapping[str, Any]
    command: Sequence[str]
    started: str
    seconds: float

    @classmethod
    def read(cls, path: Path) -> "StageRecord":
        return _mirror(cls, read_json(path), str(path))
