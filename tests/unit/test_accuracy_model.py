"""The curve of how likely a word is read right: what it recovers, and what it says where little is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.planning.accuracy_model import AccuracyModel

LATTICE = (40, 80, 160, 320)


def readings(words: int, stretches: tuple[float, ...] = (0.75, 1.0, 1.25)) -> tuple[np.ndarray, np.ndarray]:
    """Widths of words and of their tensors, every word at every stretch."""
    widths = np.tile(np.geomspace(40, 400, words), len(stretches))
    return widths, widths * np.repeat(stretches, words)


def test_chances_that_readings_were_drawn_from_are_found_again() -> None:
    truth = AccuracyModel(np.array([1.5, 0.8, -0.2, 0.25, -0.02, -0.2]))
    widths, tensors = readings(20_000)
    right = np.random.default_rng(0).random(len(widths)) < truth(widths, tensors)
    found = AccuracyModel.fitted(widths, tensors, right)
    assert found(widths, tensors) == pytest.approx(truth(widths, tensors), abs=0.02)


def test_a_stretch_that_narrow_words_need_and_wide_ones_do_not_is_seen() -> None:
    widths, tensors = readings(2_000)
    needed = np.where(widths < 100, tensors > widths * 0.9, True)  # a narrow word in a narrower tensor is misread
    lost = AccuracyModel.fitted(widths, tensors, needed).lost(LATTICE)
    assert lost[1, 0] > 0.5  # of words of 80 columns in 40
    assert abs(lost[3, 2]) < 0.05  # of words of 320 columns in 160


def test_a_word_in_a_tensor_of_its_own_width_is_neither_lost_nor_won() -> None:
    lost = AccuracyModel(np.array([1.0, 0.5, 0.1, 0.3, -0.1, 0.05])).lost(LATTICE)
    assert np.diag(lost) == pytest.approx(np.zeros(4))


@given(st.lists(st.tuples(st.floats(40, 400), st.floats(0.5, 2), st.booleans()), min_size=1, max_size=30))
def test_any_readings_give_chances(read: list[tuple[float, float, bool]]) -> None:
    widths, stretches, right = (np.array(column) for column in zip(*read, strict=True))
    chances = AccuracyModel.fitted(widths, widths * stretches, right)(LATTICE, LATTICE)
    assert np.all((chances >= 0) & (chances <= 1))


@pytest.mark.parametrize("right", [True, False])
def test_words_that_are_all_read_alike_lose_nothing(right: bool) -> None:
    widths, tensors = readings(200)
    lost = AccuracyModel.fitted(widths, tensors, np.full(len(widths), right)).lost(LATTICE)
    assert np.abs(lost).max() < 0.1
