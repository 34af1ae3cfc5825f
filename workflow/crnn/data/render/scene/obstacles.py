"""What stands between the camera and a word: wires, poles, twigs, leaves, scratches and stains.

It hides a word in part and never all of a letter; `crnn.data.render.camera.legibility` rejects what it hides too well.
"""

import cv2
import numpy as np

from crnn.data.render.chance import one_of
from crnn.data.render.scene.effects import Layer
from crnn.data.render.scene.grounds import Image, Shape, blurred, fill_ellipse

# Coordinates that OpenCV draws between whole pixels, in bits of fraction.
FRACTION = 4


def choose_obstacle(shape: Shape, height: float, rng: np.random.Generator) -> Layer | None:
    """Return something before a scene of `shape`, or nothing; `height` of the text in px."""
    hide = one_of(rng, KINDS)
    if hide is None:
        return None
    hidden = hide(np.zeros(shape, np.float32), height, rng)
    return Layer(hidden, float(rng.uniform(0, 255)))


def _wire(hidden: Image, height: float, rng: np.random.Generator) -> Image:
    """A thin line across, sagging: cables, twigs, cracks. More level than upright, which would be read as a letter."""
    rows, columns = hidden.shape
    first, last = rng.uniform(-0.2, 1.2, 2) * rows
    along = np.linspace(0, 1, 9)
    down = first + (last - first) * along + rng.normal(0, 0.2) * height * 4 * along * (1 - along)
    points = np.stack([along * columns, down], axis=1) * (1 << FRACTION)
    thick = max(1, round(rng.uniform(0.02, 0.06) * height))
    cv2.polylines(hidden, [points.astype(np.int32)], False, 1.0, thick, shift=FRACTION)
    return hidden


def _leaves(hidden: Image, height: float, rng: np.random.Generator) -> Image:
    """A few small things of one gray, each smaller than half a letter."""
    for _ in range(rng.integers(1, 5)):
        fill_ellipse(hidden, 0.03 * height, 0.16 * height, rng)
    return hidden


def _stain(hidden: Image, height: float, rng: np.random.Generator) -> Image:
    """Dirt, a sticker's remains, a dull patch: soft, and the word shows through."""
    fill_ellipse(hidden, 0.15 * height, 0.7 * height, rng)
    hidden *= np.float32(rng.uniform(0.2, 0.6))
    return blurred(hidden, rng.uniform(0.02, 0.15) * height)


KINDS = {None: 0.92, _wire: 0.04, _leaves: 0.02, _stain: 0.02}
