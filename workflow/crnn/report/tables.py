"""The report as a whole, and what of it programs read: report.json, accuracy.csv and audit.csv. Nothing is rounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from crnn.report.comparison import ReportComparison
from crnn.report.inputs import FLIP_COLUMNS, NAMES, Inputs, Object, Run
from crnn.score.accuracy import PROTOCOLS, evaluation_means
from crnn.score.budgets import judge_budgets, verdict_rows

SCORES = (
    *(*NAMES, "widths", "runtime", "source", "precision", "device", "simulated"),
    *("samples", "correct", "accuracy", "ned", "unscorable", "cold_seconds"),
)
PARTS = {  # columns: the part of a row that they are in, null where it was not taken, and their key in it
    "e2e_seconds": ("e2e", "seconds"),
    "e2e_images_per_second": ("e2e", "images_per_second"),
    "infer_only_seconds": ("infer_only", "seconds"),
    "infer_only_batch": ("infer_only", "batch"),
    **{f"latency_{p}_ms": ("latency_ms", p) for p in ("p50", "p90", "p99")},
    "ece": ("confidence", "ece"),
    "memory_mib": ("memory_mib", "run"),
    "first_answer_cold_seconds": ("first_answer", "cold_seconds"),
    "batching_words": ("batching", "words"),
    "batching_changed": ("batching", "changed"),
    **{name: ("audit", name) for name in ("reference", "flipped", "fixed", "broken", "mcnemar_p")},
}


@dataclass(frozen=True)
class Report:
    """Everything that a report shows.

    host: the machine that makes it (`crnn.core.record.describe_host`); runs of others are marked as remote.
    comparison: with the report that `inputs` names as the previous one.
    """

    inputs: Inputs
    runs: Sequence[Run]
    published: Sequence[Object]
    records: Sequence[Object]
    generated: datetime
    host: Object
    comparison: ReportComparison | None = None

    @property
    def json(self) -> Object:
        """report.json: a row is its run.json, with its audit.json under `audit`, and `remote`."""
        rows = [{**run.row, "remote": run.row["host"].get("name") != self.host.get("name")} for run in self.runs]
        return {
            "title": self.inputs.title,
            "generated": self.generated.isoformat(timespec="seconds"),
            "host": self.host,
            "budgets": self.inputs.budgets,
            "verdicts": verdict_rows(judge_budgets(rows, self.inputs.budgets)),
            "rows": rows,
            "evaluations": evaluation_means(rows, self.inputs.evaluations),
            "skipped": self.inputs.skipped,
            "previous": self.comparison.json if self.comparison else None,
            "published": self.published,
        }


def accuracy_table(runs: Sequence[Run]) -> pl.DataFrame:
    """One row per run: what it is, its scores, timings and total flips. Fractions, seconds and milliseconds."""
    rows = [
        {
            **{name: row[name] for name in SCORES},
            **dict(zip(("accuracy_low", "accuracy_high"), row["accuracy_ci95"], strict=True)),
            **{name: row["protocols"][name]["accuracy"] for name in PROTOCOLS},
            **{column: row[part] and row[part][key] for column, (part, key) in PARTS.items()},
        }
        for row in (run.row for run in runs)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def audit_table(runs: Sequence[Run]) -> pl.DataFrame:
    """One row per run, audit edge and flipped word: the columns of audit.parquet after the run's three names."""
    return pl.concat([run.named(run.flips.select(FLIP_COLUMNS)) for run in runs], how="vertical_relaxed")
