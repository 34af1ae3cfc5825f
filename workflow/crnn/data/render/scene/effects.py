"""What is done to the letters of a word: shadows, outlines, hollow, raised and broken letters, glow, worn edges.

An effect is a list of layers, painted one over the other; sizes go by the height of the text.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from crnn.data.render.chance import happens, log_uniform, one_of
from crnn.data.render.scene.grounds import Image, blurred, noise, plane
from crnn.data.render.text.glyphs import Lettering, Mask

FILLS = {"flat": 0.72, "gradient": 0.12, "texture": 0.09, "halves": 0.02, "ground": 0.05}
EDGES = {"clean": 0.84, "soft": 0.10, "worn": 0.06}


@dataclass(frozen=True)
class Colours:
    """Gray levels. ink, ground: well apart. second: of what touches the letters, apart from the ink."""

    ink: float
    ground: float
    second: float


@dataclass(frozen=True)
class Layer:
    """Something painted: where (coverage [H, W]) and of what gray (a level or [H, W])."""

    coverage: Mask
    level: float | Image

    def over(self, scene: Image) -> Image:
        """Return the scene with this layer on it."""
        return np.asarray(scene + self.coverage * (self.level - scene), np.float32)


@dataclass(frozen=True)
class Plain:
    """A word before its effect. face: its letters. ground: the scene without it, [H, W]. height: of its text in px."""

    face: Layer
    colours: Colours
    ground: Image
    height: float


def ink_layers(lettering: Lettering, colours: Colours, ground: Image, rng: np.random.Generator) -> list[Layer]:
    """Return the layers of a word, undermost first. `ground`: the scene without it, [H, W]."""
    ink = _edged(lettering.ink, lettering.height, rng)
    face = Layer(ink, _fill(lettering, colours.ink, ground, rng))
    return one_of(rng, EFFECTS)(Plain(face, colours, ground, lettering.height), rng)


def _edged(ink: Mask, height: float, rng: np.random.Generator) -> Mask:
    """Ink as it is, run into its ground, or flaked off in places."""
    edge = one_of(rng, EDGES)
    if edge == "soft":
        return blurred(ink, rng.uniform(0.015, 0.04) * height)
    if edge == "worn":
        flakes = noise(ink.shape, "natural", log_uniform(rng, 0.3, 1.0), rng)
        return np.asarray(ink * np.clip(rng.uniform(0.9, 2.0) + flakes * 0.9, 0, 1), np.float32)
    return ink


def _fill(lettering: Lettering, level: float, ground: Image, rng: np.random.Generator) -> float | Image:
    """The gray of the letters' faces."""
    shape = lettering.ink.shape
    if lettering.tone is not None:
        tone = lettering.tone / np.maximum(lettering.ink, np.float32(0.01))
        return np.asarray(level + np.clip(tone, -1, 1) * np.float32(rng.uniform(15, 45)), np.float32)
    fill = one_of(rng, FILLS)
    if fill == "gradient":
        return level + plane(shape, 40, rng)
    if fill == "texture":
        kind = one_of(rng, {"white": 1, "rough": 2, "natural": 2})
        return np.asarray(level + noise(shape, kind, log_uniform(rng, 0.7, 2.5), rng) * rng.uniform(6, 25), np.float32)
    if fill == "halves":
        halves = np.full(shape, level, np.float32)
        halves[: round(shape[0] * rng.uniform(0.35, 0.65))] += np.float32(rng.uniform(-45, 45))
        return halves
    if fill == "ground":  # the ground's texture shows through
        return np.asarray(level + np.float32(rng.uniform(0.4, 1.0)) * (ground - ground.mean()), np.float32)
    return level


def grown(mask: Mask, reach: float) -> Mask:
    """Return a mask `reach` px larger on every side, between whole pixels by mixing."""
    whole = int(reach)
    outer = dilated(mask, whole + 1)
    part = np.float32(reach - whole)
    return np.asarray(dilated(mask, whole) * (1 - part) + outer * part, np.float32)


def dilated(mask: Mask, reach: int) -> Mask:
    """Return a mask `reach` whole px larger on every side."""
    if reach == 0:
        return mask
    return np.asarray(cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)), np.float32)


def shifted(mask: Mask, across: float, down: float) -> Mask:
    """Return a mask moved by so many px; what falls off the edge is lost."""
    move = np.array([[1, 0, across], [0, 1, down]], np.float32)
    return np.asarray(cv2.warpAffine(mask, move, mask.shape[::-1]), np.float32)


def _direction(least: float, most: float, height: float, rng: np.random.Generator) -> tuple[float, float]:
    angle, length = rng.uniform(0, 2 * np.pi), max(1.0, rng.uniform(least, most) * height)
    return length * float(np.cos(angle)), length * float(np.sin(angle))


def _plain(word: Plain, _: np.random.Generator) -> list[Layer]:
    return [word.face]


