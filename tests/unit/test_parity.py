"""Parity: a difference at one shape alone is found and its shape is named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crnn.core.errors import UserError
from crnn.model.parity import SHAPES, Array, Model, largest_difference, prove_equal, random_images
from examples import CONTRACT
from networks import images


def summed(batch: Array) -> Array:
    """Stands for a network: [T, N, 1] that depends on every pixel."""
    return batch.sum(axis=(1, 2))[:, ::4].T[..., None]


def wrong_at(batch_size: int, width: int, wrong: float) -> Model:
    """`summed` with one number off by `wrong`, at one shape alone."""

    def model(batch: Array) -> Array:
        output = summed(batch).copy()
        if batch.shape[0] == batch_size and batch.shape[3] == width:
            output[-1, -1, -1] += wrong
        return output

    return model


def test_equal_models_differ_by_nothing() -> None:
    assert prove_equal(summed, summed, CONTRACT, 0, "one and the same") == 0


def test_the_difference_is_returned_where_it_is_tolerated() -> None:
    assert prove_equal(summed, lambda batch: summed(batch) + np.float32(0.5), CONTRACT, 1, "a and b") == pytest.approx(
        0.5
    )


@pytest.mark.parametrize(("batch_size", "width"), SHAPES)
@pytest.mark.parametrize("wrong", [1.0, -1.0, float("nan"), float("inf"), float("-inf")])
def test_a_model_that_is_wrong_at_one_shape_is_caught(batch_size: int, width: int, wrong: float) -> None:
    with pytest.raises(
        UserError, match=f"raw and fixed: outputs differ by .* at N={batch_size}, W={width}, .*; allowed is 0.01"
    ):
        prove_equal(summed, wrong_at(batch_size, width, wrong), CONTRACT, 0.01, "raw and fixed")


def test_the_worst_shape_is_the_one_named() -> None:
    def model(batch: Array) -> Array:
        return wrong_at(1, 101, 5.0)(batch) + wrong_at(3, 36, 7.0)(batch) - summed(batch)

    with pytest.raises(UserError, match="differ by 7 at N=3, W=36"):
        prove_equal(summed, model, CONTRACT, 0.01, "a and b")


def test_large_numbers_may_differ_by_more_than_small_ones() -> None:
    def larger(batch: Array) -> Array:
        return summed(batch) * 1000

    def rounded(batch: Array) -> Array:
        return np.round(larger(batch))

    assert prove_equal(larger, rounded, CONTRACT, 1e-3, "a and b") == pytest.approx(0.5, abs=0.1)


def test_a_fault_says_in_how_many_time_steps_another_class_wins() -> None:
    def two_classes(batch: Array) -> Array:
        return np.concatenate([summed(batch) * 0 + 1, summed(batch) * 0], axis=2)

    def swapped(batch: Array) -> Array:
        output = two_classes(batch)
        output[:5, 0] = output[:5, 0, ::-1]
        return output

    with pytest.raises(UserError, match=r"The most likely class changed in 5 of \d+ time steps"):
        prove_equal(two_classes, swapped, CONTRACT, 0.5, "a and b")


@pytest.mark.parametrize("second", [summed, wrong_at(3, 36, float("nan"))], ids=["the first", "both"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_first_model_without_numbers_is_caught(wrong: float, second: Model) -> None:
    with pytest.raises(UserError, match="outputs differ by inf"):
        prove_equal(wrong_at(3, 36, wrong), second, CONTRACT, 0.01, "a and b")


@pytest.mark.parametrize("cut", [np.s_[:-1], np.s_[:, :1], np.s_[..., 0]], ids=["a step", "words", "an axis"])
def test_outputs_of_other_shapes_are_not_equal(cut: Any) -> None:
    output = summed(images(2, 64))
    assert largest_difference(output, output[cut]) == float("inf")


def test_models_that_are_nan_together_are_not_equal() -> None:
    output = wrong_at(1, 32, float("nan"))(images(1, 32))
    assert largest_difference(output, output) == float("inf")


FAULTS: dict[str, Callable[[int, int], bool]] = {
    "a batch of 1": lambda batch, width: batch == 1,
    "a larger batch": lambda batch, width: batch > 1,
    "an odd batch": lambda batch, width: batch % 2 == 1 and batch > 1,
    "the narrowest": lambda batch, width: width == 32,
    "no multiple of 4": lambda batch, width: width % 4 > 0,
    "wider than traced": lambda batch, width: width > 100,
    "narrower than traced": lambda batch, width: width < 100,
    "a wide batch": lambda batch, width: batch > 1 and width >= 320,
}


@pytest.mark.parametrize("wrong", FAULTS.values(), ids=FAULTS)
def test_a_model_that_is_wrong_at_a_kind_of_shape_is_caught(wrong: Callable[[int, int], bool]) -> None:
    def model(images: Array) -> Array:
        return summed(images) + np.float32(wrong(images.shape[0], images.shape[3]))

    with pytest.raises(UserError, match="raw and fixed: outputs differ by 1"):
        prove_equal(summed, model, CONTRACT, 0.01, "raw and fixed")


def test_no_two_axes_of_a_shape_are_of_one_size() -> None:
    """So a graph that takes one for another is found out."""
    assert all(len({batch, width, CONTRACT.steps(width)}) == 3 for batch, width in SHAPES)
    assert all(images.dtype == np.float32 and np.abs(images).max() <= 1 for images in random_images(CONTRACT))
    assert all(images.std() > 0.5 for images in random_images(CONTRACT))


def test_the_grid_is_the_same_each_time() -> None:
    for first, second in zip(random_images(CONTRACT), random_images(CONTRACT), strict=True):
        np.testing.assert_array_equal(first, second)
