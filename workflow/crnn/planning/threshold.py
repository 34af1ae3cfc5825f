"""The threshold of a cascade: the confidence under which a word is handed on, by labelled words that are not scored."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from crnn.core.errors import UserError
from crnn.data.labels import LabelPolicy
from crnn.inference.combine import Keep, combined
from crnn.score.accuracy import judge, wilson_interval
from crnn.score.audit import most_lost

THRESHOLDS = [*np.round(np.arange(0, 1, 0.01), 2).tolist(), 1.01]  # the last hands on every word


@dataclass(frozen=True)
class Goal:
    """At most this share of words lost against the last member, with 95 % confidence, or at least this accuracy."""

    accuracy_drop: float | None = None
    accuracy: float | None = None

    def __str__(self) -> str:
        if self.accuracy is not None:
            return f"an accuracy of {self.accuracy:.2%}"
        return f"a loss of {self.accuracy_drop or 0:.2%} or less with 95 % confidence"


@dataclass(frozen=True)
class Point:
    """A threshold on the words it is planned by: how many are handed on, right, lost and gained against the last."""

    threshold: float
    words: int
    handed_on: int
    correct: int
    lost: int
    gained: int

    @property
    def most_lost(self) -> float:
        """Words lost on balance, with 95 % confidence at most."""
        return most_lost(self.lost, self.gained)

    def keeps(self, goal: Goal) -> bool:
        if goal.accuracy is not None:
            return self.correct >= goal.accuracy * self.words
        return self.most_lost <= (goal.accuracy_drop or 0.0) * self.words

    def facts(self) -> dict[str, Any]:
        interval = wilson_interval(self.correct, self.words)
        accuracy = {"accuracy": self.correct / self.words, "accuracy_ci95": interval}
        return {**asdict(self), **accuracy, "most_lost": self.most_lost}


def frontier(samples: pl.DataFrame, readings: Sequence[pl.DataFrame], policy: LabelPolicy, keep: Keep) -> list[Point]:
    """Every threshold on labelled words. Raises UserError where none of them is labelled."""
    judged = [judge(samples, each, policy).filter("scorable") for each in readings]
    if judged[-1].is_empty():
        raise UserError("none of the tuning words has a label to plan a threshold by; name others in planning.lmdb")
    # Whether a reading is right takes the place of its text: a cascade's is one of its members', and null as theirs is.
    is_right = pl.when(pl.col("confidence").is_not_null()).then(pl.col("correct").cast(pl.String))
    right = [each.select("index", "confidence", text=is_right) for each in judged]
    last = judged[-1]["correct"]
    points = []
    for threshold in THRESHOLDS:
        found = combined(right, threshold, keep)
        own, handed_on = found["text"].eq_missing("true"), int((found["members"] > 1).sum())
        lost, gained = int((last & ~own).sum()), int((own & ~last).sum())
        points.append(Point(threshold, len(own), handed_on, int(own.sum()), lost, gained))
    return points


def cheapest(points: Sequence[Point], goal: Goal) -> Point:
    """The lowest threshold that keeps the goal, which hands on the fewest words. Raises UserError where none does."""
    keeping = [point for point in points if point.keeps(goal)]
    if not keeping:
        best = max(points, key=lambda point: point.correct)
        raise UserError(
            f"no threshold keeps {goal}: of the {best.words} tuning words the best one, {best.threshold}, reads "
            f"{best.correct} and loses {best.lost} of the last member's. Ask for less, or tune on more words"
        )
    return keeping[0]
