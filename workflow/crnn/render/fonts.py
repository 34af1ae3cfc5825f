"""Font files of a folder, and which of them can draw the labels.

Not here: setting text with them (`crnn.render.glyphs`).
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from crnn.errors import UserError

LOG = logging.getLogger(__name__)

SUFFIXES = (".ttf", ".otf")
PROBE_SIZE = 32  # px per em; large enough that no two letters of a text font look the same
# A noncharacter (Unicode 23.7): no font maps it, so what is drawn is the font's sign for a missing glyph.
UNMAPPED = "\uffff"
# Share of its ink in which a small letter may differ from its capital and still be the same letter: Bebas Neue, of
# capitals only, has a t that is 3 % apart from its T; in fonts of two cases c, o and s are 80 % or more apart.
ALIKE = 0.1


@dataclass(frozen=True)
class Font:
    """A usable font file. `unicase`: its small letters look like its capitals."""

    path: Path
    unicase: bool

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """Open the font at `size` px per em."""
        return _open(self.path, size)


@dataclass(frozen=True)
class FontFolder:
    """The fonts of a folder in the order of their paths, and why each of the others was left out."""

    fonts: tuple[Font, ...]
    left_out: dict[Path, str]


def find_fonts(folder: Path, characters: str) -> FontFolder:
    """Return the fonts below `folder` that draw every one of `characters`; log those left out.

    Raises UserError where there is no such folder or no usable font in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of fonts; expected a folder that holds .ttf or .otf files")
    fonts: list[Font] = []
    left_out: dict[Path, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        try:
            font = _open(path, PROBE_SIZE)
        except OSError as error:
            left_out[path] = f"not a font ({error})"
            continue
        missing = _missing(font, characters)
        if missing:
            left_out[path] = f"has no glyph for {missing!r}"
        else:
            fonts.append(Font(path, _is_unicase(font, characters)))
    for path, reason in left_out.items():
        LOG.warning("%s: %s; left out", path, reason)
    if not fonts:
        reasons = [f"{path.name} {reason}" for path, reason in left_out.items()] or ["it holds no .ttf or .otf file"]
        raise UserError(f"{folder}: no font to render with ({'; '.join(reasons)})")
    return FontFolder(tuple(fonts), left_out)


def _open(path: Path, size: int) -> ImageFont.FreeTypeFont:
    # The basic layout is in every Pillow; the other needs a system library and would set the text differently.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> npt.NDArray[np.uint8]:
    """The character on a canvas of three em by three, its origin at the same point for every character."""
    image = Image.new("L", (3 * PROBE_SIZE, 3 * PROBE_SIZE))
    ImageDraw.Draw(image).text((PROBE_SIZE, 2 * PROBE_SIZE), character, font=font, fill=255, anchor="ls")
    return np.asarray(image)


def _missing(font: ImageFont.FreeTypeFont, characters: str) -> str:
    unmapped = _glyph(font, UNMAPPED)
    glyphs = {character: _glyph(font, character) for character in characters}
    return "".join(c for c, glyph in glyphs.items() if not glyph.any() or np.array_equal(glyph, unmapped))


def _is_unicase(font: ImageFont.FreeTypeFont, characters: str) -> bool:
    small = [character for character in characters if character != character.upper()]
    return bool(small) and all(_alike(_glyph(font, letter), _glyph(font, letter.upper())) for letter in small)


def _alike(glyph: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    difference = np.abs(glyph.astype(int) - other.astype(int)).sum()
    return bool(difference <= ALIKE * glyph.sum(dtype=int))
