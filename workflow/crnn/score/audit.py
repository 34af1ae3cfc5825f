"""The audit: which words changed, and between which two stages. It gives a lost point an address.

It follows words, not tensors: outputs that differ in the seventh digit matter only where a text changes.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, lgamma, log, sqrt
from typing import Any

import polars as pl

CONFIDENCE = 1.645  # standard deviations that 95 % of a normal distribution lie below


@dataclass(frozen=True)
class Comparison:
    """Words that two runs read differently. Fields are named as the keys of report.json.

    fixed: words gained, wrong before and right after; broken: words lost; mcnemar_p: two-sided exact McNemar test of
    lost against gained words (McNemar 1947; binomial form), 1 where there are none.
    """

    samples: int
    flipped: int
    fixed: int
    broken: int
    mcnemar_p: float


def flips(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Words whose text differs between two judged runs (see `crnn.score.accuracy.judge`), one row each, in LMDB order.

    Columns: index, label, text_from, text_to, confidence_from, confidence_to, kind: fixed (gained), broken (lost) or
    changed (wrong before and after).
    """
    gain = pl.col("correct_to").cast(pl.Int8) - pl.col("correct_from").cast(pl.Int8)
    kind = gain.replace_strict({1: "fixed", -1: "broken", 0: "changed"}, return_dtype=pl.String)
    columns = ["text", "confidence", "correct"]
    left = before.select("index", "label", *(pl.col(name).alias(f"{name}_from") for name in columns))
    right = after.select("index", *(pl.col(name).alias(f"{name}_to") for name in columns))
    return (
        left.join(right, on="index")
        .filter(pl.col("text_from") != pl.col("text_to"))
        .sort("index")
        .select("index", "label", "text_from", "text_to", "confidence_from", "confidence_to", kind=kind)
    )


def compare(samples: int, flipped: pl.DataFrame) -> Comparison:
    """Count the rows of `flips` and test whether they go one way more than the other."""
    kinds = dict(flipped.group_by("kind").len().iter_rows())
    gained, lost = kinds.get("fixed", 0), kinds.get("broken", 0)
    return Comparison(samples, flipped.height, gained, lost, sign_test(gained, lost))


def sign_test(gained: int, lost: int) -> float:
    """Two-sided probability that fair coins fall at least so unevenly: twice the tail of the rarer side, at most 1."""
    count, rarer = gained + lost, min(gained, lost)
    term = exp(lgamma(count + 1) - lgamma(rarer + 1) - lgamma(count - rarer + 1) - count * log(2))
    tail = 0.0
    for k in range(rarer, -1, -1):  # each binomial from the one above, so no number grows large
        tail += term
        term *= k / (count - k + 1)
    return min(1.0, 2 * tail)


def most_lost(lost: int, gained: int) -> float:
    """Words lost on balance, at most, with 95 % confidence.

    Where nothing became worse, words that read differently are lost as often as gained. So the variance of the loss is
    their number (McNemar 1947); this is its upper bound by the normal approximation.
    """
    return lost - gained + CONFIDENCE * sqrt(lost + gained)


def surgery_of(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What surgery did to a dataset's words, from what `predict` found in each part; None without parts.

    changed: words whose text differs as read, before any label policy; max_abs_difference: of the outputs.
    """
    if not parts:
        return None
    return {
        "changed": sum(part["changed"] for part in parts),
        "max_abs_difference": max(part["max_abs_difference"] for part in parts),
    }


def audit(
    path: list[tuple[str, pl.DataFrame]],
    surgery: Mapping[str, Any] | None = None,
    explained: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Compare neighbouring stages of a path of judged runs, and its first, the reference, with its last.

    Returns the `audit` part of a report row and every flipped word with its edge. `surgery` is about the edge from raw
    to fixed; `explained` has what explain_words found of the edge to a stage.
    """
    edges, rows = [], []
    for (source, before), (target, after) in itertools.pairwise(path):
        ends, flipped = {"from": source, "to": target}, flips(before, after)
        difference = surgery["max_abs_difference"] if surgery and (source, target) == ("raw", "fixed") else None
        known = {"max_abs_difference": difference, "explained": (explained or {}).get(target)}
        edges.append({**ends, **asdict(compare(before.height, flipped)), **known})
        named = (pl.lit(name).alias(end) for end, name in ends.items())
        rows.append(flipped.select("index", *named, pl.exclude("index")))
    (reference, first), (_, last) = path[0], path[-1]
    whole = compare(first.height, flips(first, last))
    return {"reference": reference, **asdict(whole), "path": edges, "surgery": surgery}, pl.concat(rows)


def changed_by_repeating(predictions: pl.DataFrame, texts: pl.DataFrame) -> dict[str, int]:
    """How many words got another text in a timed pass than in the accuracy run, by clock.

    `texts`: phase, pass, index, text, as `crnn.inference.benchmark.timed_texts` returns them.
    """
    joined = texts.join(predictions.select("index", expected="text"), on="index")
    different = joined.filter(pl.col("text").ne_missing(pl.col("expected")))
    return {f"{phase}_changed": different.filter(phase=phase)["index"].n_unique() for phase in ("e2e", "infer_only")}
