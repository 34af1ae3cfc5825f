"""The machine-readable outputs: report.json, accuracy.csv and audit.csv. Nothing is rounded here."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from crnn.report.comparison import ReportComparison
from crnn.report.inputs import FLIP_COLUMNS, Inputs, Published, Run
from crnn.score.budgets import judge_budgets, verdict_rows

SCORE_COLUMNS = (
    *("dataset", "model", "deployment", "widths", "runtime", "source", "precision", "device", "simulated"),
    *("samples", "correct", "accuracy", "ned", "unscorable", "cold_seconds"),
)


def report_json(
    inputs: Inputs,
    runs: Sequence[Run],
    published: Sequence[Published],
    generated: str,
    host: dict[str, Any],
    comparison: ReportComparison | None = None,
) -> dict[str, Any]:
    """The report as one JSON object.

    A row is its run.json as it stands, with its audit.json under `audit` and `remote`: whether another machine than
    `host` timed it.
    """
    rows = [{**run.row, "remote": run.scores.host.get("name") != host.get("name")} for run in runs]
    return {
        "title": inputs.title,
        "generated": generated,
        "host": host,
        "budgets": dict(inputs.budgets),
        "verdicts": verdict_rows(judge_budgets(rows, dict(inputs.budgets))),
        "rows": rows,
        "skipped": [asdict(each) for each in inputs.skipped],
        "previous": comparison.json if comparison else None,
        "published": [asdict(figure) for figure in published],
    }


def _accuracy_row(run: Run) -> dict[str, Any]:
    scores, audit = run.scores, run.audit
    return {
        **{name: getattr(scores, name) for name in SCORE_COLUMNS},
        "accuracy_low": scores.accuracy_ci95[0],
        "accuracy_high": scores.accuracy_ci95[1],
        "e2e_seconds": scores.e2e.seconds if scores.e2e else None,
        "e2e_images_per_second": scores.e2e.images_per_second if scores.e2e else None,
        "infer_only_seconds": scores.infer_only.seconds if scores.infer_only else None,
        "infer_only_batch": scores.infer_only.batch if scores.infer_only else None,
        **{
            f"latency_{p}_ms": getattr(scores.latency_ms, p) if scores.latency_ms else None
            for p in ("p50", "p90", "p99")
        },
        "batching_words": scores.batching.words if scores.batching else None,
        "batching_changed": scores.batching.changed if scores.batching else None,
        "reference": audit.reference,
        "flipped": audit.flipped,
        "fixed": audit.fixed,
        "broken": audit.broken,
        "mcnemar_p": audit.mcnemar_p,
    }


def accuracy_table(runs: Sequence[Run]) -> pl.DataFrame:
    """One row per run: what it is, its scores, timings and total flips. Fractions, seconds and milliseconds."""
    return pl.DataFrame([_accuracy_row(run) for run in runs], infer_schema_length=None)


def _named_flips(run: Run) -> pl.DataFrame:
    names = {name: pl.lit(getattr(run.files, name), pl.String) for name in ("dataset", "model", "deployment")}
    return run.flips.with_columns(**names).select(*names, *FLIP_COLUMNS)


def audit_table(runs: Sequence[Run]) -> pl.DataFrame:
    """One row per run, audit edge and flipped word: the columns of audit.parquet after the run's three names."""
    return pl.concat([_named_flips(run) for run in runs], how="vertical_relaxed")
