"""From the bytes of an image file to pixels, in one way for all that read or show words.

JPEG and PNG are read by OpenCV. What it cannot do rightly, transparency and every other format, is read by Pillow.
"""

import io
from contextlib import suppress
from math import inf
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Pixels = npt.NDArray[np.uint8]

JPEG = b"\xff\xd8\xff"  # ISO/IEC 10918-1, annex B: SOI and the first byte of the next marker
PNG = b"\x89PNG\r\n\x1a\n"  # ISO/IEC 15948, section 5.2
COLOUR_TYPE = 25  # place in a PNG's header; from 4 on there is alpha
OPAQUE = 255
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of a JPEG: the markers behind which its size stands
LARGEST = 1 << 26  # pixels; what claims more is no word, and would take gigabytes

# Formats that begin with a mark of their own. (Pillow hands some others to outside programs: EPS to Ghostscript.)
OTHERS = ("AVIF", "BMP", "DIB", "GIF", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# Pillow's modes whose values have a colour by themselves; numbers of 32 bits and CIELAB have none.
SHOWN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
# What images begin with that are not read: Photoshop, JPEG XL, HEIF, OpenEXR, floats of PFM and Radiance, icons, SVG,
# PDF, PostScript; with the place where it stands.
FOREIGN = (
    *((0, mark) for mark in (b"8BPS", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\x76\x2f\x31\x01", b"Pf\n", b"PF\n", b"#?RAD")),
    *((0, mark) for mark in (b"\0\0\x01\0", b"<svg", b"<?xml", b"%PDF", b"%!PS")),
    *((4, mark) for mark in (b"ftyphei", b"ftypmif1", b"ftyphev")),
)


def decode(data: bytes, channels: int = 1) -> Pixels | None:
    """Pixels of an image file: gray uint8 [H, W], or of 3 channels BGR [H, W, 3]; None where they cannot be had.

    EXIF says how to turn the image, of several frames the first counts, and 16 bits are their upper 8. Transparent
    pixels are blended with white; with black where what the image shows is light. Images of more than 64 megapixels
    are not decoded.
    """
    if data.startswith((JPEG, PNG)) and _claimed_pixels(data) > LARGEST:
        return None
    if data.startswith(JPEG) or (data.startswith(PNG) and not _is_transparent(data)):
        return _by_opencv(data, channels)
    pixels = _by_pillow(data)
    if pixels is None or pixels.ndim == (2 if channels == 1 else 3):
        return pixels
    return _uint8(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_GRAY2BGR))


def is_foreign(data: bytes) -> bool:
    """Whether what `decode` gives no pixels for is an image of a kind that it does not show, and not a damaged one."""
    if any(data[start : start + len(mark)] == mark for start, mark in FOREIGN):
        return True
    image = _opened(data)
    return image is not None and not _has_colours(image)


def _uint8(pixels: npt.NDArray[Any]) -> Pixels:
    return pixels.astype(np.uint8, copy=False)


def _by_opencv(data: bytes, channels: int) -> Pixels | None:
    mode = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error:  # a header that claims an impossible size
        return None
    return None if pixels is None else _uint8(pixels)


def _claimed_pixels(data: bytes) -> float:
    """Pixels that the header of a PNG or JPEG promises; infinite where a JPEG's segments do not lead to one."""
    if data.startswith(PNG):
        return int.from_bytes(data[16:20]) * int.from_bytes(data[20:24])
    place = 2
    while data[place : place + 1] == b"\xff" and len(data) > place + 8:
        marker = data[place + 1]
        if marker in FRAMES:
            return int.from_bytes(data[place + 5 : place + 7]) * int.from_bytes(data[place + 7 : place + 9])
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4])
    return inf


def _is_transparent(png: bytes) -> bool:
    """Whether a PNG has a pixel that is not opaque. Only those whose header allows it are looked into."""
    if png[COLOUR_TYPE : COLOUR_TYPE + 1] < b"\4" and b"tRNS" not in png[: png.find(b"IDAT")]:
        return False
    image = _opened(png)
    try:
        return image is not None and image.convert("RGBA").getchannel("A").getextrema()[0] != OPAQUE
    except Exception:  # damaged, as OpenCV will say
        return False


def _opened(data: bytes) -> Image.Image | None:
    try:
        image = Image.open(io.BytesIO(data), formats=OTHERS)
        return image if image.width * image.height <= LARGEST else None
    except Exception:  # damaged files make Pillow raise nearly everything
        return None


def _has_colours(image: Image.Image) -> bool:
    return image.mode in SHOWN or _has_16_bits(image)


def _has_16_bits(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def _by_pillow(data: bytes) -> Pixels | None:
    """Gray [H, W] or BGR [H, W, 3]."""
    image = _opened(data)
    if image is None or not _has_colours(image):
        return None
    turned = image
    with suppress(Exception):  # of damaged EXIF; the image may be whole
        turned = ImageOps.exif_transpose(image)
    try:
        if _has_16_bits(image):
            return _uint8(np.asarray(turned) >> 8)
        if turned.has_transparency_data:
            return _blended(np.asarray(turned.convert("RGBA")))
        if turned.mode in ("1", "L"):
            return np.asarray(turned.convert("L"))
        return np.ascontiguousarray(np.asarray(turned.convert("RGB"))[..., ::-1])
    except Exception:  # as above
        return None


def _blended(rgba: Pixels) -> Pixels:
    """RGBA [H, W, 4] over a ground, as BGR; where nothing at all is covered, alpha says nothing."""
    colour, cover = np.ascontiguousarray(rgba[..., 2::-1]), rgba[..., 3:].astype(np.uint16)
    if not cover.any():
        return colour
    gray = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    ground = 0 if np.average(gray, weights=cover[..., 0]) > OPAQUE / 2 else 255
    return _uint8((colour * cover + ground * (OPAQUE - cover) + OPAQUE // 2) // OPAQUE)
