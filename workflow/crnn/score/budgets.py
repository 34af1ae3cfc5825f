"""Budgets: how much a deployment may lose before the run is a failure."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crnn.core.errors import UserError


@dataclass(frozen=True)
class Verdict:
    """One budget held against one report row."""

    dataset: str
    model: str
    deployment: str
    budget: str
    value: float
    allowed: float

    @property
    def kept(self) -> bool:
        return self.value <= self.allowed

    def __str__(self) -> str:
        state = "within" if self.kept else "over"
        run = f"{self.dataset} / {self.model} / {self.deployment}"
        return f"{run}: {self.budget} is {self.value:g}, {state} the budget of {self.allowed:g} (budgets.{self.budget})"


def _values(row: dict[str, Any]) -> dict[str, float | None]:
    """Each budget's value in one report row; None where the row has none."""
    audit, batching, repeat, memory = map(row.get, ("audit", "batching", "repeat_texts", "memory_mib"))
    surgery = audit and audit.get("surgery")
    one = audit if "cascade" not in row else None  # a cascade is to read some words otherwise than its last member
    return {
        # Of the samples: accuracy lost against the reference, and words with another text than the reference's.
        "accuracy_drop": audit and (audit["broken"] - audit["fixed"]) / audit["samples"],
        "flipped": one and one["flipped"] / one["samples"],
        # Words that fixed.onnx reads differently from raw.onnx, and the largest difference of their outputs on all.
        "changed_by_surgery": surgery and surgery["changed"],
        "max_abs_difference": surgery and surgery["max_abs_difference"],
        # Words whose text depends on the size of the batch, and words with another text in a timed pass.
        "changed_by_batching": batching and batching["changed"],
        "changed_by_repeating": repeat and repeat["e2e_changed"] + repeat["infer_only_changed"],
        "memory_mib": memory and memory["run"],  # the most that a process held which loads the row and reads words
        "slowdown": row.get("slowdown"),  # how much longer a pass takes than in another report (report.comparison)
    }


def judge_budgets(rows: list[dict[str, Any]], budgets: dict[str, float]) -> list[Verdict]:
    """Hold every row of a report against the budgets of the config, which are by the names that `_values` has."""
    return [
        Verdict(row["dataset"], row["model"], row["deployment"], name, float(value), budgets[name])
        for row in rows
        for name, value in _values(row).items()
        if name in budgets and value is not None
    ]


def require_kept(verdicts: list[Verdict], page: Path) -> None:
    """Raise UserError that names the budgets exceeded, if any, and the page that lists the words."""
    exceeded = [str(verdict) for verdict in verdicts if not verdict.kept]
    if exceeded:
        raise UserError(f"budgets exceeded; the words are listed in {page}:\n  " + "\n  ".join(exceeded))


def verdict_rows(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """The verdicts as report.json holds them."""
    return [{**asdict(verdict), "kept": verdict.kept} for verdict in verdicts]
