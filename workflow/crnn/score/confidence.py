"""What a confidence is worth: how many words can be kept at an error rate, and whether it is a probability.

Words are kept from the most confident one down, so a threshold decides which. As in every accuracy all records count:
one that was not read is never kept, one without a usable label is wrong where it is kept.

Not here: how a confidence comes about (`crnn.model.charset.greedy_decode`).
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


def confidence(judged: pl.DataFrame) -> dict[str, Any] | None:
    """The `confidence` part of a report row, from what `crnn.score.accuracy.judge` returns; None where none was read.

    coverage_at_error: error rate → the lowest threshold that keeps it, the share of all records kept, and the errors
    among them, with 95 % intervals; None where no threshold keeps it. ece: expected calibration error, the mean
    distance of confidence and accuracy over bins of equal width. curve: [coverage, error rate of the words kept].
    """
    read = judged.filter(pl.col("confidence").is_not_null()).sort("confidence", "index", descending=[True, False])
    if read.is_empty():
        return None
    values, wrong = read["confidence"].to_numpy(), ~read["correct"].to_numpy()
    random = np.random.default_rng(0)
    weights = random.multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES)
    last = np.append(values[1:] != values[:-1], True)  # a threshold keeps words of one confidence together
    return {
        "coverage_at_error": {
            f"{rate:g}": _kept(values, wrong, last, weights, rate, judged.height) for rate in ERROR_RATES
        },
        "ece": calibration_error(values, ~wrong),
        "curve": _curve(wrong, judged.height),
    }


def _kept(
    values: Numbers, wrong: npt.NDArray[np.bool_], last: npt.NDArray[np.bool_], weights: Any, rate: float, records: int
) -> dict[str, Any] | None:
    """Where the most words are kept at an error rate: threshold, coverage, words, errors and their intervals."""
    count = _most(wrong, np.ones(len(values)), last, rate)
    if not count:
        return None
    resampled = [_most(wrong, each, last, rate) for each in weights]
    thresholds = [values[kept - 1] if kept else 1.0 for kept in resampled]
    errors = int(wrong[:count].sum())
    return {
        "threshold": float(values[count - 1]),
        "threshold_ci95": [float(bound) for bound in np.quantile(thresholds, (0.025, 0.975))],
        "coverage": count / records,
        "words": count,
        "errors": errors,
        "error_ci95": wilson_interval(errors, count),
    }


def _most(wrong: npt.NDArray[np.bool_], weights: Any, last: npt.NDArray[np.bool_], rate: float) -> int:
    """How many words, from the most confident one, can be kept with at most this share of them wrong."""
    holds = ((wrong * weights).cumsum() <= rate * weights.cumsum()) & last & (weights.cumsum() > 0)
    return int(np.flatnonzero(holds)[-1]) + 1 if holds.any() else 0


def calibration_error(values: Numbers, right: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error of confidences in [0, 1]: |accuracy − mean confidence| of a bin, by its words."""
    bins = np.minimum((values * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right - values, BINS)
    return float(np.abs(gaps).sum() / len(values))


def _curve(wrong: npt.NDArray[np.bool_], records: int) -> list[list[float]]:
    """About CURVE_POINTS points of risk against coverage."""
    counts = np.unique(np.linspace(1, len(wrong), min(CURVE_POINTS, len(wrong))).astype(int))
    errors = wrong.cumsum()
    return [[count / records, float(errors[count - 1] / count)] for count in counts.tolist()]
