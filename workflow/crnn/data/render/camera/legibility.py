"""Whether the letters of a word stand out from the same scene without the word, all along it."""

import cv2
import numpy as np
import numpy.typing as npt

from crnn.data.render.scene.painting import Scene
from crnn.data.render.text.glyphs import Mask

Measures = npt.NDArray[np.float64]

LEAST_DETAIL = 13.0  # gray levels
LEAST_RATIO = 1.4  # of the letters' detail to the ground's and the noise
STRIP = 0.7  # width of a strip, of the text's height: about a letter
COARSE = 0.5  # of the text's height: what is as smooth as this is no letter
AROUND = 0.25  # of the text's height: how far from the ink the ground matters
LEAST_INK = 0.06  # ink of a strip over its area, below which it is a gap between letters


def is_legible(scene: Scene, ink: Mask, height: float, noise: float) -> bool:
    """Return whether the word stands out in every strip that has ink.

    scene: as the camera sees it, but for the noise, of a deviation of `noise` gray levels; ink: [H, W], the word's
    coverage in it; height: of the text, in px.
    """
    near = nearness(ink, height)
    strip = max(1, round(STRIP * height))
    starts = np.arange(0, max(1, ink.shape[1] - strip // 2), strip)
    inked = np.add.reduceat(_column_sums(ink), starts) >= LEAST_INK * strip * height
    if not inked.any():
        return False
    letters = detail(scene.word - scene.bare, near, height, starts)[inked]
    if (letters < LEAST_DETAIL).any():
        return False
    ground = np.hypot(detail(scene.bare, near, height, starts)[inked], noise)
    return bool((letters >= LEAST_RATIO * ground).all())


def nearness(ink: Mask, height: float) -> Mask:
    """Return how much ink is within AROUND text heights of each pixel, [H, W] in 0 … 1."""
    blurred = cv2.blur(ink, (_odd(AROUND * height),) * 2)
    # OpenCV's running sums leave traces below zero where the ink ends.
    return np.asarray(np.clip(blurred, 0, 1), np.float32)


def detail(image: Mask, near: Mask, height: float, starts: npt.NDArray[np.intp]) -> Measures:
    """Return, per strip of columns, the weighted RMS of what is finer than COARSE text heights, [S].

    image: [H, W] gray levels; near: [H, W] weights, 0 or more; height: of the text in px; starts: the first column of
    each of S strips. 0 for a strip without weight.
    """
    fine = image - cv2.blur(image, (_odd(COARSE * height),) * 2, borderType=cv2.BORDER_REPLICATE)
    energy = np.add.reduceat(_column_sums(near * fine * fine), starts)
    weight = np.add.reduceat(_column_sums(near), starts)
    return np.asarray(np.sqrt(energy / np.maximum(weight, np.finfo(float).tiny)), np.float64)


def _column_sums(image: Mask) -> Measures:
    return np.asarray(cv2.reduce(image, 0, cv2.REDUCE_SUM, dtype=cv2.CV_64F)[0], np.float64)


def _odd(length: float) -> int:
    return 2 * max(1, round(length / 2)) + 1
