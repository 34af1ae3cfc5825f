"""What stands between the camera and a word: wires, poles, twigs, leaves, scratches and stains.

It hides a word in part and never all of a letter; `crnn.data.render.camera.legibility` rejects what it hides too well.

Not here: what stands around a word (`crnn.data.render.scene.surroundings`).
"""

from collections.abc import Callable

import cv2
import numpy as np

from crnn.data.render.chance import one_of
from crnn.data.render.scene.effects import Layer
from crnn.data.render.scene.grounds import Shape

KINDS = {"none": 0.92, "wire": 0.04, "leaves": 0.02, "stain": 0.02}

# Coordinates that OpenCV draws between whole pixels, in bits of fraction.
FRACTION = 4


def choose_obstacle(shape: Shape, height: float, rng: np.random.Generator) -> Layer | None:
    """Return something before a scene of `shape`, or nothing; `height` of the text in px."""
    kind = one_of(rng, KINDS)
    return None if kind == "none" else _OBSTACLES[kind](shape, height, rng)


def _wire(shape: Shape, height: float, rng: np.random.Generator) -> Layer:
    """A thin line across, sagging: cables, twigs, cracks. More level than upright, which would be read as a letter."""
    rows, columns = shape
    ends = rng.uniform(-0.2, 1.2, 2) * rows
    along = np.linspace(0, 1, 9)
    down = ends[0] + (ends[1] - ends[0]) * along + rng.normal(0, 0.2) * height * 4 * along * (1 - along)
    points = np.stack([along * columns, down], axis=1) * (1 << FRACTION)
    hidden = np.zeros(shape, np.float32)
    thick = max(1, round(rng.uniform(0.02, 0.06) * height))
    cv2.polylines(hidden, [points.astype(np.int32)], False, 1.0, thick, cv2.LINE_AA, FRACTION)
    return Layer(hidden, float(rng.uniform(0, 255)))


def _leaves(shape: Shape, height: float, rng: np.random.Generator) -> Layer:
    """A few small things of one gray, each smaller than half a letter."""
    rows, columns = shape
    hidden = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 5)):
        centre = int(rng.integers(columns)), int(rng.integers(rows))
        axes = tuple(max(1, round(side * height)) for side in rng.uniform(0.03, 0.16, 2))
        cv2.ellipse(hidden, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    return Layer(hidden, float(rng.uniform(0, 255)))


def _stain(shape: Shape, height: float, rng: np.random.Generator) -> Layer:
    """Dirt, a sticker's remains, a dull patch: soft, and the word shows through."""
    rows, columns = shape
    hidden = np.zeros(shape, np.float32)
    centre = int(rng.integers(columns)), int(rng.integers(rows))
    axes = tuple(max(1, round(side * height)) for side in rng.uniform(0.15, 0.7, 2))
    cv2.ellipse(hidden, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.2, 0.6)), -1)
    soft = cv2.GaussianBlur(hidden, (0, 0), rng.uniform(0.02, 0.15) * height)
    return Layer(np.asarray(soft, np.float32), float(rng.uniform(0, 255)))


_OBSTACLES: dict[str, Callable[[Shape, float, np.random.Generator], Layer]] = {
    "wire": _wire,
    "leaves": _leaves,
    "stain": _stain,
}
