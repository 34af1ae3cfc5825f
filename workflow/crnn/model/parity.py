"""Do two models compute the same? The largest difference of their outputs over a few shapes.

Used after every step that rewrites a model. An export may keep the batch or the width that it was traced with (1, 100),
take two of the axes N, W and T for one, or round T wrongly. So there are two batch sizes, 1 and an odd one, each at two
widths: the narrowest, a wide one, one that is no multiple of 4. More shapes found nothing more and cost seconds.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.model.contract import Contract

Array = npt.NDArray[np.float32]
Model = Callable[[Array], Array]

SHAPES = ((1, 32), (1, 101), (3, 36), (3, 320))  # batch size, width


def random_images(contract: Contract, seed: int = 0) -> Iterator[Array]:
    """Uniform noise in [-1, 1], float32 [N, channels, height, W], once for each of SHAPES that the model takes."""
    generator = np.random.default_rng(seed)
    taken = dict.fromkeys((contract.most(batch), contract.width or width) for batch, width in SHAPES)
    for batch, width in taken:
        shape = (batch, contract.input.tensor_channels, contract.input.height, width)
        yield generator.uniform(-1, 1, shape).astype(np.float32)


def largest_difference(first: Array, second: Array) -> float:
    """Largest absolute difference of two models' log-probabilities; inf where shapes differ or one is not a number."""
    if first.shape != second.shape:
        return float("inf")
    difference = float(np.abs(first - second).max())
    return difference if np.isfinite(difference) else float("inf")


def prove_equal(first: Model, second: Model, contract: Contract, tolerance: float, what: str) -> float:
    """Compare two models over the shapes of `random_images` and return the largest difference.

    Raises UserError naming the worst shape where one is over `tolerance` times the largest output of the first model:
    float32 computes large numbers less exactly.
    """
    worst, faults = 0.0, {}
    for images in random_images(contract):
        before, after = first(images), second(images)
        difference, size = largest_difference(before, after), float(np.abs(before).max())
        share = difference / size if size else difference
        if not share <= tolerance:  # which no NaN is
            faults[difference] = (
                f"{what}: outputs differ by {difference:.3g} at N={images.shape[0]}, W={images.shape[3]}, which is "
                f"{share:.2g} of the largest; allowed is {tolerance:g} (models.<name>.tolerance). "
                f"{_changed_classes(before, after)}"
            )
        worst = max(worst, difference)
    if faults:
        raise UserError(faults[max(faults)])
    LOG.info("%s differ by at most %.3g", what, worst)
    return worst


def _changed_classes(before: Array, after: Array) -> str:
    if before.shape != after.shape:
        return f"The shapes are {list(before.shape)} and {list(after.shape)}"
    changed = int((before.argmax(axis=2) != after.argmax(axis=2)).sum())
    return f"The most likely class changed in {changed} of {before.shape[0] * before.shape[1]} time steps"
