"""Clocks: calls, passes, percentiles. Knows nothing of any device, model or file.

Two boundaries, kept apart everywhere:

- `e2e`: from encoded image bytes in the LMDB to texts, everything inside, in batches;
- `infer_only`: the inference call alone, batch 1, input prepared before and output decoded after, as the
  CRNN_Dynamic recipe times it (its "E2E").
"""

from typing import Any

import numpy as np
import polars as pl

from crnn.inference.step_timer import STEPS, Steps

IN_CALL = frozenset({"transfer_in", "execute", "transfer_out"})  # steps within the runtime's call
PERCENTILES = (50, 90, 99)
COLUMNS = {
    **{"phase": pl.String, "pass": pl.Int64, "batch": pl.Int64, "width": pl.Int64, "seconds": pl.Float64},
    **{"cold": pl.Boolean, "workers": pl.Int64, "calls": pl.Int64},
    **dict.fromkeys(STEPS, pl.Float64),
}
ROWS = 512  # rows that are kept as Python objects, which take ten times the room


class Timings:
    """One row per call or pass, as timings.parquet holds them. `seconds` is wall time.

    A row of phase `e2e_total` is a whole pass of `workers` threads and `calls` concurrent calls; its steps are those
    after the last call.
    """

    def __init__(self) -> None:
        self.last_seconds = 0.0
        self._rows: list[dict[str, Any]] = []
        self._frames: list[pl.DataFrame] = []

    def add(self, phase: str, number: int, batch: int, width: int, seconds: float, steps: Steps | None = None) -> None:
        """Record a call of `phase` in pass `number`, with the steps it consisted of where they were timed."""
        call = {"phase": phase, "pass": number, "batch": batch, "width": width, "seconds": seconds}
        self._append({**call, "cold": phase == "cold", **(steps or {})})

    def add_pass(self, number: int, words: int, seconds: float, after: list[Steps], calls: int) -> None:
        """Record the whole of pass `number`. after: each worker's steps after its last call."""
        steps = {step: sum(worker[step] for worker in after) for step in STEPS}
        whole = {"phase": "e2e_total", "pass": number, "batch": words, "seconds": seconds, "cold": False}
        self._append({**whole, "workers": len(after), "calls": calls, **steps})

    def _append(self, row: dict[str, Any]) -> None:
        self.last_seconds = row["seconds"]
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._pack()

    def _pack(self) -> None:
        self._frames.append(pl.DataFrame(self._rows, schema=COLUMNS))
        self._rows = []

    def frame(self) -> pl.DataFrame:
        self._pack()
        return pl.concat(self._frames)


def _of(timings: pl.DataFrame, phase: str) -> pl.DataFrame:
    return timings.filter(pl.col("phase") == phase)


def summarise_e2e(timings: pl.DataFrame) -> dict[str, Any] | None:
    """The e2e clock: median pass, its spread, images per second, and the median pass's seconds by step.

    A step's seconds are those it would take alone, shared by all who can do it at a time: the workers, or the calls
    that the runtime takes. `other` is the wall time that no step accounts for; where device and processor work at the
    same time there may be none, and the steps add up to more than the pass.
    """
    passes = _of(timings, "e2e_total").rename({"batch": "words"})
    if passes.is_empty():
        return None
    middle, whole = _middle_of(passes)
    steps = timings.filter(pl.col("phase").is_in(["e2e", "e2e_total"]) & (pl.col("pass") == middle["pass"]))
    sharers = {step: middle["calls"] if step in IN_CALL else middle["workers"] for step in STEPS}
    breakdown = {step: float(steps[step].sum()) / sharers[step] for step in STEPS}
    breakdown["other"] = max(0.0, middle["seconds"] - sum(breakdown.values()))
    return {
        **whole,
        "images_per_second": middle["words"] / middle["seconds"],
        "workers": middle["workers"],
        "calls": middle["calls"],
        "lanes": middle["calls"],  # the older name, which readers of report.json may know
        "breakdown": breakdown,
    }


def summarise_infer_only(timings: pl.DataFrame) -> dict[str, Any] | None:
    """The infer_only clock: median over passes of the summed calls, and its spread."""
    calls = _of(timings, "infer_only")
    if calls.is_empty():
        return None
    return {**_middle_of(calls.group_by("pass").agg(pl.col("seconds").sum(), words=pl.len()))[1], "batch": 1}


def _middle_of(passes: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """The median pass, and what both clocks say of it and its spread."""
    ordered = passes.sort("seconds")
    middle = ordered.row((passes.height - 1) // 2, named=True)
    spread = [ordered["seconds"][0], ordered["seconds"][-1]]
    return middle, {**{key: middle[key] for key in ("seconds", "words")}, "passes": passes.height, "spread": spread}


def latency_percentiles(timings: pl.DataFrame) -> dict[str, float] | None:
    """p50, p90 and p99 of the batch-1 inference call, milliseconds, over the calls of every pass."""
    calls = _of(timings, "infer_only")["seconds"].to_numpy()
    if not calls.size:
        return None
    return {f"p{p}": float(np.percentile(calls, p)) * 1e3 for p in PERCENTILES}


def cold_seconds(timings: pl.DataFrame) -> float | None:
    """Seconds of the first inference call after loading."""
    cold = _of(timings, "cold")["seconds"]
    return None if cold.is_empty() else float(cold[0])
