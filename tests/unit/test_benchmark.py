"""The end-to-end path: it reads what the accuracy run reads, and its clocks account for every word."""

import time
from pathlib import Path

import polars as pl
import pytest

from crnn.data.preprocess import Preprocess, Tensor
from crnn.data.tensors import TensorSet, make_tensors
from crnn.inference.benchmark import EndToEnd, Repeats, time_infer_only, timed_texts
from crnn.inference.cascade import Cascade
from crnn.inference.predict import predict
from crnn.inference.step_timer import STEPS
from crnn.inference.timings import Timings, cold_seconds, latency_percentiles, summarise_e2e, summarise_infer_only
from crnn.runtimes.runtime import Session
from crnn.score.audit import changed_by_repeating
from examples import (
    ASPECT,
    POLICY,
    RECIPE,
    MoodyReader,
    PixelReader,
    png,
    put_words,
    reader_of,
    scribble,
)

READABLE = {1, 6, 7, 8, 9}  # of `faulty_words`


def tensors_of(words: Path, directory: Path, preprocess: Preprocess = ASPECT) -> TensorSet:
    make_tensors(words, directory, preprocess, POLICY)
    return TensorSet(directory, preprocess)


def end_to_end(
    words: Path, runtime: Session, preprocess: Preprocess = ASPECT, batch: int = 3, workers: int = 1
) -> EndToEnd:
    return EndToEnd(words, Cascade([reader_of(runtime, batch, preprocess)]), workers)


