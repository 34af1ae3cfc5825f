"""Text → lettering: glyphs set along a line, an arc or a wave, spaced, squeezed, heavier or playful.

Not here: what stands around the word (`crnn.render.surroundings`), rotation and perspective (`crnn.render.geometry`),
colours (`crnn.render.scene`).
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ImageFont

from crnn.render.chance import happens, log_uniform, one_of
from crnn.render.fonts import Font
from crnn.render.probe import Glyph, rasterise

Mask = npt.NDArray[np.float32]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

EM = 44  # px per em that glyphs are drawn at: a word is then about as high as the network's input after all shrinking
MOST_FACES = 4096  # about 0.1 MB each
MOST_GLYPHS = 150_000  # about 1.5 kB each; letters and digits of 2,400 fonts

# About two thirds of scene words stand on a straight line in an even rhythm.
PATHS = {"line": 0.62, "tracked": 0.17, "arc": 0.09, "wave": 0.04, "playful": 0.05, "initial": 0.03}
WEIGHTS = {"plain": 0.80, "bold": 0.14, "light": 0.06}
WIDTHS = {"plain": 0.74, "narrow": 0.17, "wide": 0.09}
TONED = 0.06  # share of words whose letters have gray levels of their own
MOST_ARC = math.radians(170)  # from the first letter to the last: half a badge
NARROWEST = 0.25  # width per character over height, below which letters are hairlines; condensed signs reach it


class Kept(Generic[Key, Value]):
    """What `make` gave for the latest `most` keys or so."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[Key, Value] = {}

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of `key`, made where it is not kept."""
        try:
            return self._values[key]
        except KeyError:
            value = make()
        if len(self._values) >= self._most:
            # A dict lists its keys by age.
            del self._values[next(iter(self._values))]
        self._values[key] = value
        return value


class TypeCase:
    """Rasterised glyphs at EM px per em, kept within bounds."""

    def __init__(self) -> None:
        self._faces: Kept[Font, ImageFont.FreeTypeFont] = Kept(MOST_FACES)
        self._glyphs: Kept[tuple[Font, str], Glyph] = Kept(MOST_GLYPHS)

    def glyph(self, font: Font, character: str) -> Glyph:
        """Return one character of a font."""
        return self._glyphs.get((font, character), lambda: rasterise(self._face(font), character))

    def _face(self, font: Font) -> ImageFont.FreeTypeFont:
        return self._faces.get(font, lambda: font.at(EM))


@dataclass(frozen=True)
class TextStyle:
    """How a word is set.

    path: one of PATHS. amount: how far it departs from a line, -1 … 1. spacing: added between glyphs, in em.
    weight: added on each side of a glyph's lines, in px; negative for lighter. stretch: width over the font's own.
    toned: whether the letters have gray levels of their own.
    """

    path: str = "line"
    amount: float = 0.0
    spacing: float = 0.0
    weight: int = 0
    stretch: float = 1.0
    toned: bool = False


@dataclass(frozen=True)
class Lettering:
    """A word, and what stands around it, as coverage float32 [H, W] in 0 … 1.

    ink: the word. box: left, top, right, bottom of the word in the canvas. height: of a line of its text, in px.
    pitch: of its characters, in px.
    tone: -1 … 1 times ink, the gray of each letter against the others. clutter: what else is printed in ink. plate:
    the panel behind the word.
    """

    ink: Mask
    box: tuple[float, float, float, float]
    height: float
    pitch: float
    tone: Mask | None = None
    clutter: Mask | None = None
    plate: Mask | None = None

    def mapped(self, change: Callable[[Mask], Mask]) -> "Lettering":
        """Return it with every plane changed alike."""
        tone, clutter, plate = (
            None if plane is None else change(plane) for plane in (self.tone, self.clutter, self.plate)
        )
        return replace(self, ink=change(self.ink), tone=tone, clutter=clutter, plate=plate)


@dataclass(frozen=True)
class Place:
    """Where a glyph's origin goes (px, right and down), how it is turned (radians, clockwise) and its scale."""

    x: float
    y: float
    turn: float = 0.0
    scale: float = 1.0


