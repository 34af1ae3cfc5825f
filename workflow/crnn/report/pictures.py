"""Thumbnails of dataset words for the page: decoded, made small, encoded again, never passed through.

Re-encoding bounds the page and keeps whatever else an image file may carry (metadata, trailing bytes) out of it.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from crnn.words import Words

HEIGHT = 48  # tallest thumbnail, pixels
WIDTH = 240  # widest thumbnail, pixels


@dataclass(frozen=True)
class Thumbnail:
    """A PNG as a data: URI, and its size in pixels."""

    uri: str
    width: int
    height: int


def thumbnail(image: bytes | None) -> Thumbnail | None:
    """Encoded image to a PNG of at most WIDTH × HEIGHT, never enlarged; None where it cannot be decoded."""
    if not image:
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # OpenCV refuses absurd sizes by raising, damage by returning None
        return None
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    scale = min(1.0, HEIGHT / height, WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, png = cv2.imencode(".png", small, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return Thumbnail(f"data:image/png;base64,{base64.b64encode(png.tobytes()).decode('ascii')}", *size)


class Pictures:
    """Thumbnails by LMDB index, from the words of several datasets. Use it as a context manager."""

    def __init__(self) -> None:
        self._words: dict[Path, Words] = {}
        self._made: dict[tuple[Path, int], Thumbnail | None] = {}

    def __call__(self, words: Path, index: int) -> Thumbnail | None:
        """The thumbnail of record `index` of the LMDB `words`; None where there is no readable image."""
        if words not in self._words:
            self._words[words] = Words(words)
        if (words, index) not in self._made:
            self._made[words, index] = thumbnail(self._words[words][index].image)
        return self._made[words, index]

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for words in self._words.values():
            words.close()