def time_words(path: EndToEnd, tensors: TensorSet, repeats: Repeats) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both clocks on one runtime, as the stage of this name runs them on two: timings and texts."""
    timings, (member,) = Timings(), path.cascade.members
    alone = time_infer_only(member, tensors, timings, repeats)
    e2e = path.time(timings, repeats)
    return timings.frame(), timed_texts(alone, e2e)


def texts_of(predictions: pl.DataFrame) -> dict[int, str]:
    return dict(predictions.select("index", "text").drop_nulls().iter_rows())


# --- one pass ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preprocess", [ASPECT, RECIPE], ids=["aspect", "recipe"])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_bytes_to_text_equals_the_accuracy_run(
    healthy: Path, tmp_path: Path, preprocess: Preprocess, batch: int
) -> None:
    predicted = predict(tensors_of(healthy, tmp_path / "t", preprocess), reader_of(PixelReader(), 16))
    read = end_to_end(healthy, PixelReader(), preprocess, batch).run(Timings(), 0)
    assert texts_of(read) == texts_of(predicted)


def test_every_readable_word_is_read_once(faulty: Path) -> None:
    reader = PixelReader()
    texts = end_to_end(faulty, reader, batch=2).run(Timings(), 0)
    assert set(texts["index"]) == READABLE
    assert sum(shape[0] for shape in reader.shapes) == len(READABLE)
    assert max(shape[0] for shape in reader.shapes) == 2


def test_a_limit_counts_records_and_not_readable_words(faulty: Path) -> None:
    runs = {limit: end_to_end(faulty, PixelReader()).run(Timings(), 0, limit) for limit in (0, 6, 7, 99)}
    limits = {limit: set(found["index"]) for limit, found in runs.items()}
    assert limits == {0: set(), 6: {1, 6}, 7: {1, 6, 7}, 99: READABLE}


def test_a_pass_leaves_a_row_per_call_and_one_for_the_whole(healthy: Path) -> None:
    timings, reader = Timings(), PixelReader()
    end_to_end(healthy, reader).run(timings, number=7)
    frame = timings.frame()
    calls, total = frame.filter(phase="e2e"), frame.filter(phase="e2e_total")
    assert calls.select("batch", "width").rows() == [(shape[0], shape[3]) for shape in reader.shapes]
    assert total.select("batch", "width").rows() == [(12, None)]
    assert set(frame["pass"]) == {7}
    assert not frame["cold"].any()


def test_the_steps_of_a_pass_do_not_exceed_it(healthy: Path) -> None:
    timings = Timings()
    end_to_end(healthy, PixelReader()).run(timings, 0)
    calls, total = timings.frame().filter(phase="e2e"), timings.frame().filter(phase="e2e_total")["seconds"].item()
    steps = {step: calls[step].sum() for step in STEPS}
    assert 0 < sum(steps.values()) <= total
    used = {"read", "decode", "resize", "collate", "execute", "ctc"}
    assert {step for step, seconds in steps.items() if seconds} == used


class CopyingReader(PixelReader):
    """Says of each call that copying took a millisecond in and half of one out, as long as the call at least took."""

    def __init__(self) -> None:
        super().__init__()
        self.unasked = 1000  # calls of before

    def infer(self, images: Tensor) -> Tensor:
        time.sleep(0.002)
        self.unasked += 1
        return super().infer(images)

    def transfer_seconds(self) -> tuple[float, float]:
        calls, self.unasked = self.unasked, 0
        return 0.001 * calls, 0.0005 * calls


def test_copies_to_a_device_are_steps_of_their_own(healthy: Path) -> None:
    timings = Timings()
    end_to_end(healthy, CopyingReader()).run(timings, 0)
    calls = timings.frame().filter(phase="e2e")
    assert calls["transfer_in"].to_list() == [0.001] * calls.height
    assert calls["transfer_out"].to_list() == [0.0005] * calls.height
    assert calls["execute"].min() > 0


# --- both clocks -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timed(healthy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame, PixelReader]:
    """Timings and texts of two passes over the first ten words, after four of warm-up; and the runtime."""
    reader, tensors = PixelReader(), tensors_of(healthy, tmp_path_factory.mktemp("timed"))
    timings, texts = time_words(end_to_end(healthy, reader), tensors, Repeats(passes=2, warmup=4, limit=10))
    return timings, texts, reader


Timed = tuple[pl.DataFrame, pl.DataFrame, PixelReader]


def test_infer_only_is_a_row_per_word_and_pass_at_batch_1(timed: Timed) -> None:
    timings, _, _ = timed
    calls = timings.filter(phase="infer_only")
    assert calls.height == 2 * 10
    assert set(calls["batch"]) == {1}
    assert calls.group_by("pass").len().sort("pass").rows() == [(0, 10), (1, 10)]


def test_infer_only_goes_in_lmdb_order(timed: Timed, healthy: Path, tmp_path: Path) -> None:
    timings, _, _ = timed
    widths = tensors_of(healthy, tmp_path / "t").samples["tensor_width"].to_list()
    assert timings.filter(phase="infer_only", **{"pass": 0})["width"].to_list() == widths[:10]


def test_the_first_call_of_all_is_the_cold_one(timed: Timed) -> None:
    timings, _, reader = timed
    assert timings["cold"].to_list() == [True] + [False] * (timings.height - 1)
    assert timings["width"][0] == reader.shapes[0][3]
    assert cold_seconds(timings) == timings["seconds"][0]


def test_warm_up_is_run_and_not_recorded(timed: Timed) -> None:
    timings, _, reader = timed
    recorded = timings.filter(pl.col("phase") != "e2e_total")["batch"].sum()
    warmup_of_both_clocks = 4 + 4
    assert sum(shape[0] for shape in reader.shapes) == recorded + warmup_of_both_clocks


def test_no_warm_up_is_no_warm_up(healthy: Path, tmp_path: Path) -> None:
    reader = PixelReader()
    time_words(end_to_end(healthy, reader), tensors_of(healthy, tmp_path / "t"), Repeats(1, warmup=0, limit=12))
    assert sum(shape[0] for shape in reader.shapes) == 1 + 12 + 12  # cold, infer_only, e2e


def test_each_clock_reads_every_word_once_a_pass(timed: Timed) -> None:
    _, texts, _ = timed
    assert texts.group_by("phase", "pass", "index").len()["len"].to_list() == [1] * (2 * 2 * 10)


def test_timings_summarise(timed: Timed) -> None:
    timings, _, _ = timed
    e2e, alone = summarise_e2e(timings), summarise_infer_only(timings)
    assert e2e is not None
    assert alone is not None
    assert (e2e["words"], e2e["passes"], alone["words"], alone["passes"]) == (10, 2, 10, 2)
    assert list(e2e["breakdown"]) == [*STEPS, "other"]
    assert sum(e2e["breakdown"].values()) == pytest.approx(e2e["seconds"])
    latency = latency_percentiles(timings)
    assert latency is not None
    assert latency["p50"] <= latency["p90"] <= latency["p99"]


def test_words_that_cannot_be_read_are_timed_but_have_no_text(faulty: Path, tmp_path: Path) -> None:
    runtime = PixelReader()
    timings, texts = time_words(end_to_end(faulty, runtime), tensors_of(faulty, tmp_path / "t"), Repeats(1, 2, 99))
    assert set(texts["index"]) == READABLE
    assert timings.filter(phase="e2e_total")["batch"].item() == 12
    assert timings.filter(phase="infer_only").height == len(READABLE)


def test_not_one_readable_word_is_measured_as_such(tmp_path: Path) -> None:
    words = put_words(tmp_path / "words", 2, {}, {1: b"one", 2: b"two"})
    timings, texts = time_words(end_to_end(words, PixelReader()), tensors_of(words, tmp_path / "t"), Repeats(1, 1, 9))
    assert texts.is_empty()
    assert (cold_seconds(timings), summarise_infer_only(timings)) == (None, None)
    assert timings["phase"].to_list() == ["e2e_total"]


# --- the timed runs read what the accuracy run read ----------------------------------------------------------


def test_a_steady_runtime_reads_the_same_when_timed(timed: Timed, healthy: Path, tmp_path: Path) -> None:
    _, texts, _ = timed
    predictions = predict(tensors_of(healthy, tmp_path / "t"), reader_of(PixelReader(), 16))
    assert changed_by_repeating(predictions, texts) == {"e2e_changed": 0, "infer_only_changed": 0}


def test_a_runtime_that_reads_differently_each_time_is_caught(tmp_path: Path) -> None:
    images = {i: png(scribble(60, 20, seed=i)) for i in range(1, 5)}
    words = put_words(tmp_path / "words", 4, images, {})
    reader, tensors = MoodyReader(), tensors_of(words, tmp_path / "t")
    predictions = predict(tensors, reader_of(reader, 4))
    _, texts = time_words(end_to_end(words, reader, batch=4), tensors, Repeats(passes=2, warmup=1, limit=4))
    assert changed_by_repeating(predictions, texts) == {"e2e_changed": 4, "infer_only_changed": 4}
