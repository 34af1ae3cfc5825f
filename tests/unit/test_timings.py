"""Clocks and what is made of their readings; the readings are given, so the results can be worked out by hand."""

import time

import polars as pl
import pytest

from crnn.inference.step_timer import STEPS, StepTimer
from crnn.inference.timings import Timings, cold_seconds, latency_percentiles, summarise_e2e, summarise_infer_only

NOTHING = Timings().frame()


def steps_of(**seconds: float) -> dict[str, float]:
    return dict.fromkeys(STEPS, 0.0) | seconds


def infer_only(*passes: list[float]) -> pl.DataFrame:
    timings = Timings()
    for number, calls in enumerate(passes):
        for seconds in calls:
            timings.add("infer_only", number, 1, 96, seconds)
    return timings.frame()


# --- steps -------------------------------------------------------------------------------------------------


def test_a_step_takes_the_time_that_passes_in_it() -> None:
    timer = StepTimer()
    for _ in range(2):
        with timer.step("decode"):
            time.sleep(0.01)
    taken = timer.take()
    assert taken["decode"] >= 0.02
    assert {step for step, seconds in taken.items() if seconds} == {"decode"}


def test_taking_starts_again_from_zero() -> None:
    timer = StepTimer({"read": 3.0})
    assert timer.take() == {"read": 3.0}
    assert timer.take() == steps_of()


def test_seconds_can_be_moved_to_a_step_of_their_own() -> None:
    timer = StepTimer(steps_of(execute=1.0, transfer_in=0.5))
    timer.move("execute", {"transfer_in": 0.25, "transfer_out": 0.125})
    assert timer.take() == steps_of(execute=0.625, transfer_in=0.75, transfer_out=0.125)


def test_a_step_that_raises_is_timed_all_the_same() -> None:
    timer = StepTimer()

    def fail() -> None:
        with timer.step("execute"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert timer.take()["execute"] > 0


# --- rows --------------------------------------------------------------------------------------------------


def test_a_row_per_call_with_its_steps_where_they_were_timed() -> None:
    timings = Timings()
    timings.add("cold", 0, 1, 96, 0.5)
    timings.add("e2e", 2, 16, 104, 0.25, steps_of(execute=0.2))
    first, second = timings.frame().iter_rows(named=True)
    assert first == {
        **{"phase": "cold", "pass": 0, "batch": 1, "width": 96, "seconds": 0.5, "cold": True},
        **dict.fromkeys(["workers", "calls", *STEPS]),
    }
    assert second == {
        **{"phase": "e2e", "pass": 2, "batch": 16, "width": 104, "seconds": 0.25, "cold": False},
        **{"workers": None, "calls": None},
        **steps_of(execute=0.2),
    }


def test_an_empty_table_has_the_same_columns() -> None:
    timings = Timings()
    timings.add("cold", 0, 1, 96, 0.5)
    assert NOTHING.schema == timings.frame().schema


# --- summaries ---------------------------------------------------------------------------------------------


def three_passes() -> pl.DataFrame:
    timings = Timings()
    for number, total in enumerate((2.5, 2.0, 4.0)):
        for share in (0.3, 0.5):
            timings.add("e2e", number, 50, 96, total * share, steps_of(execute=total * share, decode=0.1))
        timings.add_pass(number, 100, total, [steps_of()], calls=1)
    return timings.frame()


def two_workers(calls: int) -> pl.DataFrame:
    timings = Timings()
    timings.add("e2e", 0, 8, 96, 1.0, steps_of(decode=0.5, execute=1.0))
    timings.add("e2e", 0, 8, 96, 1.0, steps_of(decode=0.3, execute=1.0))
    timings.add_pass(0, 16, 1.5, [steps_of(decode=0.2), steps_of()], calls=calls)
    return timings.frame()


def test_e2e_is_the_median_pass_and_its_spread() -> None:
    summary = summarise_e2e(three_passes())
    assert summary is not None
    assert (summary["seconds"], summary["spread"], summary["passes"]) == (2.5, [2.0, 4.0], 3)
    assert (summary["words"], summary["images_per_second"]) == (100, 40)


def test_e2e_breakdown_is_of_the_median_pass_and_adds_up_to_it() -> None:
    summary = summarise_e2e(three_passes())
    assert summary is not None
    assert list(summary["breakdown"]) == [*STEPS, "other"]
    assert summary["breakdown"]["execute"] == pytest.approx(2.5 * 0.8)
    assert summary["breakdown"]["decode"] == pytest.approx(0.2)
    assert sum(summary["breakdown"].values()) == pytest.approx(summary["seconds"])
    assert summary["breakdown"]["other"] == pytest.approx(0.3)


def test_the_work_of_two_workers_is_shared_by_two() -> None:
    summary = summarise_e2e(two_workers(calls=2))
    assert summary is not None
    assert (summary["breakdown"]["decode"], summary["breakdown"]["execute"]) == (0.5, 1.0)
    assert (summary["workers"], summary["calls"], summary["breakdown"]["other"]) == (2, 2, 0.0)


def test_a_device_that_takes_one_call_at_a_time_is_not_shared() -> None:
    summary = summarise_e2e(two_workers(calls=1))
    assert summary is not None
    assert (summary["breakdown"]["decode"], summary["breakdown"]["execute"]) == (0.5, 2.0)
    assert summary["breakdown"]["other"] == 0.0  # both overlap, so the steps are more than the pass


def test_packed_rows_are_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = two_workers(calls=2)
    monkeypatch.setattr("crnn.inference.timings.ROWS", 1)
    assert two_workers(calls=2).equals(whole)


def test_infer_only_sums_the_calls_of_each_pass_and_takes_the_median() -> None:
    summary = summarise_infer_only(infer_only([1.0, 2.0], [4.0, 5.0], [2.0, 2.5]))
    assert summary == {"seconds": 4.5, "batch": 1, "words": 2, "passes": 3, "spread": [3.0, 9.0]}


def test_of_two_passes_the_faster_is_reported() -> None:
    summary = summarise_infer_only(infer_only([5.0], [3.0]))
    assert summary is not None
    assert (summary["seconds"], summary["spread"]) == (3.0, [3.0, 5.0])


def test_percentiles_of_1_to_101_milliseconds() -> None:
    times = [n / 1000 for n in range(1, 102)]
    expected = {"p50": 51, "p90": 91, "p99": 100}
    assert latency_percentiles(infer_only(times[::-1])) == pytest.approx(expected)
    assert latency_percentiles(infer_only(times[:50], times[50:])) == pytest.approx(expected)  # over all passes


def test_percentiles_of_one_call_are_that_call() -> None:
    assert latency_percentiles(infer_only([0.002])) == pytest.approx({"p50": 2, "p90": 2, "p99": 2})


def test_the_cold_call_is_kept_out_of_the_warm_ones() -> None:
    timings = Timings()
    timings.add("cold", 0, 1, 96, 9.0)
    timings.add("infer_only", 0, 1, 96, 0.001)
    assert cold_seconds(timings.frame()) == 9.0
    assert latency_percentiles(timings.frame()) == pytest.approx({"p50": 1, "p90": 1, "p99": 1})


def test_what_was_not_measured_is_none() -> None:
    assert summarise_e2e(NOTHING) is None
    assert summarise_infer_only(NOTHING) is None
    assert latency_percentiles(NOTHING) is None
    assert cold_seconds(NOTHING) is None
