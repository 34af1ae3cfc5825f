"""What a call of a runtime costs by width and batch size: measured on a grid, and read between its points."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from crnn.core.command import progress
from crnn.core.errors import UserError
from crnn.model.contract import Contract
from crnn.runtimes.runtime import Session

Seconds = npt.NDArray[np.float64]


def time_calls(
    session: Session, contract: Contract, widths: Sequence[int], batches: Sequence[int], repeats: int
) -> pl.DataFrame:
    """Time infer() at every width and batch size: width, batch, seconds (the median), fastest, slowest.

    As many calls are under way at a time as the session takes, as in a run, and share their wall time. The whole grid
    is timed once before any point is timed again: a slow spell of the machine falls on all points alike. The first pass
    is not counted. Images are noise, as zeros can be faster than words. Raises UserError where the model takes one
    width or batch size alone.
    """
    if contract.width is not None or contract.batch is not None:
        raise UserError("the model takes one width or batch size alone, so there is nothing to plan; use a fixed width")
    calls, shape = session.calls, (max(batches), contract.input.tensor_channels, contract.input.height, max(widths))
    grid = [(width, batch) for width in widths for batch in batches]
    noise = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    measured: dict[tuple[int, int], list[float]] = {point: [] for point in grid}
    rounds = [(counted, point) for counted in [False, *[True] * repeats] for point in grid]
    with ThreadPoolExecutor(calls) as pool:
        side_by_side = pool.map if calls > 1 else map  # a device may want its calls from the thread that opened it
        for counted, (width, batch) in progress(rounds, total=len(rounds), what="costs", unit="calls"):
            images = [np.ascontiguousarray(noise[:batch, :, :, :width])] * calls
            started = time.perf_counter()
            list(side_by_side(session.infer, images))  # raises what a call raises
            seconds = (time.perf_counter() - started) / calls
            if counted:
                measured[width, batch].append(seconds)
    rows = [(*point, float(np.median(seconds)), min(seconds), max(seconds)) for point, seconds in measured.items()]
    return pl.DataFrame(rows, schema=["width", "batch", "seconds", "fastest", "slowest"], orient="row")


@dataclass(frozen=True)
class Costs:
    """Seconds of a call, [widths, batches], never less for a wider or a larger one."""

    widths: tuple[int, ...]
    batches: tuple[int, ...]
    seconds: Seconds

    @classmethod
    def from_table(cls, table: pl.DataFrame, largest: int | None = None) -> "Costs":
        """The costs that `time_calls` measured, of batches up to `largest`.

        Noise is taken out as far as it contradicts that more work takes longer. Raises UserError where a point of the
        grid or batch 1 is missing.
        """
        kept = table if largest is None else table.filter(pl.col("batch") <= largest)
        grid = kept.pivot(on="batch", index="width", values="seconds").sort("width")
        batches = sorted(int(name) for name in grid.columns if name != "width")
        if not batches or batches[0] != 1 or sum(grid.null_count().row(0)):
            raise UserError("the table of costs lacks batch 1 or a point of its grid; measure the costs again")
        seconds = grid.select(map(str, batches)).to_numpy().astype(np.float64)
        return cls(tuple(grid["width"].to_list()), tuple(batches), rising(rising(seconds, axis=0), axis=1))

    def at(self, widths: Sequence[int]) -> Seconds:
        """Seconds of a call at any widths within the measured ones, [widths, batches], in a straight line between them.

        Raises UserError where a width is beyond the grid.
        """
        low, high = self.widths[0], self.widths[-1]
        beyond = [width for width in widths if not low <= width <= high]
        if beyond:
            raise UserError(
                f"costs were measured at widths {low} to {high}, but the plan may use {beyond[0]}; "
                f"add it to planning.widths"
            )
        columns = [np.interp(widths, self.widths, column) for column in self.seconds.T]
        return np.stack(columns, axis=1)


def rising(values: Seconds, axis: int) -> Seconds:
    """Values that never fall along an axis: midway between the running maximum and, from the end, the minimum."""
    above = np.maximum.accumulate(values, axis)
    below = np.flip(np.minimum.accumulate(np.flip(values, axis), axis), axis)
    middle: Seconds = (above + below) / 2
    return middle
