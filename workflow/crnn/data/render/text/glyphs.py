"""Text → lettering: glyphs set along their path, heavier or lighter, squeezed or stretched, in one gray or several."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ImageFont

from crnn.data.render.chance import happens, log_uniform, one_of
from crnn.data.render.fonts.probe import Font, Glyph, open_face, rasterise
from crnn.data.render.text.paths import EM, Place, places

Mask = npt.NDArray[np.float32]
Ink = npt.NDArray[np.uint8]

MOST_FACES = 4096  # kept; about 0.1 MB each
MOST_GLYPHS = 150_000  # about 1.5 kB each; letters and digits of 2,400 fonts
# About two thirds of scene words stand on a straight line in an even rhythm.
PATHS = {"line": 0.58, "tracked": 0.16, "arc": 0.13, "wave": 0.04, "playful": 0.06, "initial": 0.03}
WEIGHTS = {"plain": 0.80, "bold": 0.14, "light": 0.06}
WIDTHS = {"plain": 0.63, "narrow": 0.30, "wide": 0.07}
TONED = 0.06  # share of words whose letters have gray levels of their own
NARROWEST = 0.25  # width per character over height, below which letters are hairlines; condensed signs reach it


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
    pitch: of its characters, in px. tone: -1 … 1 times ink, the gray of each letter against the others. clutter: what
    else is printed in ink. plate: the panel behind the word.
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
        more = (self.tone, self.clutter, self.plate)
        tone, clutter, plate = (None if plane is None else change(plane) for plane in more)
        return replace(self, ink=change(self.ink), tone=tone, clutter=clutter, plate=plate)


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
        return rng.uniform(-0.08, 0.2) if happens(rng, 0.6) else rng.uniform(0.2, 0.7)
    return rng.uniform(-0.02, 0.15)


@lru_cache(MOST_FACES)
def _face(font: Font) -> ImageFont.FreeTypeFont:
    return open_face(font.path, EM)


@lru_cache(MOST_GLYPHS)
def glyph_of(font: Font, character: str) -> Glyph:
    """Return one character of a font at EM px per em, kept for the next word."""
    return rasterise(_face(font), character)


def set_text(text: str, font: Font, style: TextStyle, rng: np.random.Generator) -> Lettering:
    """Return `text` cropped to its ink; `rng` decides what differs from letter to letter.

    Raises ValueError where the font draws nothing for it.
    """
    glyphs = [glyph_of(font, character) for character in text]
    placed = places(style.path, glyphs, style.spacing, style.amount, rng)
    tones = rng.uniform(-1, 1, len(glyphs)) if style.toned else None
    ink, tone = _printed(glyphs, placed, tones)
    if style.weight:
        reach = 2 * abs(style.weight) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        heavier = cv2.dilate(ink, disc) if style.weight > 0 else cv2.erode(ink, disc)
        # Hairlines would vanish under a lighter weight.
        ink = np.asarray(np.maximum(heavier, ink // 2) if style.weight < 0 else heavier, np.uint8)
    if not ink.any():
        raise ValueError(f"{font.path} draws nothing for {text!r}")
    ink, tone = _cropped(ink, tone)
    if style.stretch != 1:
        ink, tone = _cropped(*_stretched(ink, tone, len(text), style.stretch))
    height, width = ink.shape
    mask = ink.astype(np.float32) / np.float32(255)
    tone = None if tone is None else tone * mask
    # The margins and effects of bent or rising words go by the size of their letters, not by that of their canvas.
    return Lettering(mask, (0, 0, width, height), min(height, EM), width / len(text), tone)


def _cropped(ink: Ink, tone: Mask | None) -> tuple[Ink, Mask | None]:
    left, top, width, height = cv2.boundingRect(ink)
    window = np.s_[top : top + height, left : left + width]
    return ink[window], None if tone is None else tone[window]


def _stretched(ink: Ink, tone: Mask | None, length: int, stretch: float) -> tuple[Ink, Mask | None]:
    height, width = ink.shape
    narrowest = min(width, NARROWEST * height * length)
    wide = max(2, round(max(width * stretch, narrowest)))
    if wide == width:
        return ink, tone
    tone = None if tone is None else np.asarray(cv2.resize(tone, (wide, height)), np.float32)
    return np.asarray(cv2.resize(ink, (wide, height), interpolation=cv2.INTER_AREA), np.uint8), tone


def _printed(
    glyphs: Sequence[Glyph], placed: Sequence[Place], tones: npt.NDArray[np.float64] | None
) -> tuple[Ink, Mask | None]:
    """Lay the glyphs on a canvas of their extent and a margin: ink, uint8, and the tone of its letters."""
    pieces = [_piece(glyph, place) for glyph, place in zip(glyphs, placed, strict=True) if glyph.pixels.size]
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


def _piece(glyph: Glyph, place: Place) -> tuple[Ink, int, int]:
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
