"""Lettering → gray scene: plain text, printed with effects on a sign or screen, or part of a photographed place.

A scene is made twice, with its word and without, so that what the word adds is known exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from crnn.data.render.chance import happens, log_uniform, one_of
from crnn.data.render.scene import grounds, light, obstacles
from crnn.data.render.scene.effects import Colours, Layer, ink_layers
from crnn.data.render.scene.grounds import Image
from crnn.data.render.text.glyphs import Lettering

# Two rendering paths that differ teach a recogniser more than one of twice the size (Baek et al. 2019, What is wrong
# with scene text recognition model comparisons, section 4.2).
PATHS = {"printed": 0.62, "blended": 0.38}
PLAIN_GRADIENT = 0.25  # share of plain words whose ground is not one level
LEAST_GAP = 40.0  # gray levels between ink and ground
SECOND_GAP = 45.0  # between ink and what touches it
COLOURED = 0.33  # share of words whose grays are those of two colours
LUMA = np.array([0.299, 0.587, 0.114])  # gray of red, green and blue (ITU-R BT.601), as image decoders mix it
MOST_TRIES = 20  # of a colour pair; three in four are far enough apart


@dataclass(frozen=True)
class Scene:
    """word: the scene, float32 [H, W] of gray levels. bare: the same without the word (its neighbours stay)."""

    word: Image
    bare: Image

    def mapped(self, change: Callable[[Image], npt.NDArray[Any]]) -> "Scene":
        """Return it with both images changed alike."""
        return Scene(*(np.asarray(change(image), np.float32) for image in (self.word, self.bare)))


def paint(lettering: Lettering, rng: np.random.Generator) -> Scene:
    """Return the scene of a lettering, in 0 … 255."""
    colours = choose_colours(rng)
    shape = lettering.ink.shape
    bare = grounds.lay(shape, colours.ground, lettering.height, rng)
    if lettering.plate is not None:
        around = grounds.lay(shape, _far_from(colours.ground, rng), lettering.height, rng)
        bare = Layer(lettering.plate, bare).over(around)
    if lettering.clutter is not None:
        bare = Layer(lettering.clutter, colours.ink if happens(rng, 0.75) else colours.second).over(bare)
    layers = ink_layers(lettering, colours, bare, rng)
    word = (_blended if one_of(rng, PATHS) == "blended" else _printed)(bare, layers, lettering.height, rng)
    obstacle = obstacles.choose_obstacle(shape, lettering.height, rng)
    scene = Scene(word, bare)
    if obstacle is not None:
        scene = scene.mapped(obstacle.over)
    gain, offset = light.choose_light(shape, lettering.height, rng)
    return scene.mapped(lambda image: np.clip(image * gain + offset, 0, 255))


def paint_plainly(lettering: Lettering, rng: np.random.Generator) -> Scene:
    """Return the scene of a lettering in one gray on another, or on a gradient."""
    colours = choose_colours(rng)
    bare = np.full(lettering.ink.shape, colours.ground, np.float32)
    if happens(rng, PLAIN_GRADIENT):
        bare = np.clip(bare + grounds.plane(lettering.ink.shape, 30, rng), 0, 255)
    return Scene(Layer(lettering.ink, colours.ink).over(bare), bare)


def choose_colours(rng: np.random.Generator) -> Colours:
    """Return gray levels for a word at random: of a pair of colours, or at any distance; either may be the darker."""
    dark, light = _pair_of_colours(rng) if happens(rng, COLOURED) else _pair_of_grays(rng)
    ink, ground = (dark, light) if happens(rng, 0.5) else (light, dark)
    return Colours(ink, ground, _apart_from(ink, rng))


def _pair_of_grays(rng: np.random.Generator) -> tuple[float, float]:
    """Two levels, far apart more often than not: signs are made to be read."""
    gap = rng.triangular(LEAST_GAP, 200, 240)
    dark = rng.uniform(0, 255 - gap)
    return dark, dark + gap


def _pair_of_colours(rng: np.random.Generator) -> tuple[float, float]:
    """Two colours out of the whole cube, their gray the mix of the channels: middle grays are the most frequent."""
    for _ in range(MOST_TRIES):
        levels = sorted((rng.integers(0, 256, (2, 3)) @ LUMA).tolist())
        if levels[1] - levels[0] >= LEAST_GAP:
            return levels[0], levels[1]
    return _pair_of_grays(rng)


def _apart_from(ink: float, rng: np.random.Generator) -> float:
    """A level at least SECOND_GAP away from the ink: what touches a letter must not thicken it."""
    darker, lighter = max(0.0, ink - SECOND_GAP), max(0.0, 255 - SECOND_GAP - ink)
    level = rng.uniform(0, darker + lighter)
    return level if level < darker else level - darker + ink + SECOND_GAP


def _far_from(level: float, rng: np.random.Generator) -> float:
    """A level that is seen against another: 30 or more away, to the roomier side half of the time at least."""
    away = rng.uniform(30, 120) * (1 if level < 128 or happens(rng, 0.2) else -1)
    return float(np.clip(level + away, 0, 255))


def _printed(bare: Image, layers: list[Layer], _height: float, _rng: np.random.Generator) -> Image:
    """Opaque ink."""
    for layer in layers:
        bare = layer.over(bare)
    return bare


def _blended(bare: Image, layers: list[Layer], height: float, rng: np.random.Generator) -> Image:
    """Ink that has sunk into its ground: edges softened, the ground's texture, dirt and shade through it."""
    soften = rng.uniform(0.008, 0.03) * height
    texture = bare - cv2.blur(bare, (max(3, round(0.5 * height)),) * 2)
    kept = np.float32(rng.uniform(0.3, 1.0))
    dirt = grounds.noise(bare.shape, "natural", log_uniform(rng, 0.5, 2), rng)
    scene = bare
    opacity = np.float32(rng.uniform(0.75, 1.0))
    for layer in layers:
        coverage = grounds.blurred(layer.coverage, soften) * opacity
        scene = Layer(coverage, np.asarray(layer.level + kept * texture, np.float32)).over(scene)
    return np.asarray(scene * (1 + np.float32(rng.uniform(0, 0.06)) * dirt), np.float32)
