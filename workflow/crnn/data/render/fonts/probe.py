"""What a font file draws: whether its letters are letters, which signs it has, whether it has two cases."""

import math
import re
import string
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ImageFont

PROBE_SIZE = 32  # px per em; large enough that no two letters of a text font look the same
SHAPE = 16  # px; side of the square that shapes are compared in
# Signs that signs and screens print around words and labels leave out, then accented letters.
SIGNS = ".,:;!?'\"-&/()#$%@*+=_~|<>[]" + "\u2018\u2019\u201c\u201d\u2013\u2022\u2026\u00b7\u00b0\u00a3\u20ac\u00a2"
ACCENTED = "áàâäãåéèêëíìîïóòôöõúùûüçñýÁÀÂÄÃÅÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÇÑÝ"
# A noncharacter (Unicode 23.7): no font maps it, so what is drawn is the font's sign for a missing glyph.
UNMAPPED = "\uffff"
# Mean correlation of a font's shapes with those of a plain grotesque, upright or slanted, below which its letters are
# not letters but symbols, bar codes or letters hidden in ornament. Scripts and blackletter reach 0.45 and more.
LEAST_LIKENESS = 0.40
# The same over the worst quarter of the characters: another alphabet under Latin codes has strangers beside letters
# that happen to look alike (Greek about 0), as have displays of seven segments.
LEAST_OF_WORST = 0.05
SLANTS = (0.0, 0.22)  # px to the right per px up: roman, and the usual italic (12 degrees)
# Letters whose two cases differ in every design; the other letters' small forms are (nearly) their capitals'.
TELLING = "abdefghnqrt"
# Mean correlation of the two cases over TELLING: 1 for a font of capitals, 0.9 for one of small capitals, under 0.6
# for two cases.
ALIKE = 0.76

# What some files put into their family's name beside it: weight, width, slope, optical size.
STYLE = re.compile(
    r"""(?ix) [\s_-]* (
        (?:extra|ultra|semi|demi)?[\s-]?(?:light|bold|black|condensed|expanded)
        | thin | hairline | regular | book | medium | heavy | narrow | compressed | extended | wide
        | italic | oblique | slanted | semi | demi | sc | (?:small[\s-]?)?caps | display | text | caption
        | \d+ (?:pt)?
    ) (?= [\s_-] | $ )"""
)

Pixels = npt.NDArray[np.uint8]
Shape = npt.NDArray[np.float32]


class UnusableError(Exception):
    """The font cannot draw the labels; the message says why."""


@dataclass(frozen=True)
class Glyph:
    """A rasterised character. pixels: [h, w] coverage; left, top: offset of its corner from the origin on the
    baseline, in px, right and down; advance: px to the next origin."""

    pixels: Pixels
    left: int
    top: int
    advance: float


@dataclass(frozen=True)
class Font:
    """A usable font file.

    family: the name the file gives. unicase: its small letters look like its capitals. punctuation: the signs and
    accented letters beyond the labels' characters that it draws. likeness: to plain letters, up to 1.
    """

    path: Path
    family: str
    unicase: bool = False
    punctuation: str = ""
    likeness: float = 1.0

    @property
    def relatives(self) -> str:
        """The family without weight, width, slope and size, which some files count as part of it."""
        return STYLE.sub("", self.family).strip() or self.family


def open_face(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """Open a font file at `size` px per em. Raises OSError where it is none."""
    # The basic layout is in every Pillow; the other needs a system library and would set the text differently.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def rasterise(face: ImageFont.FreeTypeFont, character: str) -> Glyph:
    """Draw one character."""
    core, (left, top) = face.getmask2(character, mode="L", anchor="ls")
    width, height = core.size
    pixels = np.frombuffer(bytes(core), np.uint8).reshape(height, width)
    return Glyph(pixels, int(left), int(top), face.getlength(character))


def probe(path: Path, characters: str) -> Font:
    """Return the font at `path`. Raises UnusableError where it does not draw `characters` as text."""
    try:
        face = open_face(path, PROBE_SIZE)
        unmapped = _picture(rasterise(face, UNMAPPED))
        glyphs = {character: rasterise(face, character) for character in dict.fromkeys(characters + SIGNS + ACCENTED)}
    except (OSError, ValueError) as error:
        raise UnusableError(f"is not a scalable font ({error})") from error
    drawn = {c for c, glyph in glyphs.items() if glyph.pixels.any() and _picture(glyph) != unmapped}
    missing = "".join(c for c in characters if c not in drawn)
    if missing:
        raise UnusableError(f"has no glyph for {missing!r}")
    # Small letters may equal capitals and O may equal 0; within an alphabet every letter is its own.
    for alphabet in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
        members = [c for c in alphabet if c in characters]
        if len({_picture(glyphs[c]) for c in members}) < len(members):
            raise UnusableError(f"draws the same for several of {''.join(members)}")
    # Only for these is it known what they should look like.
    shapes = {c: shape_of(glyphs[c].pixels) for c in string.digits + string.ascii_letters if c in characters}
    likeness, worst = likeness_of(shapes)
    if likeness < LEAST_LIKENESS or worst < LEAST_OF_WORST:
        raise UnusableError(f"does not draw Latin letters (likeness {likeness:.2f}, of the worst quarter {worst:.2f})")
    punctuation = "".join(c for c in SIGNS + ACCENTED if c in drawn)
    return Font(path, face.getname()[0] or path.stem, _is_unicase(shapes), punctuation, round(likeness, 3))


def _picture(glyph: Glyph) -> tuple[int, int, tuple[int, ...], bytes]:
    return glyph.left, glyph.top, glyph.pixels.shape, glyph.pixels.tobytes()


def shape_of(pixels: Pixels) -> Shape:
    """Return the glyph stretched over a square, less its mean, of length 1: products are correlations."""
    square = cv2.resize(pixels, (SHAPE, SHAPE), interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(square, (0, 0), 1.0), np.float32)
    soft -= soft.mean()
    return np.asarray(soft.ravel() / max(1e-6, float(np.linalg.norm(soft))), np.float32)


@lru_cache(maxsize=512)
def _plain(character: str, slant: float) -> Shape:
    """The shape in the font that every Pillow carries (Aileron), slanted."""
    face = ImageFont.load_default(PROBE_SIZE)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType")
    pixels = rasterise(face, character).pixels
    height, width = pixels.shape
    shear = np.array([[1, -slant, slant * height], [0, 1, 0]], np.float32)
    return shape_of(np.asarray(cv2.warpAffine(pixels, shear, (math.ceil(width + slant * height), height)), np.uint8))


def likeness_of(shapes: dict[str, Shape]) -> tuple[float, float]:
    """Return the mean correlation with plain letters over all characters, and over the quarter that has the least.

    1 where there is nothing to compare.
    """
    if not shapes:
        return 1.0, 1.0
    # Capitals under the codes of small letters are letters too.
    likenesses = [
        np.sort([max(shape @ _plain(c, slant), shape @ _plain(c.upper(), slant)) for c, shape in shapes.items()])
        for slant in SLANTS
    ]
    best = max(likenesses, key=lambda ordered: float(ordered.mean()))
    return float(best.mean()), float(best[: max(1, len(best) // 4)].mean())


def _is_unicase(shapes: dict[str, Shape]) -> bool:
    telling = [float(shapes[c] @ shapes[c.upper()]) for c in TELLING if c in shapes and c.upper() in shapes]
    return bool(telling) and float(np.mean(telling)) >= ALIKE
