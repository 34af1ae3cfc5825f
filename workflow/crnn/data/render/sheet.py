"""A contact sheet: many words in a grid with their labels under them, to be looked at."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

CELL = (150, 56)  # px; width and height of a word with its label
WORD = (144, 38)  # px; the room for the word in it
LABEL_SIZE = 11  # px per em
PAPER, PRINT = 255, 0  # gray levels


def contact_sheet(words: Sequence[tuple[npt.NDArray[np.uint8], str]], columns: int) -> Image.Image:
    """Return a gray sheet of (gray pixels [H, W], label) pairs, row by row, each as large as its cell allows."""
    rows = math.ceil(len(words) / columns)
    sheet = Image.new("L", (columns * CELL[0], rows * CELL[1]), PAPER)
    canvas = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(LABEL_SIZE)
    for index, (pixels, label) in enumerate(words):
        x, y = index % columns * CELL[0] + 3, index // columns * CELL[1] + 2
        sheet.paste(Image.fromarray(_fitted(pixels)), (x, y))
        canvas.text((x, y + WORD[1] + 1), _shortened(label, font), font=font, fill=PRINT)
    return sheet


def _fitted(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = pixels.shape
    scale = min(WORD[0] / width, WORD[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)


def _shortened(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(label) <= WORD[0]:
        return label
    kept = next(end for end in range(len(label), 0, -1) if font.getlength(label[:end] + "\u2026") <= WORD[0])
    return label[:kept] + "\u2026"
