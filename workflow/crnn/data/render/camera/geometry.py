"""How a word lies in its picture: rotation, slant, perspective, and what the crop shows around it."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from crnn.data.render.chance import happens, one_of
from crnn.data.render.text.glyphs import Lettering, Mask

Corners = npt.NDArray[np.float64]

# Half of all crops are of screens and of signs seen from straight ahead.
VIEWS = {"straight": 0.38, "slight": 0.37, "turned": 0.10, "slanted": 0.06, "tapered": 0.09}
MOST_TURN = math.radians(20)
MOST_RISE = 1.2  # heights that the ends of a turned word lie apart; a steeper one would be tiny in its crop
# What annotators draw: boxes on the ink, boxes with some ground, and a few that cut into letters.
CROPS = {"tight": 0.45, "usual": 0.37, "loose": 0.13, "cut": 0.05}
MARGINS = {"tight": (0.0, 0.10), "usual": (0.04, 0.22), "loose": (0.1, 0.45), "cut": (0.0, 0.15)}
MOST_CUT = 0.06  # of the height


@dataclass(frozen=True)
class Margins:
    """What a crop shows around its word, in heights of its text; negative where it cuts into the ink."""

    left: float
    right: float
    above: float
    below: float


def choose_margins(rng: np.random.Generator) -> Margins:
    """Return the margins of a crop at random."""
    crop = one_of(rng, CROPS)
    margins = rng.uniform(*MARGINS[crop], 4)
    if crop == "cut":
        margins[rng.integers(4)] = -rng.uniform(0.02, MOST_CUT)
    return Margins(*margins.tolist())


def view(lettering: Lettering, margins: Margins, rng: np.random.Generator) -> Lettering:
    """Return the crop of a word: rotated, slanted and tilted, with `margins` around what its box becomes.

    Up to rounding, nothing of the box is cut off that a negative margin does not cut.
    """
    kind = one_of(rng, VIEWS)
    if kind == "straight":
        return straight(lettering, margins)
    left, top, right, bottom = lettering.box
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    moved = _moved(kind, corners - corners[0], lettering.height, rng)
    crop = np.array([margins.left, margins.above, margins.right, margins.below]) * lettering.height
    moved += crop[:2] - moved.min(axis=0)
    columns, rows = np.maximum(2, np.ceil(moved.max(axis=0) + crop[2:])).astype(int).tolist()
    homography = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    # The faces of `moved` are as high as before up to a few percent, so the height of the text stays.
    box = (*moved.min(axis=0).tolist(), *moved.max(axis=0).tolist())
    size = columns, rows
    seen = lettering.mapped(lambda plane: np.asarray(cv2.warpPerspective(plane, homography, size), np.float32))
    return replace(seen, box=box)


def padded(plane: Mask, room: int) -> Mask:
    """Return a plane with `room` empty px on every side."""
    return np.asarray(cv2.copyMakeBorder(plane, room, room, room, room, cv2.BORDER_CONSTANT, value=0), np.float32)


def straight(lettering: Lettering, margins: Margins) -> Lettering:
    """Return the crop of a word seen from straight ahead, to whole pixels."""
    left, top, right, bottom = lettering.box
    around = np.array([margins.left, margins.above, margins.right, margins.below]) * lettering.height
    # Ground is rounded away from the word and a cut towards it, so that no margin of 0 or more touches the ink.
    over, above, beyond, below = np.ceil(around).astype(int).tolist()
    rows = slice(int(top) - above, int(bottom) + below)
    columns = slice(int(left) - over, int(right) + beyond)
    height, width = lettering.ink.shape
    room = max(0, -rows.start, -columns.start, rows.stop - height, columns.stop - width)
    window = np.s_[rows.start + room : rows.stop + room, columns.start + room : columns.stop + room]
    seen = lettering.mapped(lambda plane: padded(plane, room)[window])
    return replace(seen, box=(over, above, over + right - left, above + bottom - top))


def _moved(kind: str, corners: Corners, height: float, rng: np.random.Generator) -> Corners:
    """The corners of a box as seen: clockwise from the upper left one at the origin, [4, 2] in px."""
    moved = _turned(corners, _angle(kind, corners[2], height, rng))
    slant = rng.uniform(0.15, 0.5) * (1 if happens(rng, 0.5) else -1) if kind == "slanted" else rng.normal(0, 0.08)
    moved[:, 0] -= slant * moved[:, 1]
    if kind == "tapered":
        return _tapered(moved, rng)
    return moved + rng.normal(0, 0.04 * height, moved.shape)


def _angle(kind: str, size: npt.NDArray[np.float64], height: float, rng: np.random.Generator) -> float:
    """A tilt in radians, less for a long word."""
    angle = rng.uniform(-1, 1) * MOST_TURN if kind == "turned" else math.radians(rng.normal(0, 2.5))
    steepest = math.asin(min(1.0, MOST_RISE * height / max(1.0, float(size[0]))))
    return float(np.clip(angle, -steepest, steepest))


def _turned(points: Corners, angle: float) -> Corners:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.asarray(points @ np.array([[cosine, sine], [-sine, cosine]]), np.float64)


def _tapered(corners: Corners, rng: np.random.Generator) -> Corners:
    """One end lower than the other and the whole foreshortened, as a sign seen from the side or from below."""
    tapered = corners.copy()
    ends = (0, 3) if happens(rng, 0.5) else (1, 2)
    middle = corners[list(ends)].mean(axis=0)
    tapered[list(ends)] = middle + rng.uniform(0.55, 0.9) * (corners[list(ends)] - middle)
    tapered[:, 0] *= rng.uniform(0.7, 1.0)
    return tapered
