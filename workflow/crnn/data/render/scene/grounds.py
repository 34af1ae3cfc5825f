"""What words stand on: flat, graded, clouded, grained, striped, boarded, bricked, and torn scraps of a scene.

Grounds are cut from a few large fields of noise that are made once: noise by the pixel would cost more than all else.
"""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from crnn.data.render.chance import happens, log_uniform, one_of

Image = npt.NDArray[np.float32]
Shape = tuple[int, int]

FIELD = (512, 2048)  # px; rows by columns
# Power over spatial frequency of the fields, as f to the minus twice this: natural images are near 1 (Field 1987,
# Relations between the statistics of natural images), 0 is white, 1.5 is soft clouds.
SLOPES = {"white": 0.0, "rough": 0.6, "natural": 1.0, "soft": 1.5}


@cache
def field(kind: str) -> Image:
    """A periodic random field of a kind of SLOPES, float32 FIELD, mean 0, deviation 1; always the same."""
    rng = np.random.default_rng(sorted(SLOPES).index(kind))
    rows, columns = FIELD
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal(FIELD)) * frequency ** -SLOPES[kind]
    spectrum[0, 0] = 0
    values = np.fft.irfft2(spectrum, FIELD)
    return np.asarray(values / values.std(), np.float32)


def noise(shape: Shape, kind: str, zoom: float, rng: np.random.Generator) -> Image:
    """Return [H, W] of random values out of a field, about mean 0 and deviation 1, its grain `zoom` px."""
    rows, columns = (min(most, max(2, round(side / zoom))) for side, most in zip(shape, FIELD, strict=True))
    top, left = (int(rng.integers(most - side + 1)) for side, most in zip((rows, columns), FIELD, strict=True))
    patch = field(kind)[top : top + rows, left : left + columns]
    if patch.shape == shape:
        return patch
    return np.asarray(cv2.resize(patch, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def blurred(image: Image, deviation: float) -> Image:
    """Return an image blurred by a Gaussian of a standard deviation in px."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.float32)


def fill_ellipse(image: Image, least: float, most: float, rng: np.random.Generator) -> None:
    """Set an ellipse somewhere in the image to 1, its half axes `least` to `most` px."""
    rows, columns = image.shape
    centre = int(rng.integers(columns)), int(rng.integers(rows))
    axes = tuple(max(1, round(side)) for side in rng.uniform(least, most, 2))
    cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)


def plane(shape: Shape, most: float, rng: np.random.Generator) -> Image:
    """Return [H, W] that slopes through 0 in the middle, up to `most` at the edges, along each axis."""
    down, across = rng.uniform(-most, most, 2)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    return np.asarray(np.float32(down) * y[:, None] + np.float32(across) * x[None, :], np.float32)


def lay(shape: Shape, level: float, height: float, rng: np.random.Generator) -> Image:
    """Return a ground, float32 [H, W], about `level`; its details go by the height of the text, in px."""
    return np.asarray(np.float32(level) + one_of(rng, KINDS)(shape, height, rng), np.float32)


def _flat(shape: Shape, _height: float, _rng: np.random.Generator) -> Image:
    return np.zeros(shape, np.float32)


def _gradient(shape: Shape, _height: float, rng: np.random.Generator) -> Image:
    return plane(shape, 50, rng)


def _cloud(shape: Shape, _height: float, rng: np.random.Generator) -> Image:
    kind = "natural" if happens(rng, 0.5) else "soft"
    clouds = noise(shape, kind, log_uniform(rng, 0.4, 2.5), rng)
    return np.asarray((clouds - clouds.mean()) * np.float32(rng.uniform(5, 28)), np.float32)


def _grain(shape: Shape, _height: float, rng: np.random.Generator) -> Image:
    """Concrete, plaster, cloth: fine and of no direction."""
    return noise(shape, "rough", log_uniform(rng, 1, 3), rng) * np.float32(rng.uniform(4, 18))


def _stripes(shape: Shape, height: float, rng: np.random.Generator) -> Image:
    """Slats, corrugated iron, blinds: at any angle but upright, which would be read as letters."""
    angle, period = rng.uniform(-0.9, 0.9), rng.uniform(0.12, 1.2) * height
    y, x = (np.arange(side, dtype=np.float32) for side in shape)
    along = y[:, None] * np.float32(np.cos(angle)) + x[None, :] * np.float32(np.sin(angle))
    waves = np.sin(along * np.float32(2 * np.pi / period) + np.float32(rng.uniform(0, 2 * np.pi)))
    sharp = rng.uniform(1, 6)
    return np.asarray(np.clip(waves * np.float32(sharp), -1, 1) * np.float32(rng.uniform(4, 20)), np.float32)


def _boards(shape: Shape, height: float, rng: np.random.Generator) -> Image:
    """Wood: fibres along the boards, a dark joint between two."""
    rows, columns = shape
    fibres = noise((rows, max(2, round(columns / rng.uniform(8, 20)))), "rough", 1.0, rng)
    wood = np.asarray(cv2.resize(fibres, (columns, rows)), np.float32) * np.float32(rng.uniform(5, 20))
    step = max(4, round(rng.uniform(0.6, 2.5) * height))
    wood[int(rng.integers(step)) :: step] -= np.float32(rng.uniform(5, 50))
    return wood


def _bricks(shape: Shape, height: float, rng: np.random.Generator) -> Image:
    """Courses of bricks or tiles, each of a level of its own, with joints between them."""
    course = max(5, round(rng.uniform(0.4, 1.4) * height))
    length = round(course * rng.uniform(1, 3))
    joint = max(1, round(rng.uniform(0.04, 0.1) * course))
    rows, columns = shape
    levels = rng.normal(0, rng.uniform(2, 14), (rows // course + 2, columns // length + 3)).astype(np.float32)
    y, x = np.arange(rows) + rng.integers(course), np.arange(columns) + rng.integers(length)
    row = y // course
    shifted = x[None, :] + (row[:, None] % 2) * (length // 2)
    wall = levels[row[:, None], shifted // length]
    mortar = (y[:, None] % course < joint) | (shifted % length < joint)
    wall = np.where(mortar, np.float32(rng.uniform(-30, 30)), wall)
    return np.asarray(wall + 4 * noise(shape, "rough", 1.5, rng), np.float32)


def _scrap(shape: Shape, height: float, rng: np.random.Generator) -> Image:
    """What a crop of a street shows: clouds of light and a few things with edges, out of focus or not."""
    rows, columns = shape
    scrap = noise(shape, "natural", log_uniform(rng, 0.5, 2), rng) * np.float32(rng.uniform(5, 22))
    for _ in range(rng.integers(1, 4, endpoint=True)):
        centre = rng.uniform((0, 0), (columns, rows))
        reach = rng.uniform(0.3, 3) * height
        thing = (centre + rng.normal(0, reach, (int(rng.integers(3, 6)), 2))).astype(np.int32)
        shade = np.zeros(shape, np.float32)
        cv2.fillPoly(shade, [cv2.convexHull(thing)], 1.0, cv2.LINE_AA)
        scrap = scrap + shade * np.float32(rng.normal(0, 22))
    return blurred(scrap, rng.uniform(0.5, 3)) if happens(rng, 0.6) else scrap


# Half of all words stand on a plain ground.
KINDS = {
    _flat: 0.39,
    _gradient: 0.17,
    _cloud: 0.16,
    _grain: 0.07,
    _stripes: 0.05,
    _boards: 0.05,
    _bricks: 0.03,
    _scrap: 0.08,
}
