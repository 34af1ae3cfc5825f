"""Do two models compute the same? Largest difference of their outputs over many shapes.

Used after every step that rewrites a model. Not here: whether words changed (`crnn.score.audit`).
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.data.widths import HEIGHT

Array = npt.NDArray[np.float32]
Model = Callable[[Array], Array]

BATCH = 16  # words at a time where answers of models are compared and no time is taken
BATCHES = (1, 2, 3, 5, 16)
WIDTHS = (32, 36, 100, 101, 160, 320)


def random_images(seed: int = 0) -> Iterator[Array]:
    """Uniform noise in [-1, 1], float32 [N, 1, 32, W], once for every batch size and width of the grid."""
    generator = np.random.default_rng(seed)
    for batch in BATCHES:
        for width in WIDTHS:
            yield generator.uniform(-1, 1, (batch, 1, HEIGHT, width)).astype(np.float32)


def largest_difference(first: Array, second: Array) -> float:
    """Largest absolute difference of two models' log-probabilities; inf where shapes differ or one is not a number."""
    if first.shape != second.shape:
        return float("inf")
    difference = float(np.abs(first - second).max())
    return difference if np.isfinite(difference) else float("inf")


def prove_equal(first: Model, second: Model, tolerance: float, what: str) -> float:
    """Compare two models over the grid and return the largest difference.

    Raises UserError naming the worst shape where it exceeds `tolerance`.
    """
    worst, shape = 0.0, ""
    for images in random_images():
        difference = largest_difference(first(images), second(images))
        if difference >= worst:
            worst, shape = difference, f"N={images.shape[0]}, W={images.shape[3]}"
    if worst > tolerance:
        raise UserError(f"{what}: outputs differ by {worst:.3g} at {shape}; allowed {tolerance:g}")
    return worst
