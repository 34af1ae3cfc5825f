"""Thumbnails of dataset words for the page: decoded, made small, encoded again.

Encoding again bounds the page and keeps metadata and trailing bytes of image files out of it.
"""

import base64
from collections.abc import Iterable
from pathlib import Path

import cv2

from crnn.data.decode import decode
from crnn.data.lmdb import Words

HEIGHT = 48  # tallest thumbnail, pixels
WIDTH = 240  # widest thumbnail, pixels
QUALITY = 80  # of WebP, where 100 is the best


def thumbnail(image: bytes | None) -> str | None:
    """Encoded image to a WebP of at most WIDTH × HEIGHT, in Base64; never enlarged. None where it cannot be decoded."""
    pixels = decode(image or b"", 3)
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    scale = min(1.0, HEIGHT / height, WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, webp = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return base64.b64encode(webp.tobytes()).decode("ascii")


def thumbnails(words: Path, indices: Iterable[int], limit: int) -> dict[int, str | None]:
    """Thumbnails of records of the LMDB `words`, in the order given, until they take `limit` bytes.

    A record beyond the limit has no entry; one without a readable image has None.
    """
    made: dict[int, str | None] = {}
    taken = 0
    with Words(words) as stored:
        for index in indices:
            shown = thumbnail(stored[index].image)
            taken += len(shown or "") + 4
            if taken > limit:
                break
            made[index] = shown
    return made
