"""Confidence: how many words are kept at an error rate, from which threshold, and how far it is from a probability."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.score.confidence import confidence


def judged(words: list[tuple[float | None, bool]]) -> pl.DataFrame:
    """Words of these confidences, right or wrong, as `judge` returns them."""
    schema = {"index": pl.Int64, "confidence": pl.Float64, "correct": pl.Boolean}
    rows = [(index, *word) for index, word in enumerate(words, 1)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_the_threshold_keeps_as_many_words_as_the_error_rate_allows() -> None:
    words = [(0.9, True)] * 60 + [(0.5, True)] * 38 + [(0.4, False)] * 2 + [(0.3, False)] * 50
    found = confidence(judged(words))
    assert found is not None
    kept = found["coverage_at_error"]["0.02"]
    assert (kept["threshold"], kept["words"], kept["errors"]) == (0.4, 100, 2)
    assert kept["coverage"] == pytest.approx(100 / 150)
    low, high = kept["error_ci95"]
    assert low < 0.02 < high
    assert found["coverage_at_error"]["0.01"]["threshold"] == 0.5


def test_words_of_one_confidence_are_kept_together_or_not_at_all() -> None:
    """A threshold cannot keep the right ones of them alone, whatever their order."""
    found = confidence(judged([(0.8, True)] * 50 + [(0.8, False)] * 50))
    assert found is not None
    assert found["coverage_at_error"]["0.05"] is None


def test_unreadable_words_are_never_kept_and_count_as_records() -> None:
    found = confidence(judged([(0.9, True)] * 3 + [(None, False)]))
    assert found is not None
    assert found["coverage_at_error"]["0.01"]["coverage"] == 0.75
    assert found["curve"][-1] == [0.75, 0.0]


def test_nothing_read_has_no_confidence() -> None:
    assert confidence(judged([(None, False)])) is None


def test_the_calibration_error_is_the_distance_from_a_probability() -> None:
    honest = confidence(judged([(0.75, True)] * 3 + [(0.75, False)]))
    boastful = confidence(judged([(1.0, True)] + [(1.0, False)] * 3))
    assert honest is not None
    assert boastful is not None
    assert (honest["ece"], boastful["ece"]) == (pytest.approx(0), pytest.approx(0.75))


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=80))
def test_no_lower_threshold_keeps_the_error_rate(words: list[tuple[float, bool]]) -> None:
    found = confidence(judged(list(words)))
    assert found is not None
    for rate, kept in found["coverage_at_error"].items():
        allowed = {
            threshold
            for threshold in {value for value, _ in words}
            if sum(not right for value, right in words if value >= threshold)
            <= float(rate) * sum(value >= threshold for value, _ in words)
        }
        assert (kept and kept["threshold"]) == (min(allowed) if allowed else None)
