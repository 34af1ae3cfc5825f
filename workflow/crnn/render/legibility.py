"""Whether the letters of a word stand out from the same scene without the word, all along it.

Not here: whether a recogniser reads it.
"""

import cv2
import numpy as np
import numpy.typing as npt

from crnn.render.glyphs import Mask
from crnn.render.scene import Scene

Measures = npt.NDArray[np.float64]

LEAST_DETAIL = 13.0  # gray levels, RMS over the strip
LEAST_RATIO = 1.4  # that over the detail of the ground and the noise
STRIP = 0.6  # width of a strip, of the text's height: about a letter
COARSE = 0.5  # of the text's height: what is as smooth as this is no letter
LEAST_INK = 0.03  # share of a strip below which it is a gap between letters
TINY = 1e-6  # keeps a ratio from dividing by zero


def detail(image: Mask, height: float, starts: npt.NDArray[np.intp]) -> Measures:
    """Return the RMS of what is finer than COARSE text heights, per strip of columns, [S].

    image: [H, W]; height: of the text in px; starts: the first column of each of S strips.
    """
    reach = 2 * max(1, round(COARSE * height / 2)) + 1
    fine = image - cv2.blur(image, (reach, reach), borderType=cv2.BORDER_REPLICATE)
    sizes = np.diff(starts, append=image.shape[1]) * image.shape[0]
    return np.asarray(
        np.sqrt(np.add.reduceat(np.square(fine, dtype=np.float64).sum(axis=0), starts) / sizes), np.float64
    )


def is_legible(scene: Scene, ink: Mask, height: float, noise: float) -> bool:
    """Return whether the word stands out in every strip that has ink.

    scene: as the camera sees it, but for the noise, of a deviation of `noise` gray levels; ink: [H, W], the word's
    coverage in it; height: of the text, in px.
    """
    rows, columns = ink.shape
    starts = np.linspace(0, columns, max(1, round(columns / (STRIP * height))), endpoint=False).astype(np.intp)
    sizes = np.diff(starts, append=columns) * rows
    inked = np.add.reduceat(ink.sum(axis=0), starts) >= LEAST_INK * sizes
    if not inked.any():
        return False
    letters = detail(scene.word - scene.bare, height, starts)[inked]
    ground = np.hypot(detail(scene.bare, height, starts)[inked], noise)
    return bool((letters >= LEAST_DETAIL).all() and (letters / (ground + TINY) >= LEAST_RATIO).all())
