"""Rasterised glyphs of many fonts, kept for the next word."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from PIL import ImageFont

from crnn.data.render.fonts.listing import Font
from crnn.data.render.fonts.probe import Glyph, rasterise

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

EM = 44  # px per em that glyphs are drawn at: a word is then about as high as the network's input after all shrinking
MOST_FACES = 4096  # about 0.1 MB each
MOST_GLYPHS = 150_000  # about 1.5 kB each; letters and digits of 2,400 fonts


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
