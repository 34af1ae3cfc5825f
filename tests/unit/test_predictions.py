"""Tensors to texts, and the two checks that a text does not depend on its company or its occasion."""

from pathlib import Path

import polars as pl
import pytest

from crnn.data.buckets import at_most
from crnn.data.tensors import TensorSet, make_tensors
from crnn.inference.predict import changed_by_batching, predict, predict_side_by_side
from crnn.runtimes.runtime import Session
from crnn.score.audit import changed_by_repeating
from examples import (
    ASPECT,
    CHARSET,
    POLICY,
    MoodyReader,
    NeighbourlyReader,
    PixelReader,
    faulty_words,
    healthy_words,
    read_alone,
    reader_of,
)


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> TensorSet:
    directory = tmp_path_factory.mktemp("healthy")
    make_tensors(healthy_words(directory / "words.lmdb"), directory / "tensors", ASPECT, POLICY)
    return TensorSet(directory / "tensors", ASPECT)


@pytest.fixture(scope="module")
def predictions(tensors: TensorSet) -> pl.DataFrame:
    return predict(tensors, reader_of(PixelReader(), 16))


# --- predicting --------------------------------------------------------------------------------------------


def test_every_word_gets_the_text_of_its_own_pixels(predictions: pl.DataFrame) -> None:
    assert predictions.columns == ["index", "text", "confidence"]
    assert predictions["index"].to_list() == list(range(1, 13))
    assert predictions["text"].to_list() == [read_alone(index) for index in range(1, 13)]
    assert predictions["text"].n_unique() == 12  # so that a mix-up could not pass
    assert predictions["confidence"].is_between(0, 1).all()


def test_words_that_cannot_be_read_have_no_text(tmp_path: Path) -> None:
    make_tensors(faulty_words(tmp_path / "words"), tmp_path / "tensors", ASPECT, POLICY)
    predictions = predict(TensorSet(tmp_path / "tensors", ASPECT), reader_of(PixelReader(), 4))
    assert predictions["index"].to_list() == list(range(1, 13))
    assert predictions.filter(pl.col("text").is_not_null())["index"].to_list() == [1, 6, 7, 8, 9]
    assert predictions["text"].is_null().equals(predictions["confidence"].is_null())


def test_no_call_is_larger_than_the_batch(tensors: TensorSet) -> None:
    reader = PixelReader()
    predict(tensors, reader_of(reader, 2))
    assert {shape[0] for shape in reader.shapes} == {1, 2}
    assert sum(shape[0] for shape in reader.shapes) == 12


def test_a_limit_reads_the_first_words(tensors: TensorSet, predictions: pl.DataFrame) -> None:
    assert predict(tensors, reader_of(PixelReader(), 4), limit=5).equals(predictions.head(5))
    assert predict(tensors, reader_of(PixelReader(), 4), limit=99).equals(predictions)
    assert predict(tensors, reader_of(PixelReader(), 4), limit=0).is_empty()


# --- two models side by side -------------------------------------------------------------------------------


def test_side_by_side_equals_predicting_with_each(tensors: TensorSet, predictions: pl.DataFrame) -> None:
    left, right, difference = predict_side_by_side(tensors, PixelReader(), NeighbourlyReader(), CHARSET, at_most(4))
    assert left.equals(predictions)
    assert right.equals(predict(tensors, reader_of(NeighbourlyReader(), 4)))
    assert difference > 1


def test_a_model_does_not_differ_from_itself(tensors: TensorSet) -> None:
    left, right, difference = predict_side_by_side(tensors, PixelReader(), PixelReader(), CHARSET, at_most(4))
    assert left.equals(right)
    assert difference == 0


# --- batching ----------------------------------------------------------------------------------------------


def test_a_runtime_that_looks_at_each_word_alone_passes(tensors: TensorSet, predictions: pl.DataFrame) -> None:
    assert changed_by_batching(tensors, reader_of(PixelReader(), 1), predictions, sizes=(1, 2, 3, 16), words=12) == []


def test_a_runtime_that_looks_at_neighbours_is_caught(tensors: TensorSet) -> None:
    reader = NeighbourlyReader()
    alone = predict(tensors, reader_of(reader, 1))
    changed = changed_by_batching(tensors, reader_of(reader, 1), alone, sizes=(1, 2), words=12)
    assert {entry["batch"] for entry in changed} == {2}
    widths = tensors.samples["tensor_width"].to_list()
    shared = {index for index, width in enumerate(widths, 1) if widths.count(width) > 1}
    # The odd word out of an odd-sized bucket is alone at batch 2 as well.
    assert {entry["index"] for entry in changed} <= shared
    expected = alone.filter(pl.col("index") == changed[0]["index"])["text"].item()
    assert changed[0]["expected"] == expected != changed[0]["text"]


def test_only_the_first_words_are_read_again(tensors: TensorSet, predictions: pl.DataFrame) -> None:
    reader: Session = MoodyReader()
    changed = changed_by_batching(tensors, reader_of(reader, 1), predictions, sizes=(1,), words=3)
    assert {entry["index"] for entry in changed} <= {1, 2, 3}
    assert changed


# --- repeating ---------------------------------------------------------------------------------------------


def timed_texts(*rows: tuple[str, int, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["phase", "pass", "index", "text"], orient="row")


def accuracy_run(*texts: str | None) -> pl.DataFrame:
    return pl.DataFrame({"index": range(1, len(texts) + 1), "text": texts})


def test_timed_runs_that_read_the_same_changed_nothing() -> None:
    same = timed_texts(("e2e", 0, 1, "one"), ("e2e", 1, 2, "two"), ("infer_only", 0, 1, "one"))
    assert changed_by_repeating(accuracy_run("one", "two"), same) == {"e2e_changed": 0, "infer_only_changed": 0}


def test_words_read_otherwise_are_counted_by_clock() -> None:
    texts = timed_texts(("e2e", 0, 1, "onc"), ("e2e", 0, 2, "tvvo"), ("infer_only", 0, 2, "tvvo"))
    assert changed_by_repeating(accuracy_run("one", "two"), texts) == {"e2e_changed": 2, "infer_only_changed": 1}


def test_a_word_that_changes_in_every_pass_is_one_word() -> None:
    texts = timed_texts(*[("e2e", number, 1, f"one{number}") for number in range(3)])
    assert changed_by_repeating(accuracy_run("one"), texts)["e2e_changed"] == 1


def test_a_word_that_only_the_timed_run_could_read_has_changed() -> None:
    texts = timed_texts(("e2e", 0, 1, ""))
    assert changed_by_repeating(accuracy_run(None), texts)["e2e_changed"] == 1
