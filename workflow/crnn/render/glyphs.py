"""Text → glyph mask: size, letter spacing, weight and the slight curve of lettering on a sign.

Not here: rotation and perspective (`crnn.render.geometry`), colours (`crnn.render.scene`).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from crnn.render.chance import happens, log_uniform
from crnn.render.fonts import Font

Mask = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextStyle:
    """How a word is set.

    size: px per em. spacing: added between glyphs, in em (units of the size). stroke: added on each side of a
    glyph's lines, in em. bend: how far the middle of the word stands above its ends, as a share of the word's
    width; negative where it hangs below.
    """

    size: int
    spacing: float = 0.0
    stroke: float = 0.0
    bend: float = 0.0


def choose_style(rng: np.random.Generator) -> TextStyle:
    """Return a style at random: mostly plain text, a quarter of it spaced, some of it bold or bent."""
    return TextStyle(
        size=round(log_uniform(rng, 22, 64)),
        spacing=rng.uniform(-0.03, 0.30) if happens(rng, 0.25) else 0.0,
        stroke=rng.uniform(0.01, 0.04) if happens(rng, 0.2) else 0.0,
        bend=rng.uniform(-0.07, 0.07) if happens(rng, 0.2) else 0.0,
    )


def set_text(text: str, font: Font, style: TextStyle) -> Mask:
    """Return the coverage (float32 [H, W] in 0 … 1) of `text`, cropped to its ink."""
    face = font.at(style.size)
    stroke = style.stroke * style.size
    # A glyph starts where the text before it ends, kerning with its left neighbour included.
    starts = [
        face.getlength(text[: i + 1]) - face.getlength(text[i]) + i * style.spacing * style.size
        for i in range(len(text))
    ]
    ascent, descent = face.getmetrics()
    # Script and display glyphs reach outside their advance width and the font's line.
    edge = style.size
    width = round(starts[-1] + face.getlength(text[-1])) + 2 * edge
    image = Image.new("L", (width, ascent + descent + 2 * edge))
    canvas = ImageDraw.Draw(image)
    for character, start in zip(text, starts, strict=True):
        canvas.text((edge + start, edge + ascent), character, font=face, fill=255, anchor="ls", stroke_width=stroke)
    mask = np.asarray(image.crop(image.getbbox()), np.float32) / np.float32(255)
    return _bent(mask, style.bend * mask.shape[1]) if style.bend else mask


def _bent(mask: Mask, rise: float) -> Mask:
    """Lift each column along a parabola, `rise` px high in the middle, and crop to the ink again."""
    height, width = mask.shape
    margin = int(np.ceil(abs(rise)))
    x = np.linspace(-1, 1, width, dtype=np.float32)
    lift = rise * (1 - x**2)
    rows, columns = np.indices((height + 2 * margin, width), dtype=np.float32)
    bent = cv2.remap(mask, columns, (rows - margin + lift).astype(np.float32), cv2.INTER_LINEAR)
    inked = np.flatnonzero(bent.max(axis=1))
    return np.asarray(bent[inked[0] : inked[-1] + 1], np.float32)