def choose_style(length: int, rng: np.random.Generator) -> TextStyle:
    """Return a style for a word of `length` characters at random: mostly plain text."""
    path = one_of(rng, PATHS) if length > 1 else "line"
    weight, width = one_of(rng, WEIGHTS), one_of(rng, WIDTHS)
    return TextStyle(
        path=path,
        amount=rng.uniform(0.25, 1) * (1 if happens(rng, 0.6) else -1),
        spacing=_spacing(path, rng),
        weight={"plain": 0, "light": -1}.get(weight, 1 + happens(rng, 0.3)),
        stretch={"plain": 1.0, "narrow": log_uniform(rng, 0.4, 0.9)}.get(width, log_uniform(rng, 1.1, 1.9)),
        toned=happens(rng, TONED),
    )


def _spacing(path: str, rng: np.random.Generator) -> float:
    if path == "line":
        return 0.0
    if path == "tracked":
        return rng.uniform(-0.05, 0.2) if happens(rng, 0.6) else rng.uniform(0.2, 0.7)
    return rng.uniform(-0.02, 0.15)


def set_text(text: str, font: Font, style: TextStyle, case: TypeCase, rng: np.random.Generator) -> Lettering:
    """Return `text` cropped to its ink; `rng` decides what differs from letter to letter.

    Raises ValueError where the font draws nothing for it.
    """
    glyphs = [case.glyph(font, character) for character in text]
    places = _PLACINGS[style.path](glyphs, style, rng)
    tones = rng.uniform(-1, 1, len(glyphs)) if style.toned else None
    ink, tone = _printed(glyphs, places, tones)
    if style.weight:
        reach = 2 * abs(style.weight) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        heavier = cv2.dilate(ink, disc) if style.weight > 0 else cv2.erode(ink, disc)
        # Hairlines would vanish under a lighter weight.
        ink = np.asarray(np.maximum(heavier, ink // 2) if style.weight < 0 else heavier, np.uint8)
    left, top, width, height = cv2.boundingRect(ink)
    if not width:
        raise ValueError(f"{font.path} draws nothing for {text!r}")
    window = np.s_[top : top + height, left : left + width]
    return _stretched(ink[window], None if tone is None else tone[window], len(text), style.stretch)


def _stretched(ink: npt.NDArray[np.uint8], tone: Mask | None, length: int, stretch: float) -> Lettering:
    height, width = ink.shape
    narrowest = min(width, NARROWEST * height * length)
    wide = max(2, round(max(width * stretch, narrowest)))
    if wide != width:
        ink = np.asarray(cv2.resize(ink, (wide, height), interpolation=cv2.INTER_AREA), np.uint8)
        tone = None if tone is None else np.asarray(cv2.resize(tone, (wide, height)), np.float32)
    mask = ink.astype(np.float32) / np.float32(255)
    # The margins and effects of bent or rising words go by the size of their letters, not by that of their canvas.
    return Lettering(mask, (0, 0, wide, height), min(height, EM), wide / length, None if tone is None else tone * mask)


def _advances(glyphs: Sequence[Glyph], spacing: float) -> list[float]:
    """The origin of each glyph on a line, and the end of the last."""
    return list(accumulate((glyph.advance + spacing * EM for glyph in glyphs), initial=0.0))


def _on_line(glyphs: Sequence[Glyph], style: TextStyle, _: np.random.Generator) -> list[Place]:
    return [Place(round(x), 0) for x in _advances(glyphs, style.spacing)[:-1]]


def _on_arc(glyphs: Sequence[Glyph], style: TextStyle, _: np.random.Generator) -> list[Place]:
    """Along a circle: its middle up for a positive amount (the top of a badge), else down."""
    starts = _advances(glyphs, style.spacing)
    sign = 1 if style.amount > 0 else -1
    # The tops of letters inside a circle crowd each other.
    tightest = (1.4 if sign > 0 else 2.2) * EM
    radius = max(tightest, starts[-1] / (MOST_ARC * abs(style.amount)))
    angle = starts[-1] / radius
    places = []
    for glyph, start in zip(glyphs, starts[:-1], strict=True):
        middle = start + glyph.advance / 2
        turn = sign * (middle / starts[-1] - 0.5) * angle
        x = sign * radius * math.sin(turn) - math.cos(turn) * glyph.advance / 2
        y = sign * radius * (1 - math.cos(turn)) - math.sin(turn) * glyph.advance / 2
        places.append(Place(x, y, turn))
    return places


def _on_wave(glyphs: Sequence[Glyph], style: TextStyle, rng: np.random.Generator) -> list[Place]:
    """Up and down along a sine, or in steps, the letters upright."""
    starts = _advances(glyphs, style.spacing)[:-1]
    rise, period, phase = 0.22 * EM * style.amount, rng.uniform(1.5, 8) * EM, rng.uniform(0, 2 * math.pi)
    return [Place(x, rise * math.sin(phase + 2 * math.pi * x / period)) for x in starts]


def _playful(glyphs: Sequence[Glyph], style: TextStyle, rng: np.random.Generator) -> list[Place]:
    """Each letter of a size, a height and a tilt of its own."""
    much = abs(style.amount)
    starts = _advances(glyphs, style.spacing + 0.03)[:-1]
    jitter = rng.uniform(-1, 1, (len(glyphs), 3)) * much * (0.10 * EM, 0.22, 0.16)
    return [Place(x, y, turn, 1 + grow) for x, (y, turn, grow) in zip(starts, jitter, strict=True)]


def _with_initial(glyphs: Sequence[Glyph], style: TextStyle, rng: np.random.Generator) -> list[Place]:
    """The first letter larger, standing on the line or hanging from it."""
    scale = 1 + rng.uniform(0.2, 0.7)
    shift = glyphs[0].advance * (scale - 1)
    drop = 0.35 * EM * (scale - 1) if happens(rng, 0.4) else 0.0
    starts = _advances(glyphs, style.spacing)[:-1]
    return [Place(0, drop, 0, scale), *(Place(x + shift, 0) for x in starts[1:])]


_PLACINGS: dict[str, Callable[[Sequence[Glyph], TextStyle, np.random.Generator], list[Place]]] = {
    "line": _on_line,
    "tracked": _on_line,
    "arc": _on_arc,
    "wave": _on_wave,
    "playful": _playful,
    "initial": _with_initial,
}


def _printed(
    glyphs: Sequence[Glyph], places: Sequence[Place], tones: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray[np.uint8], Mask | None]:
    """Lay the glyphs on a canvas of their extent and a margin: ink, uint8, and the tone of its letters."""
    pieces = [_piece(glyph, place) for glyph, place in zip(glyphs, places, strict=True) if glyph.pixels.size]
    margin = 3
    left = min((x for _, x, _ in pieces), default=0) - margin
    top = min((y for _, _, y in pieces), default=0) - margin
    right = max((x + pixels.shape[1] for pixels, x, _ in pieces), default=1) + margin
    bottom = max((y + pixels.shape[0] for pixels, _, y in pieces), default=1) + margin
    ink = np.zeros((bottom - top, right - left), np.uint8)
    tone = None if tones is None else np.zeros(ink.shape, np.float32)
    for index, (pixels, x, y) in enumerate(pieces):
        window = np.s_[y - top : y - top + pixels.shape[0], x - left : x - left + pixels.shape[1]]
        if tone is not None and tones is not None:
            tone[window][pixels > ink[window]] = tones[index]
        np.maximum(ink[window], pixels, out=ink[window])
    return ink, tone


def _piece(glyph: Glyph, place: Place) -> tuple[npt.NDArray[np.uint8], int, int]:
    """The glyph's pixels turned and scaled, and where their corner goes."""
    if place.turn == 0 and place.scale == 1:
        return glyph.pixels, round(place.x) + glyph.left, round(place.y) + glyph.top
    cosine, sine = place.scale * math.cos(place.turn), place.scale * math.sin(place.turn)
    height, width = glyph.pixels.shape
    x = np.array([glyph.left, glyph.left + width] * 2)
    y = np.array([glyph.top] * 2 + [glyph.top + height] * 2)
    turned_x, turned_y = cosine * x - sine * y + place.x, sine * x + cosine * y + place.y
    left, top = math.floor(turned_x.min()) - 1, math.floor(turned_y.min()) - 1
    size = math.ceil(turned_x.max()) + 1 - left, math.ceil(turned_y.max()) + 1 - top
    turn = np.array([[cosine, -sine, turned_x[0] - left], [sine, cosine, turned_y[0] - top]], np.float32)
    return np.asarray(cv2.warpAffine(glyph.pixels, turn, size), np.uint8), left, top
