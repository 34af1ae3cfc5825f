"""Light and shade that fall on word and ground alike: uneven light, cast shadows, reflections."""

import numpy as np

from crnn.data.render.chance import one_of
from crnn.data.render.scene.grounds import Image, Shape, blurred, fill_ellipse, plane

# What a light does to the gray levels: times the first, plus the second.
Light = tuple[Image | float, Image | float]


def choose_light(shape: Shape, height: float, rng: np.random.Generator) -> Light:
    """Return a light at random for scenes of `shape`; `height` of the text in px."""
    return one_of(rng, LIGHTS)(shape, height, rng)


def _even(_shape: Shape, _height: float, _rng: np.random.Generator) -> Light:
    return 1.0, 0.0


def _uneven(shape: Shape, _height: float, rng: np.random.Generator) -> Light:
    return np.exp(plane(shape, 0.35, rng)), 0.0


def _shade(shape: Shape, _height: float, rng: np.random.Generator) -> Light:
    """The shadow of something else: everything on one side of a straight edge is darker."""
    slope = plane(shape, 1.0, rng)
    edge = slope - np.float32(rng.uniform(slope.min(), slope.max()))
    shaded = np.clip(0.5 + edge * np.float32(rng.uniform(1, 12)), 0, 1)
    return 1 - np.float32(rng.uniform(0.25, 0.6)) * shaded, 0.0


def _spot(shape: Shape, height: float, rng: np.random.Generator) -> Light:
    """A reflection, soft and not so large that it hides a letter."""
    spot = np.zeros(shape, np.float32)
    fill_ellipse(spot, 0.05 * height, 0.35 * height, rng)
    spot *= np.float32(rng.uniform(30, 110))
    return 1.0, blurred(spot, rng.uniform(0.08, 0.3) * height)


LIGHTS = {_even: 0.66, _uneven: 0.18, _shade: 0.09, _spot: 0.07}
