"""One decoder for all that read or show words: what a file shows is what is read, or it is said that it is not."""

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crnn.data.decode import Pixels, decode, is_foreign
from examples import jpeg, png, scribble

GRAY = scribble(90, 30, seed=3)  # dark strokes on a light ground


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def shown(data: bytes, channels: int = 1) -> Pixels:
    pixels = decode(data, channels)
    assert pixels is not None
    return pixels


def as_shown(data: bytes, within: int = 0) -> bool:
    """Whether a file shows `GRAY`, in gray and in colour."""
    found = [shown(data), *np.moveaxis(shown(data, 3), 2, 0)]
    return all(np.abs(plane.astype(int) - GRAY).max() <= within for plane in found)


def covered(ink: int, hidden: int = 0) -> Image.Image:
    """The word in the alpha channel: `ink` where it covers, `hidden` under what it does not."""
    colour = np.where(GRAY < 128, ink, hidden).astype(np.uint8)
    return Image.fromarray(np.dstack([colour] * 3 + [255 - GRAY]))


# --- what OpenCV reads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_ordinary_png_and_jpeg_are_what_opencv_reads_of_them(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    opaque = np.dstack([noise, np.full((20, 40), 255, np.uint8)])
    for data in (png(noise), jpeg(noise), png(opaque), png(noise[..., 0]), jpeg(noise[..., 0])):
        stored = np.frombuffer(data, np.uint8)
        assert np.array_equal(shown(data), np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE)))
        assert np.array_equal(shown(data, 3), np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR)))


def test_colours_are_blue_green_red() -> None:
    assert shown(saved(Image.new("RGB", (4, 2), (255, 128, 0)), "TIFF"), 3)[0, 0].tolist() == [0, 128, 255]
    assert shown(saved(Image.new("RGB", (4, 2), (255, 128, 0)), "PNG"), 3)[0, 0].tolist() == [0, 128, 255]


# --- formats, depths, colour spaces ------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000"])
def test_formats_without_loss_show_their_pixels(form: str) -> None:
    assert as_shown(saved(Image.fromarray(GRAY), form))
    if form not in ("GIF", "JPEG2000"):
        assert as_shown(saved(Image.fromarray(GRAY).convert("RGB"), form))


def test_formats_with_loss_nearly_do() -> None:
    picture = Image.fromarray(GRAY).convert("RGB")
    assert as_shown(saved(picture, "WEBP", lossless=True))
    assert as_shown(saved(picture, "AVIF", quality=100), within=6)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_their_upper_eight(suffix: str) -> None:
    deep = GRAY.astype(np.uint16) * 256 + 17
    assert as_shown(cv2.imencode(suffix, deep)[1].tobytes())
    assert as_shown(cv2.imencode(suffix, np.dstack([deep] * 3))[1].tobytes())


