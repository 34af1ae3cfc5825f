"""The few random choices that NumPy spells awkwardly. Every function draws from the generator it is given."""

import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


def happens(rng: np.random.Generator, probability: float) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < probability)


def one_of(rng: np.random.Generator, weights: Mapping[Choice, float]) -> Choice:
    """Return a key of `weights`, each as often as its share of their sum."""
    left = rng.random() * sum(weights.values())
    for option, weight in weights.items():
        left -= weight
        if left < 0:
            return option
    return option  # rounding alone leads here


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number in low … high whose logarithm is uniform: every octave is equally likely."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
