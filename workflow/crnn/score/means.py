"""Means over the sets of an evaluation folder, as the tables of the field have them."""

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Any

from crnn.score.accuracy import PROTOCOLS

Object = dict[str, Any]  # of JSON


def mean_accuracy(scores: Sequence[Object], weights: Sequence[float]) -> Object:
    """The weighted mean of accuracies with its 95 % interval; each score has `accuracy` and `accuracy_ci95`.

    The interval puts those of the sets together (method of variance estimates recovery, Zou and Donner 2008): each end
    is as far from the mean as the weighted distances are long as a vector.
    """
    shares = [weight / sum(weights) for weight in weights]
    mean = sum(share * score["accuracy"] for share, score in zip(shares, scores, strict=True))

    def distance(end: int) -> float:
        return hypot(
            *(share * (s["accuracy"] - s["accuracy_ci95"][end]) for share, s in zip(shares, scores, strict=True))
        )

    return {"accuracy": mean, "accuracy_ci95": [max(0.0, mean - distance(0)), min(1.0, mean + distance(1))]}


def evaluation_means(rows: Sequence[Object], evaluations: Mapping[str, Sequence[str]]) -> list[Object]:
    """Of every evaluation, model and deployment: macro and word-weighted means over its sets, by protocol.

    rows: those of the report; evaluations: name → datasets. `labels` is the config's own policy.
    """
    means = []
    for name, datasets in evaluations.items():
        of_run: dict[tuple[str, str], list[Object]] = {}
        for row in (row for row in rows if row["dataset"] in datasets):
            of_run.setdefault((row["model"], row["deployment"]), []).append(row)
        for (model, deployment), sets in of_run.items():
            scores = {"labels": sets, **{key: [row["protocols"][key] for row in sets] for key in PROTOCOLS}}
            words = [row["samples"] for row in sets]
            means.append(
                {
                    **{"evaluation": name, "model": model, "deployment": deployment, "samples": sum(words)},
                    "sets": {row["dataset"]: row["protocols"] for row in sets},
                    "macro": {key: mean_accuracy(each, [1] * len(each)) for key, each in scores.items()},
                    "weighted": {key: mean_accuracy(each, words) for key, each in scores.items()},
                }
            )
    return means
