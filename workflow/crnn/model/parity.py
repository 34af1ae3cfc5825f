"""Do two models compute the same? The largest difference of their outputs over a few shapes.

Used after every step that rewrites a model. An export may keep the batch or the width that it was traced with (1, 100),
take two of the axes N, W and T for one, or round T wrongly. So there are two batch sizes, 1 and an odd one, each at two
widths: the narrowest, a wide one, one that is no multiple of 4. More shapes found nothing more and cost seconds.

Not here: whether words changed (`crnn.score.audit`).
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.data.widths import HEIGHT

Array = npt.NDArray[np.float32]
Model = Callable[[Array], Array]

SHAPES = ((1, 32), (1, 101), (3, 36), (3, 320))  # batch size, width


def random_images(seed: int = 0) -> Iterator[Array]:
    """Uniform noise in [-1, 1], float32 [N, 1, 32, W], once for each of SHAPES."""
    generator = np.random.default_rng(seed)
    for batch, width in SHAPES:
        yield generator.uniform(-1, 1, (batch, 1, HEIGHT, width)).astype(np.float32)


def largest_difference(first: Array, second: Array) -> float:
    """Largest absolute difference of two models' log-probabilities; inf where shapes differ or one is not a number."""
    if first.shape != second.shape:
        return float("inf")
    difference = float(np.abs(first - second).max())
    return difference if np.isfinite(difference) else float("inf")


def prove_equal(first: Model, second: Model, tolerance: float, what: str) -> float:
    """Compare two models over SHAPES and return the largest difference.

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
