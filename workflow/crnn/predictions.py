"""Tensors to texts on any runtime: the accuracy run, two models side by side, and the batching check.

Not here: clocks (`crnn.measure`), the path from encoded bytes (`crnn.pipeline`).
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from crnn.charset import Charset, greedy_decode
from crnn.parity import largest_difference
from crnn.stage import counter
from crnn.targets import Runtime
from crnn.tensors import TensorSet

Row = tuple[int, str, float]
SCHEMA = {"index": pl.Int64, "text": pl.String, "confidence": pl.Float64}


def _frame(tensors: TensorSet, rows: list[Row], limit: int | None = None) -> pl.DataFrame:
    every = tensors.samples[:limit].select("index")
    return every.join(pl.DataFrame(rows, schema=SCHEMA, orient="row"), on="index", how="left").sort("index")


def predict(
    tensors: TensorSet, runtime: Runtime, charset: Charset, batch: int, limit: int | None = None
) -> pl.DataFrame:
    """Read every word (or the first `limit`), at most `batch` in a call.

    Returns index, text and confidence, one row per LMDB record in order; text is null where there is no tensor.
    """
    rows: list[Row] = []
    with counter(tensors.samples[:limit].height, "predict") as bar:
        for indices, images in tensors.batches(batch, limit):
            rows.extend(zip(indices, *greedy_decode(runtime.infer(images), charset), strict=True))
            bar.update(len(indices))
    return _frame(tensors, rows, limit)


def predict_side_by_side(
    tensors: TensorSet, first: Runtime, second: Runtime, charset: Charset, batch: int
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Read every word with two models; return both predictions and the largest difference of their outputs."""
    rows: tuple[list[Row], list[Row]] = ([], [])
    worst = 0.0
    with counter(tensors.samples.height, "prove") as bar:
        for indices, images in tensors.batches(batch):
            outputs = (first.infer(images), second.infer(images))
            worst = max(worst, largest_difference(*outputs))
            for found, output in zip(rows, outputs, strict=True):
                found.extend(zip(indices, *greedy_decode(output, charset), strict=True))
            bar.update(len(indices))
    return _frame(tensors, rows[0]), _frame(tensors, rows[1]), worst


def changed_by_batching(
    tensors: TensorSet, runtime: Runtime, charset: Charset, predictions: pl.DataFrame, sizes: Sequence[int], words: int
) -> list[dict[str, Any]]:
    """Read the first `words` words again at each batch size; list the words that read otherwise than predicted."""
    expected = predictions.select("index", expected="text")
    changed: list[dict[str, Any]] = []
    for size in sizes:
        again = predict(tensors, runtime, charset, size, limit=words).join(expected, on="index")
        different = again.filter(pl.col("text").ne_missing(pl.col("expected")))
        changed += [
            {"batch": size, **row} for row in different.select("index", "text", "expected").iter_rows(named=True)
        ]
    return changed
