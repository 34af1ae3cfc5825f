"""Scores of one run, word accuracy with its interval, edit distance, accuracy by length; and means over datasets.

As is standard in scene-text recognition, the whole word must match after the label policy on both sides. Every LMDB
record counts: a word without readable image or usable label is wrong.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from math import hypot, sqrt
from statistics import NormalDist
from typing import Any

import polars as pl
from rapidfuzz.distance import Levenshtein

from crnn.data.labels import LabelPolicy

Scores = dict[str, Any]  # of a run, or part of them, as JSON has them

ALPHANUMERIC = "0123456789abcdefghijklmnopqrstuvwxyz"
READABLE = ("ok", "empty-label", "outside-charset")  # statuses of words whose image and label can be read


def _by(policy: LabelPolicy) -> Callable[[str], str]:
    return lambda text: policy.apply(text)[0]


# The accuracies of the field's tables, whatever the config's `labels` say: what of a text each compares.
PROTOCOLS: dict[str, Callable[[str], str]] = {
    "any_case": _by(LabelPolicy(ALPHANUMERIC)),
    "case_sensitive": _by(LabelPolicy(ALPHANUMERIC + ALPHANUMERIC[10:].upper(), case="keep")),
    "all_characters": lambda text: "".join(unicodedata.normalize("NFC", text).split()),
}


def wilson_interval(correct: int, samples: int) -> list[float]:
    """95 % Wilson score interval of a proportion (Wilson 1927), [low, high] in [0, 1]."""
    share, weight = correct / samples, NormalDist().inv_cdf(0.975) ** 2 / samples
    middle, half = share + weight / 2, sqrt(weight * share * (1 - share) + weight**2 / 4)
    return [max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))]


def edits_between(text: str, other: str) -> list[tuple[int, int, str, str]]:
    """A shortest way from `text` to `other`: place in each (-1 where it has none), character there ("" for none)."""
    return [
        (
            -1 if step.tag == "insert" else step.src_pos,
            -1 if step.tag == "delete" else step.dest_pos,
            "" if step.tag == "insert" else text[step.src_pos],
            "" if step.tag == "delete" else other[step.dest_pos],
        )
        for step in Levenshtein.editops(text, other)
    ]


def judge(samples: pl.DataFrame, predictions: pl.DataFrame, policy: LabelPolicy) -> pl.DataFrame:
    """Join labels and predictions: index, label, text, confidence, status, scorable, correct, edit_distance.

    `label` and `text` are as compared, after the policy. `edit_distance` is Levenshtein over the longer length
    (0 equal, 1 nothing in common); 1 where a word is not scorable.
    """
    ordered, read = samples.sort("index"), predictions.sort("index")
    predicted = [policy.apply(text or "")[0] for text in read["text"]]
    labels, statuses = ordered["text"].to_list(), ordered["status"].to_list()
    scorable = [status == "ok" for status in statuses]
    words = list(zip(labels, predicted, scorable, strict=True))
    return pl.DataFrame(
        {
            "index": ordered["index"],
            "label": labels,
            "text": predicted,
            "confidence": read["confidence"],
            "status": statuses,
            "scorable": scorable,
            "correct": [label == text and able for label, text, able in words],
            "edit_distance": [Levenshtein.normalized_distance(*texts) if able else 1.0 for *texts, able in words],
        }
    )


def score(judged: pl.DataFrame) -> dict[str, Any]:
    """The accuracy part of a report row, from what `judge` returns."""
    samples, correct = judged.height, int(judged["correct"].sum())
    by_length = (
        judged.filter("scorable")
        .group_by(length=pl.col("label").str.len_chars())
        .agg(samples=pl.len(), correct=pl.col("correct").sum())
        .sort("length")
    )
    return {
        "samples": samples,
        "correct": correct,
        "accuracy": correct / samples,
        "accuracy_ci95": wilson_interval(correct, samples),
        "ned": float(judged["edit_distance"].mean()),  # type: ignore[arg-type]
        "unscorable": samples - int(judged["scorable"].sum()),
        "statuses": dict(judged.group_by("status").len().sort("status").iter_rows()),
        "by_length": [
            {**row, "accuracy_ci95": wilson_interval(row["correct"], row["samples"])}
            for row in by_length.iter_rows(named=True)
        ],
    }


def by_protocol(samples: pl.DataFrame, predictions: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Protocol → compared, correct, accuracy, accuracy_ci95.

    compared: labels of which the protocol compares something; the others count as wrong.
    """
    ordered = samples.sort("index")
    labels = [label if status in READABLE else "" for label, status in ordered.select("label", "status").iter_rows()]
    texts = [text or "" for text in predictions.sort("index")["text"]]
    scores = {}
    for name, compared in PROTOCOLS.items():
        pairs = [(label, text) for stored, text in zip(labels, texts, strict=True) if (label := compared(stored))]
        correct = sum(label == compared(text) for label, text in pairs)
        scores[name] = {
            "compared": len(pairs),
            "correct": correct,
            "accuracy": correct / samples.height,
            "accuracy_ci95": wilson_interval(correct, samples.height),
        }
    return scores


def mean_accuracy(scores: Sequence[Scores], weights: Sequence[float]) -> Scores:
    """The weighted mean of accuracies with its 95 % interval; each score has `accuracy` and `accuracy_ci95`.

    The interval puts those of the sets together (method of variance estimates recovery, Zou and Donner 2008): each end
    is as far from the mean as the weighted distances are long as a vector.
    """
    shared = list(zip((weight / sum(weights) for weight in weights), scores, strict=True))
    mean = sum(share * each["accuracy"] for share, each in shared)

    def distance(end: int) -> float:
        return hypot(*(share * (each["accuracy"] - each["accuracy_ci95"][end]) for share, each in shared))

    return {"accuracy": mean, "accuracy_ci95": [max(0.0, mean - distance(0)), min(1.0, mean + distance(1))]}


def evaluation_means(rows: Sequence[Scores], evaluations: Mapping[str, Sequence[str]]) -> list[Scores]:
    """Of every evaluation, model and deployment: macro and word-weighted means over its sets, by protocol.

    rows: those of the report; evaluations: name → datasets. `labels` is the config's own policy.
    """
    means = []
    for name, datasets in evaluations.items():
        of_run: dict[tuple[str, str], list[Scores]] = {}
        for row in (row for row in rows if row["dataset"] in datasets):
            of_run.setdefault((row["model"], row["deployment"]), []).append(row)
        for (model, deployment), sets in of_run.items():
            scores = {"labels": sets, **{key: [row["protocols"][key] for row in sets] for key in PROTOCOLS}}
            words = [row["samples"] for row in sets]
            mean = {
                **{"evaluation": name, "model": model, "deployment": deployment, "samples": sum(words)},
                "sets": {row["dataset"]: row["protocols"] for row in sets},
                "macro": {key: mean_accuracy(each, [1] * len(each)) for key, each in scores.items()},
                "weighted": {key: mean_accuracy(each, words) for key, each in scores.items()},
            }
            means.append(mean)
    return means
