"""What a confidence is worth: how many words can be kept at an error rate, and whether it is a probability.

Words are kept from the most confident one down. As in every accuracy all records count: one that was not read is never
kept, one without a usable label is wrong where it is kept.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from crnn.score.accuracy import wilson_interval

ERROR_RATES = (0.01, 0.02, 0.05)  # of the words kept
BINS = 15  # of the calibration error, as Guo et al. (ICML 2017) count it
RESAMPLES = 200  # of the words, for the interval of a threshold
CURVE_POINTS = 200

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def confidence(judged: pl.DataFrame) -> dict[str, Any] | None:
    """The `confidence` part of a report row, from what `crnn.score.accuracy.judge` returns; None where none was read.

    coverage_at_error: error rate → the lowest threshold that keeps it, the share of all records kept, and the errors
    among them, with 95 % intervals; None where no threshold keeps it. ece: expected calibration error, the mean
    distance of confidence and accuracy over bins of equal width. curve: [coverage, error rate of the words kept].
    """
    read = judged.filter(pl.col("confidence").is_not_null()).sort("confidence", descending=True, maintain_order=True)
    if read.is_empty():
        return None
    values, wrong, records = read["confidence"].to_numpy(), ~read["correct"].to_numpy(), judged.height
    places = np.unique(np.linspace(1, len(values), min(CURVE_POINTS, len(values))).astype(int)).tolist()
    return {
        "coverage_at_error": {f"{rate:g}": _kept(values, wrong, rate, records) for rate in ERROR_RATES},
        "ece": calibration_error(values, ~wrong),
        "curve": [[place / records, float(wrong[:place].mean())] for place in places],
    }


def _kept(values: Numbers, wrong: Flags, rate: float, records: int) -> dict[str, Any] | None:
    """Where the most words are kept at an error rate: threshold, coverage, words, errors and their intervals."""
    count = _most(values, wrong, np.ones(len(values)), rate)
    if not count:
        return None
    drawn = np.random.default_rng(0).multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES)
    resampled = [_most(values, wrong, times, rate) for times in drawn]
    errors = int(wrong[:count].sum())
    return {
        "threshold": float(values[count - 1]),
        "threshold_ci95": np.quantile([values[kept - 1] if kept else 1 for kept in resampled], (0.025, 0.975)).tolist(),
        "coverage": count / records,
        "words": count,
        "errors": errors,
        "error_ci95": wilson_interval(errors, count),
    }


def _most(values: Numbers, wrong: Flags, times: npt.NDArray[Any], rate: float) -> int:
    """How many words, each counted so many `times`, can be kept with at most this share of them wrong."""
    last = np.append(values[1:] != values[:-1], True)  # words of one confidence are kept together
    holds = np.flatnonzero(((wrong * times).cumsum() <= rate * times.cumsum()) & last & (times.cumsum() > 0))
    return int(holds[-1]) + 1 if len(holds) else 0


def calibration_error(values: Numbers, right: Flags) -> float:
    """Expected calibration error of confidences in [0, 1]: |accuracy − mean confidence| of a bin, by its words."""
    bins = np.minimum((values * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, right - values, BINS)).sum() / len(values))