def _shadow(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Fallen aside by up to an eighth of the height, hard or soft, more often dark."""
    fallen = shifted(word.face.coverage, *_direction(0.03, 0.13, word.height, rng))
    if happens(rng, 0.6):
        fallen = blurred(fallen, rng.uniform(0.01, 0.06) * word.height)
    level = word.colours.second
    if word.colours.ink > word.colours.ground:
        level = min(level, word.colours.ground * 0.5)
    return [Layer(fallen * np.float32(rng.uniform(0.4, 1.0)), level), word.face]


def _outline(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """A contour, thin to thick, at times with a second one around it."""
    first = grown(word.face.coverage, log_uniform(rng, 0.015, 0.08) * word.height)
    layers = [Layer(first, word.colours.second), word.face]
    if happens(rng, 0.15):
        layers.insert(0, Layer(grown(first, rng.uniform(0.02, 0.05) * word.height), word.colours.ink))
    return layers


def _extrusion(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Sides of solid letters: the face drawn out along a line, darker or lighter than it."""
    across, down = _direction(0.06, 0.16, word.height, rng)
    side = np.zeros_like(word.face.coverage)
    steps = max(2, round(max(abs(across), abs(down))))
    for step in range(1, steps + 1):
        np.maximum(side, shifted(word.face.coverage, across * step / steps, down * step / steps), out=side)
    return [Layer(side, word.colours.second), word.face]


def _glow(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Neon, or light from behind."""
    halo = blurred(grown(word.face.coverage, 0.03 * word.height), rng.uniform(0.06, 0.15) * word.height)
    return [Layer(np.clip(halo * np.float32(rng.uniform(0.7, 1.3)), 0, 1), word.colours.second), word.face]


def _hollow(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Only the contour, along the inside of the letters or along the outside."""
    width = max(1.0, rng.uniform(0.025, 0.06) * word.height)
    letters = word.face.coverage
    inner = 1 - grown(1 - letters, width) if happens(rng, 0.4) else letters
    outer = grown(letters, width) if inner is letters else letters
    contour = np.asarray(np.clip(outer - inner, 0, 1), np.float32)
    layers = [Layer(contour, word.face.level)]
    if happens(rng, 0.3):  # filled, not far from the ground
        layers.insert(0, Layer(letters, np.asarray(word.ground + rng.uniform(-35, 35), np.float32)))
    return layers


def _relief(face: Layer, height: float, rng: np.random.Generator) -> Image:
    """Light on edges that face it, shade on the others, -1 … 1."""
    across, down = _direction(0.015, 0.04, height, rng)
    return np.asarray(shifted(face.coverage, across, down) - shifted(face.coverage, -across, -down), np.float32)


def _raised(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Cut or cast of the ground's own material: nothing but light and shade tells the letters."""
    tint = word.face.coverage * np.float32(rng.uniform(-30, 30))
    lit = word.ground + tint + _relief(word.face, word.height, rng) * rng.uniform(60, 130)
    return [Layer(np.ones_like(word.face.coverage), np.asarray(lit, np.float32))]


def _bevel(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Ink with light and shaded edges."""
    lit = word.face.level + _relief(word.face, word.height, rng) * np.float32(rng.uniform(30, 90))
    return [Layer(word.face.coverage, np.asarray(lit, np.float32))]


def _inline(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """A line along the inside of the letters' edges, as stitched or engraved ones have it."""
    gaps = 1 - word.face.coverage
    edge = rng.uniform(0.02, 0.035) * word.height
    line = grown(gaps, edge + max(0.8, rng.uniform(0.015, 0.035) * word.height)) - grown(gaps, edge)
    return [word.face, Layer(np.asarray(line * word.face.coverage, np.float32), word.colours.second)]


def _dotted(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Letters of lamps, studs or a coarse print's dots."""
    angle, pitch = rng.uniform(0, np.pi / 2), rng.uniform(0.07, 0.13) * word.height
    y, x = np.indices(word.face.coverage.shape, np.float32) * np.float32(2 * np.pi / pitch)
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    bright = np.cos(y * cosine + x * sine) + np.cos(x * cosine - y * sine)
    dots = np.clip((bright + np.float32(rng.uniform(0.1, 0.9))) * 2, rng.uniform(0, 0.3), 1)
    return [Layer(np.asarray(word.face.coverage * dots, np.float32), word.face.level)]


def _hatched(word: Plain, rng: np.random.Generator) -> list[Layer]:
    """Letters cut by level stripes, as old logos and the slats of a shutter have it."""
    pitch = rng.uniform(0.09, 0.2) * word.height
    phase = np.arange(len(word.face.coverage), dtype=np.float32) * np.float32(2 * np.pi / pitch)
    stripes = np.clip((np.sin(phase) + np.float32(rng.uniform(0.2, 0.7))) * 3, rng.uniform(0, 0.4), 1)
    return [Layer(np.asarray(word.face.coverage * stripes[:, None], np.float32), word.face.level)]


# Nearly two thirds of words are plain ink.
EFFECTS = {
    _plain: 0.61,
    _shadow: 0.10,
    _outline: 0.08,
    _extrusion: 0.03,
    _glow: 0.03,
    _hollow: 0.05,
    _raised: 0.03,
    _bevel: 0.02,
    _inline: 0.02,
    _dotted: 0.02,
    _hatched: 0.01,
}
