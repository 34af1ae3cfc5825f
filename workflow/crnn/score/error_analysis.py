"""Error analysis: accuracy by what a word is like, and which characters are taken for which.

Traits come from a word's record and pixels alone, so every run of a dataset is divided in the same way.
"""

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from crnn.data.tensors import TensorSet
from crnn.score.accuracy import edits_between, wilson_interval

MOST_CONFUSIONS = 20


@dataclass(frozen=True)
class Trait:
    """One way of dividing words. `value`: an expression over the columns of `described`; `edges`: between groups."""

    name: str
    value: pl.Expr
    edges: tuple[float, ...]
    unit: str = ""


def _share(pattern: str) -> pl.Expr:
    """Share of a label's characters, as stored, that match."""
    return pl.col("label").str.count_matches(pattern) / pl.col("label").str.count_matches("[0-9A-Za-z]")


# Narrow letters leave the network few time steps for each.
CHARACTER = pl.col("width") / pl.col("height") / pl.col("text").str.len_chars()
TRAITS = (
    Trait("length", pl.col("text").str.len_chars(), (3, 5, 7, 10), "characters"),
    Trait("digits", _share("[0-9]"), (0, 0.999), "of the label"),
    Trait("capitals", _share("[A-Z]"), (0, 0.999), "of the label"),
    Trait("image height", pl.col("height"), (16, 32, 64), "px"),
    Trait("width of a character", CHARACTER, (0.3, 0.4, 0.5, 0.7), "heights"),
    Trait("contrast", pl.col("contrast"), (15, 30, 50), "gray levels (standard deviation)"),
)


def described(tensors: TensorSet, judged: pl.DataFrame) -> pl.DataFrame:
    """Every word with a label and a tensor: its traits, and how `crnn.score.accuracy.judge` judged it."""
    words = (word for indices, images in tensors.batches(256) for word in zip(indices, images, strict=True))
    contrasts = [(index, float(np.std(image) * 127.5)) for index, image in words]
    contrast = pl.DataFrame(contrasts, schema={"index": pl.Int64, "contrast": pl.Float64}, orient="row")
    readable = tensors.samples.filter(pl.col("status") == "ok").join(contrast, on="index")
    return readable.join(judged.select("index", "correct", read="text"), on="index")


def by_trait(words: pl.DataFrame) -> list[dict[str, Any]]:
    """Accuracy in every group of every trait: trait, unit, group (`3 to 5`), samples, correct, accuracy_ci95."""
    rows = []
    for trait in TRAITS:
        for low, high in itertools.pairwise([-np.inf, *trait.edges, np.inf]):
            inside = words.filter((trait.value > low) & (trait.value <= high))
            samples, correct = inside.height, int(inside["correct"].sum())
            if samples:
                counts = {"samples": samples, "correct": correct, "accuracy_ci95": wilson_interval(correct, samples)}
                rows.append({"trait": trait.name, "unit": trait.unit, "group": _range(low, high), **counts})
    return rows


def _range(low: float, high: float) -> str:
    if low == -np.inf:
        return f"at most {high:g}"
    return f"over {low:g}" if high == np.inf else f"over {low:g}, at most {high:g}"


def confusions(words: pl.DataFrame) -> list[dict[str, Any]]:
    """The most frequent edits from labels to readings: label (the character there), read, count; "" is nothing."""
    counted: Counter[tuple[str, str]] = Counter()
    for label, read in words.filter(~pl.col("correct")).select("text", "read").iter_rows():
        counted.update((removed, added) for *_, removed, added in edits_between(label, read))
    return [{"label": label, "read": read, "count": n} for (label, read), n in counted.most_common(MOST_CONFUSIONS)]
