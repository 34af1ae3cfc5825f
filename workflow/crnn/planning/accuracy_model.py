"""How likely a word is to be read right, by its width and the width of its tensor: a curve through tuning words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MIDDLE, STRETCHES = 100.0, 8.0  # columns; per unit of the logarithm: both bring the terms to a size of about 1
RIDGE = 0.01  # a weight has a standard deviation of 10 before any word was seen: words all read right stay finite
ROUNDS = 50


@dataclass(frozen=True)
class AccuracyModel:
    """A logistic regression on the logarithms of the word's width and of what its tensor is stretched by (`_terms`).

    Their product is among the terms: a narrow word may gain from a stretch that a wide one does not need.
    """

    weights: Floats

    @classmethod
    def fitted(cls, widths: Floats, tensors: Floats, right: npt.NDArray[np.bool_]) -> "AccuracyModel":
        """Fit to readings: the width that a word should have, that of its tensor, and whether it was read right.

        By Newton's method, whose objective has one maximum; steps are halved until they lead upwards.
        """
        terms = _terms(widths, tensors)
        weights, ridge = np.zeros(terms.shape[1]), RIDGE * np.eye(terms.shape[1])
        for _ in range(ROUNDS):
            chance = _logistic(terms @ weights)
            slope = terms.T @ (right - chance) - RIDGE * weights
            curvature = (terms * (chance * (1 - chance))[:, None]).T @ terms + ridge
            step, reached = np.linalg.solve(curvature, slope), _objective(terms, right, weights)
            while _objective(terms, right, weights + step) < reached and np.any(step):
                step = step / 2
            weights = weights + step
            if np.abs(step).max() < 1e-8:
                break
        return cls(weights)

    def __call__(self, widths: npt.ArrayLike, tensors: npt.ArrayLike) -> Floats:
        """The chance of each word; shapes are broadcast."""
        width, tensor = np.broadcast_arrays(np.asarray(widths, np.float64), np.asarray(tensors, np.float64))
        return _logistic(_terms(width.ravel(), tensor.ravel()) @ self.weights).reshape(width.shape)

    def lost(self, lattice: Sequence[int]) -> Floats:
        """Share of the words of width lattice[i] that are lost in tensors of lattice[j], [i, j]; negative: are won."""
        own = np.asarray(lattice, np.float64)
        return self(own, own)[:, None] - self(own[:, None], own[None])


def _terms(widths: Floats, tensors: Floats) -> Floats:
    width, stretch = np.log(widths / MIDDLE), STRETCHES * np.log(tensors / widths)
    return np.stack([np.ones_like(width), width, width**2, stretch, stretch**2, width * stretch], axis=1)


def _logistic(values: Floats) -> Floats:
    half: Floats = (np.tanh(values / 2) + 1) / 2  # as 1 / (1 + exp(-values)), which overflows
    return half


def _objective(terms: Floats, right: npt.NDArray[np.bool_], weights: Floats) -> float:
    """The logarithm of the likelihood, less the ridge."""
    values = terms @ weights
    return float(-np.logaddexp(0, np.where(right, -values, values)).sum() - RIDGE / 2 * weights @ weights)