def test_other_depths_of_a_netpbm_file_fill_the_range() -> None:
    for most in (15, 100, 1023, 65535):
        levels = np.round(GRAY / 255 * most).astype(">u2" if most > 255 else np.uint8)
        assert as_shown(b"P5 90 30 %d\n" % most + levels.tobytes(), within=-(-128 // most) + 1)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "GIF", "BMP"])
def test_a_palette_shows_its_colours(form: str) -> None:
    palette = Image.fromarray(np.where(GRAY < 128, 0, 255).astype(np.uint8)).convert("P")
    assert set(np.unique(shown(saved(palette, form)))) == {0, 255}


@pytest.mark.parametrize(("mode", "form"), [("CMYK", "TIFF"), ("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("YCbCr", "TIFF")])
def test_other_colour_spaces_show_the_same(mode: str, form: str) -> None:
    assert as_shown(saved(Image.fromarray(GRAY).convert("RGB").convert(mode), form), within=60 if form == "JPEG" else 2)


# --- how it is turned --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, 1), (3, 2), (8, 3)])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_turns_the_image(form: str, orientation: int, turns: int) -> None:
    image = Image.fromarray(np.ascontiguousarray(np.rot90(GRAY, turns))).convert("RGB")
    exif = image.getexif()
    exif[274] = orientation
    loss = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    assert as_shown(saved(image, form, exif=exif, **loss), within=4)


def test_exif_turns_a_transparent_image_too() -> None:
    image = covered(0).transpose(Image.Transpose.ROTATE_90)
    exif = image.getexif()
    exif[274] = 6
    assert as_shown(saved(image, "PNG", exif=exif))


# --- transparency ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG2000"])
@pytest.mark.parametrize("hidden", [0, 255])
def test_dark_ink_stands_on_white_whatever_is_hidden(form: str, hidden: int) -> None:
    data = saved(covered(0, hidden), form, **({"lossless": True, "exact": True} if form == "WEBP" else {}))
    assert np.array_equal(shown(data)[GRAY < 128], GRAY[GRAY < 128])
    assert shown(data)[GRAY >= 128].min() >= GRAY[GRAY >= 128].min()


def test_light_ink_stands_on_black() -> None:
    assert np.array_equal(shown(saved(covered(255, 255), "PNG")), 255 - GRAY)


def test_a_transparent_entry_of_a_palette_or_gray_level_is_ground() -> None:
    picture = np.where(GRAY < 128, 0, 90).astype(np.uint8)
    assert set(np.unique(shown(saved(Image.fromarray(picture), "PNG", transparency=90)))) == {0, 255}
    palette = Image.fromarray(picture).convert("P")
    assert set(np.unique(shown(saved(palette, "GIF", transparency=90)))) == {0, 255}


def test_where_nothing_is_covered_alpha_says_nothing() -> None:
    rgba = np.dstack([GRAY, GRAY, GRAY, np.zeros_like(GRAY)])
    assert as_shown(png(rgba))


# --- what is not shown -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        saved(Image.fromarray(GRAY.astype(np.float32)), "TIFF"),
        saved(Image.fromarray(GRAY.astype(np.int32)), "TIFF"),
        cv2.imencode(".pfm", GRAY.astype(np.float32) / 255)[1].tobytes(),
        cv2.imencode(".hdr", np.dstack([GRAY.astype(np.float32)] * 3))[1].tobytes(),
        saved(Image.fromarray(GRAY), "ICO"),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"8BPS\0\x01",
        b'<?xml version="1.0"?><svg/>',
        b"%PDF-1.7",
    ],
    ids=["float TIFF", "32-bit TIFF", "PFM", "Radiance", "icon", "HEIF", "Photoshop", "SVG", "PDF"],
)
def test_an_image_of_a_kind_that_is_not_shown_is_told_from_a_damaged_one(data: bytes) -> None:
    assert decode(data) is None
    assert is_foreign(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_an_image_that_is_cut_off_is_none_and_not_foreign(form: str) -> None:
    data = saved(Image.fromarray(GRAY).convert("RGB"), form)
    assert decode(data[: len(data) // 2]) is None
    assert not is_foreign(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"", b"word", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"P5 0 0 255\n"])
def test_what_is_no_image_is_none(data: bytes) -> None:
    assert decode(data) is None
    assert not is_foreign(data)


def test_a_header_that_claims_an_impossible_size_is_no_image() -> None:
    bitmap = bytearray(cv2.imencode(".bmp", GRAY)[1].tobytes())
    bitmap[18:26] = struct.pack("<ii", 2**30, 2**30)  # width and height
    assert decode(bytes(bitmap)) is None


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
def test_an_image_of_more_than_64_megapixels_is_none(form: str) -> None:
    """These are whole; those of a plain surface are a few kilobytes in a format that packs."""
    largest, larger = (saved(Image.new("L", (width, 8192)), form) for width in (8192, 8193))
    assert shown(largest).shape == (8192, 8192)
    assert decode(larger) is None


def test_a_frame_that_no_segment_of_a_jpeg_leads_to_is_not_looked_for() -> None:
    whole = jpeg(GRAY)
    assert decode(whole[:2] + b"\xff\xff" + whole[2:]) is not None  # filling is allowed
    assert decode(whole[:20] + b"\0" + whole[20:]) is None


@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_photograph_is_an_image(progressive: bool) -> None:
    photograph = Image.fromarray(np.tile(GRAY, (60, 60)))
    assert (
        shown(saved(photograph, "JPEG", progressive=progressive, comment=b"x" * 60000)).shape == photograph.size[::-1]
    )


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]), st.binary(max_size=40), st.floats(0, 1))
def test_damaged_bytes_are_an_image_or_none_but_never_an_exception(form: str, damage: bytes, place: float) -> None:
    whole = saved(Image.fromarray(GRAY), form)
    start = int(place * len(whole))
    for channels, axes in ((1, 2), (3, 3)):
        pixels = decode(whole[:start] + damage + whole[start + len(damage) :], channels)
        assert pixels is None or (pixels.dtype == np.uint8 and pixels.ndim == axes)
