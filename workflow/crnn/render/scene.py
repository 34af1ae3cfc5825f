"""Mask → gray scene: a ground, the word on it in either polarity, a shadow, an outline or a border.

Not here: what the camera does to the scene (`crnn.render.camera`).
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from crnn.render.chance import happens, one_of
from crnn.render.glyphs import Mask

Image = npt.NDArray[np.float32]

GROUNDS = {"flat": 0.40, "gradient": 0.30, "texture": 0.30}
LEAST_GAP = 50.0  # gray levels
EFFECTS = {"none": 0.66, "shadow": 0.15, "outline": 0.12, "border": 0.07}


def paint(mask: Mask, rng: np.random.Generator) -> Image:
    """Return the scene (float32 [H, W] in 0 … 255) of a word whose ink covers `mask`."""
    ink, ground = _levels(rng)
    scene = _ground(mask.shape, ground, rng)
    effect = one_of(rng, EFFECTS)
    if effect == "shadow":
        scene = _blend(scene, _shadow(mask, rng), _apart_from(ink, rng))
    elif effect == "outline":
        scene = _blend(scene, _outline(mask, rng), _apart_from(ink, rng))
    elif effect == "border":
        scene = _blend(scene, _border(mask.shape, rng), ink)
    painted = _gradient(mask.shape, ink, rng, most=25) if happens(rng, 0.2) else ink
    return np.clip(_blend(scene, mask, painted), 0, 255)


def _levels(rng: np.random.Generator) -> tuple[float, float]:
    """Gray levels of ink and ground, at least LEAST_GAP apart; either may be the darker one."""
    gap = rng.uniform(LEAST_GAP, 230)
    dark = rng.uniform(0, 255 - gap)
    return (dark, dark + gap) if happens(rng, 0.5) else (dark + gap, dark)


def _apart_from(ink: float, rng: np.random.Generator) -> float:
    """A gray level at least LEAST_GAP away from the ink: what touches a letter must not thicken it."""
    darker, lighter = max(0.0, ink - LEAST_GAP), max(0.0, 255 - LEAST_GAP - ink)
    level = rng.uniform(0, darker + lighter)
    return level if level < darker else level - darker + ink + LEAST_GAP


def _blend(scene: Image, coverage: Mask, level: float | Image) -> Image:
    return np.asarray(scene + coverage * (level - scene), np.float32)


def _ground(shape: tuple[int, int], level: float, rng: np.random.Generator) -> Image:
    kind = one_of(rng, GROUNDS)
    if kind == "gradient":
        return _gradient(shape, level, rng, most=60)
    return _texture(shape, level, rng) if kind == "texture" else np.full(shape, level, np.float32)


def _gradient(shape: tuple[int, int], level: float, rng: np.random.Generator, most: float) -> Image:
    """A plane of gray: `level` in the middle, up to `most` away from it at the edges, along each axis."""
    down, across = rng.uniform(-most, most, 2)
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in shape)
    return np.asarray(level + down * y[:, None] + across * x[None, :], np.float32)


def _texture(shape: tuple[int, int], level: float, rng: np.random.Generator) -> Image:
    """Smooth random blotches about `level`, from grain to nearly the height of the word."""
    height, width = shape
    blotch = height * rng.uniform(0.1, 0.8)
    cells = (math.ceil(height / blotch) + 1, math.ceil(width / blotch) + 1)
    coarse = rng.normal(level, rng.uniform(5, 30), cells).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _shadow(mask: Mask, rng: np.random.Generator) -> Mask:
    """The mask fallen aside by up to a tenth of its height, softened; what falls off the edge is lost."""
    height, width = mask.shape
    across, down = rng.uniform(-0.1, 0.1, 2) * height
    shift = np.array([[1, 0, across], [0, 1, down]], np.float32)
    fallen = cv2.warpAffine(mask, shift, (width, height))
    return np.asarray(0.8 * cv2.GaussianBlur(fallen, (0, 0), rng.uniform(0.005, 0.05) * height), np.float32)


def _outline(mask: Mask, rng: np.random.Generator) -> Mask:
    """The mask grown on every side by 3 … 8 % of its height."""
    reach = max(1, round(rng.uniform(0.03, 0.08) * mask.shape[0]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask, disc), np.float32)


def _border(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Rules above and below, as along the edges of a sign. Upright ones would be read as letters."""
    height = shape[0]
    width = max(1, round(rng.uniform(0.02, 0.06) * height))
    rules = np.zeros(shape, np.float32)
    rules[:width] = rules[height - width :] = 1
    return rules
