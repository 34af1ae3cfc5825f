"""Tensors to texts on any runtime: the accuracy run, two models side by side, and the batching check.

Not here: how a run goes about it (`crnn.stream`), clocks (`crnn.measure`), the path from encoded bytes
(`crnn.pipeline`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from crnn.buckets import BatchOf, at_most
from crnn.charset import Charset, greedy_decode
from crnn.feeds import TensorWords
from crnn.parity import largest_difference
from crnn.stage import counter
from crnn.stream import Reading, Stream
from crnn.targets import Runtime
from crnn.tensors import TensorSet

Row = tuple[int, str, float]
SCHEMA = {"index": pl.Int64, "text": pl.String, "confidence": pl.Float64}
PACKED = SCHEMA | {"index": pl.UInt32}
ROWS = 4096  # rows that are kept as Python objects, which take ten times the room


class Readings:
    """What was read so far, compactly: a million words take some tens of megabytes."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._frames: list[pl.DataFrame] = []

    def add(self, rows: Iterable[Row]) -> None:
        self._rows.extend(rows)
        if len(self._rows) >= ROWS:
            self._pack()

    def _pack(self) -> None:
        self._frames.append(pl.DataFrame(self._rows, schema=PACKED, orient="row"))
        self._rows = []

    def frame(self) -> pl.DataFrame:
        """index, text, confidence; in the order of the index."""
        self._pack()
        frames, self._frames = self._frames, []
        # By NumPy and a column at a time: sorting whole rows holds them twice, the most memory that a long run takes.
        order = np.argsort(np.concatenate([frame["index"].to_numpy() for frame in frames]))
        ordered = []
        for name in SCHEMA:
            ordered.append(pl.concat([frame[name] for frame in frames]).gather(order))
            frames = [frame.drop(name) for frame in frames]
        self._frames = [pl.DataFrame(ordered)]
        return self._frames[0].with_columns(pl.col("index").cast(pl.Int64))


def rows_of(reading: Reading) -> Iterable[Row]:
    return zip(reading.indices, reading.texts, reading.confidences, strict=True)


def _whole(tensors: TensorSet, readings: Readings, limit: int | None = None) -> pl.DataFrame:
    """One row per LMDB record; text and confidence are null where nothing was read."""
    every = tensors.samples[:limit].select("index")
    return every.join(readings.frame(), on="index", how="left").sort("index")


def predict(
    tensors: TensorSet,
    runtime: Runtime,
    charset: Charset,
    batch_of: BatchOf,
    workers: int = 1,
    limit: int | None = None,
) -> pl.DataFrame:
    """Read every word (or the first `limit`), at most batch_of(width) in a call.

    Returns index, text and confidence, one row per LMDB record in order; text is null where there is no tensor.
    """
    readings = Readings()
    with counter(tensors.samples[:limit].height, "predict") as bar:

        def deliver(reading: Reading) -> None:
            readings.add(rows_of(reading))
            bar.update(len(reading.indices))

        Stream(TensorWords(tensors, batch_of, limit), runtime, charset, workers).run(deliver)
    return _whole(tensors, readings, limit)


def predict_side_by_side(
    tensors: TensorSet, first: Runtime, second: Runtime, charset: Charset, batch: int
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Read every word with two models; return both predictions and the largest difference of their outputs."""
    found = (Readings(), Readings())
    worst = 0.0
    with counter(tensors.samples.height, "prove") as bar:
        for indices, images in tensors.batches(batch):
            outputs = (first.infer(images), second.infer(images))
            worst = max(worst, largest_difference(*outputs))
            for readings, output in zip(found, outputs, strict=True):
                readings.add(zip(indices, *greedy_decode(output, charset), strict=True))
            bar.update(len(indices))
    return _whole(tensors, found[0]), _whole(tensors, found[1]), worst


def changed_by_batching(
    tensors: TensorSet,
    runtime: Runtime,
    charset: Charset,
    predictions: pl.DataFrame,
    sizes: Sequence[int],
    words: int,
    workers: int = 1,
) -> list[dict[str, Any]]:
    """Read the first `words` words again at each batch size; list the words that read otherwise than predicted."""
    expected = predictions.select("index", expected="text")
    changed: list[dict[str, Any]] = []
    for size in sizes:
        again = predict(tensors, runtime, charset, at_most(size), workers, limit=words).join(expected, on="index")
        different = again.filter(pl.col("text").ne_missing(pl.col("expected")))
        changed += [
            {"batch": size, **row} for row in different.select("index", "text", "expected").iter_rows(named=True)
        ]
    return changed
