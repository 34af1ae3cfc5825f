"""How a word lies in its picture: the margins of the crop, rotation, slant and perspective.

Not here: gray levels.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from crnn.render.chance import happens
from crnn.render.glyphs import Mask

Corners = npt.NDArray[np.float64]


def frame(mask: Mask, rng: np.random.Generator) -> Mask:
    """Pad a mask as a tight or a loose crop would; margins are shares of the height of the ink."""
    most = 0.12 if happens(rng, 0.6) else 0.35
    top, bottom, left, right = (math.ceil(margin * mask.shape[0]) for margin in rng.uniform(0.03, most, 4))
    return np.pad(mask, ((top, bottom), (left, right)))


def view(mask: Mask, rng: np.random.Generator) -> Mask:
    """Rotate, slant and tilt a mask slightly; the canvas grows so that nothing of it is cut off."""
    height, width = mask.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    moved = _rotated(corners, math.radians(rng.normal(0, 2.5)))
    moved[:, 0] -= rng.normal(0, 0.10) * moved[:, 1]
    moved += rng.normal(0, 0.04 * height, moved.shape)
    moved -= moved.min(axis=0)
    columns, rows = np.ceil(moved.max(axis=0)).astype(int).tolist()
    homography = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    return np.asarray(cv2.warpPerspective(mask, homography, (columns, rows), flags=cv2.INTER_LINEAR), np.float32)


def _rotated(points: Corners, angle: float) -> Corners:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.asarray(points @ np.array([[cosine, sine], [-sine, cosine]]), np.float64)
