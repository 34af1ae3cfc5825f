"""Whether the ink of a word stands out from what surrounds it, all along the word.

Not here: whether a recogniser reads it.
"""

import cv2
import numpy as np
import numpy.typing as npt

from crnn.render.glyphs import Mask
from crnn.render.scene import Image

Measures = npt.NDArray[np.float64]

LEAST_DIFFERENCE = 30.0  # gray levels between ink and surroundings
LEAST_RATIO = 1.5  # that difference over the noise
RING = 0.08  # width of the surroundings, of the image's height
STRIP = 0.5  # width of a strip, of the image's height: about a letter
LEAST_INK = 0.02  # share of a strip below which it is a gap between letters
TINY = 1e-6  # keeps a weight or a deviation of exactly zero from dividing


def contrast_to_noise(image: Image, ink: Mask, around: Mask, starts: npt.NDArray[np.intp]) -> tuple[Measures, Measures]:
    """Return, per strip of columns, the difference of the mean levels of two regions and its ratio to the noise.

    image: [H, W] gray levels; ink, around: [H, W] weights in 0 … 1; starts: the first column of each of S strips.
    Returns two [S]: |m₁ - m₂|, and the contrast-to-noise ratio |m₁ - m₂| / sqrt((s₁² + s₂²) / 2), with m and s the
    weighted mean and standard deviation of a region. Both are meaningless for a strip without either region.
    """
    ink_mean, ink_variance = _moments(image, ink, starts)
    around_mean, around_variance = _moments(image, around, starts)
    difference = np.abs(ink_mean - around_mean)
    return difference, difference / np.sqrt(np.maximum((ink_variance + around_variance) / 2, TINY))


def is_legible(image: Image, mask: Mask) -> bool:
    """Return whether the ink stands out in every strip of the word that has any.

    image: [H, W] gray levels; mask: [H, W], the word's coverage in the same picture.
    """
    height, width = image.shape
    reach = 2 * max(1, round(RING * height)) + 1
    around = np.asarray(cv2.dilate(mask, np.ones((reach, reach), np.uint8)), np.float32) - mask
    starts = np.linspace(0, width, max(1, round(width / (STRIP * height))), endpoint=False).astype(np.intp)
    sizes = np.diff(starts, append=width) * height
    inked = np.add.reduceat(mask.sum(axis=0), starts) >= LEAST_INK * sizes
    difference, ratio = contrast_to_noise(image, mask, around, starts)
    stands_out = (difference >= LEAST_DIFFERENCE) & (ratio >= LEAST_RATIO)
    return bool(inked.any() and stands_out[inked].all())


def _moments(image: Image, weights: Mask, starts: npt.NDArray[np.intp]) -> tuple[Measures, Measures]:
    """Weighted mean and variance per strip, each [S]."""
    total, first, second = (
        np.add.reduceat((weights * image.astype(np.float64) ** power).sum(axis=0), starts) for power in (0, 1, 2)
    )
    total = np.maximum(total, TINY)
    return first / total, second / total - (first / total) ** 2
