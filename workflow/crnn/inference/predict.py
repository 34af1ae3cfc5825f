"""Tensors to texts on any runtime: the accuracy run, two models side by side, and the batching check."""

from array import array
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from crnn.core.command import counter
from crnn.data.buckets import BatchOf, at_most
from crnn.data.tensors import TensorSet
from crnn.inference.scheduler import Reader, Reading, Row, Scheduler
from crnn.inference.sources import TensorWords
from crnn.model.charset import Charset
from crnn.model.decoding import greedy_decode
from crnn.model.parity import largest_difference
from crnn.runtimes.runtime import Session

SCHEMA = {"index": pl.Int64, "text": pl.String, "confidence": pl.Float64}
SLICE = 4096  # rows that are ordered at a time


class Readings:
    """What was read so far, as arrays: a million words take some 25 MB, which as rows of Python take ten times that."""

    def __init__(self) -> None:
        self._indices, self._confidences = array("I"), array("d")
        self._letters, self._ends = bytearray(), array("I", [0])

    def add(self, rows: Iterable[Row]) -> None:
        for index, text, confidence in rows:
            self._indices.append(index)
            self._confidences.append(confidence)
            self._letters += text.encode()
            self._ends.append(len(self._letters))

    def frame(self) -> pl.DataFrame:
        """index, text, confidence; in the order of the index."""
        order = np.argsort(self._indices).astype(np.uint32)  # half of the room, while the frame is made
        # A slice at a time: sorting a whole frame holds its texts twice, the most memory that a long run would take.
        slices = [self._rows(order[start : start + SLICE].tolist()) for start in range(0, len(order), SLICE)]
        return pl.concat([pl.DataFrame(schema=SCHEMA), *slices])

    def _rows(self, places: list[int]) -> pl.DataFrame:
        columns = {
            "index": [self._indices[place] for place in places],
            "text": [self._letters[self._ends[place] : self._ends[place + 1]].decode() for place in places],
            "confidence": [self._confidences[place] for place in places],
        }
        return pl.DataFrame(columns, schema=SCHEMA)


def _whole(tensors: TensorSet, readings: Readings, limit: int | None = None) -> pl.DataFrame:
    """One row per LMDB record; text and confidence are null where nothing was read."""
    every = tensors.samples[:limit].select("index")
    return every.join(readings.frame(), on="index", how="left").sort("index")


def predict(tensors: TensorSet, reader: Reader, workers: int = 1, limit: int | None = None) -> pl.DataFrame:
    """Read every word (or the first `limit`), in calls as large as the reader says.

    Returns index, text and confidence, one row per LMDB record in order; text is null where there is no tensor.
    """
    readings = Readings()
    with counter(tensors.samples[:limit].height, "predict") as bar:

        def deliver(reading: Reading) -> None:
            readings.add(reading.rows)
            bar.update(len(reading.rows))

        source = TensorWords(tensors, reader.batch_of, limit)
        Scheduler(source, reader.session, reader.charset, workers).run(deliver)
    return _whole(tensors, readings, limit)


def predict_side_by_side(
    tensors: TensorSet, first: Session, second: Session, charset: Charset, batch_of: BatchOf
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Read every word with two models, both at a time: their predictions, and the largest difference of their outputs.

    On a core each they take half the processor time that they take one after the other on two, whose threads wait.
    """
    found = (Readings(), Readings())
    worst = 0.0
    with counter(tensors.samples.height, "predict") as bar, ThreadPoolExecutor(1) as pool:
        for batch in tensors.unread(batch_of):
            indices, images = batch.indices, batch.load()
            beside = pool.submit(second.infer, images)
            outputs = (first.infer(images), beside.result())
            worst = max(worst, largest_difference(*outputs))
            for readings, output in zip(found, outputs, strict=True):
                readings.add(zip(indices, *greedy_decode(output, charset), strict=True))
            bar.update(len(indices))
    return _whole(tensors, found[0]), _whole(tensors, found[1]), worst


def changed_by_batching(
    tensors: TensorSet, reader: Reader, predictions: pl.DataFrame, sizes: Sequence[int], words: int, workers: int = 1
) -> list[dict[str, Any]]:
    """Read the first `words` words again at each batch size; list the words that read differently."""
    expected = predictions.select("index", expected="text")
    changed: list[dict[str, Any]] = []
    for size in sizes:
        again = predict(tensors, replace(reader, batch_of=at_most(size)), workers, words)
        different = again.join(expected, on="index").filter(pl.col("text").ne_missing(pl.col("expected")))
        changed += [
            {"batch": size, **row} for row in different.select("index", "text", "expected").iter_rows(named=True)
        ]
    return changed
