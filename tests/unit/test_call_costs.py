"""Costs of calls: measured on a grid, made to rise, and read between its points."""

import time
from threading import Barrier

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.data.preprocess import Tensor
from crnn.inference.call_costs import Costs, rising, time_calls
from examples import CONTRACT, PixelReader

tables = st.lists(st.lists(st.floats(0, 100), min_size=4, max_size=4), min_size=2, max_size=5).map(np.array)


def table(points: dict[tuple[int, int], float]) -> pl.DataFrame:
    return pl.DataFrame([{"width": w, "batch": n, "seconds": seconds} for (w, n), seconds in points.items()])


def test_every_point_is_timed_as_often_as_asked_after_one_call_that_does_not_count() -> None:
    runtime = PixelReader()
    found = time_calls(runtime, CONTRACT, [40, 64], [1, 3], repeats=2)
    assert found.select("width", "batch").rows() == [(40, 1), (40, 3), (64, 1), (64, 3)]
    assert runtime.shapes == 3 * [(1, 1, 32, 40), (3, 1, 32, 40), (1, 1, 32, 64), (3, 1, 32, 64)]
    assert (found["fastest"] > 0).all()
    assert (found["fastest"] <= found["seconds"]).all()
    assert (found["seconds"] <= found["slowest"]).all()


class Meeting(PixelReader):
    """A runtime whose calls wait for each other: it ends only if `calls` of them are under way at a time."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.barrier = Barrier(calls, timeout=10)

    def infer(self, images: Tensor) -> Tensor:
        self.barrier.wait()
        time.sleep(0.2)
        return super().infer(images)


def test_as_many_calls_are_under_way_as_in_a_run_and_share_their_time() -> None:
    runtime = Meeting(calls=3)
    (row,) = time_calls(runtime, CONTRACT, [40], [2], repeats=1).iter_rows(named=True)
    assert len(runtime.shapes) == 2 * 3
    assert row["seconds"] < 0.2


def test_a_call_that_fails_is_told() -> None:
    class Broken(PixelReader):
        def infer(self, images: Tensor) -> Tensor:
            raise UserError("the card is gone")

    with pytest.raises(UserError, match="the card is gone"):
        time_calls(Broken(), CONTRACT, [40], [1], repeats=1)


def test_costs_lie_on_a_line_between_the_measured_widths() -> None:
    costs = Costs.from_table(table({(32, 1): 1.0, (32, 4): 2.0, (64, 1): 3.0, (64, 4): 10.0}))
    assert costs.at([32, 40, 64]).tolist() == [[1.0, 2.0], [1.5, 4.0], [3.0, 10.0]]


def test_batches_beyond_the_largest_are_left_out() -> None:
    points = {(32, 1): 1.0, (32, 4): 2.0, (32, 8): 3.0}
    assert Costs.from_table(table(points), largest=4).batches == (1, 4)


@given(tables)
def test_costs_rise_along_an_axis_and_stay_within_what_was_measured(measured: np.ndarray) -> None:
    risen = rising(rising(measured, 0), 1)
    assert (np.diff(risen, axis=0) >= 0).all()
    assert (np.diff(risen, axis=1) >= 0).all()
    assert measured.min() <= risen.min()
    assert risen.max() <= measured.max()


@given(tables)
def test_costs_that_rise_already_are_left_as_they_are(measured: np.ndarray) -> None:
    once = rising(measured, 0)
    np.testing.assert_array_equal(rising(once, 0), once)


def test_a_width_beyond_the_grid_is_refused() -> None:
    costs = Costs.from_table(table({(32, 1): 1.0, (64, 1): 3.0}))
    with pytest.raises(UserError, match=r"widths 32 to 64, but the plan may use 72; add it to planning\.widths"):
        costs.at([64, 72])


@pytest.mark.parametrize(
    "points", [{(32, 2): 1.0}, {(32, 1): 1.0, (64, 1): 2.0, (64, 2): 3.0}], ids=["no batch 1", "a point missing"]
)
def test_a_table_with_gaps_is_refused(points: dict[tuple[int, int], float]) -> None:
    with pytest.raises(UserError, match="lacks batch 1 or a point of its grid; measure the costs again"):
        Costs.from_table(table(points))
