"""Thumbnails: small, re-encoded, never a crash."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from crnn.report.pictures import HEIGHT, WIDTH, Pictures, Thumbnail, thumbnail
from crnn.words import write_words
from report_results import picture


def pixels(shown: Thumbnail) -> np.ndarray:
    data = base64.b64decode(shown.uri.removeprefix("data:image/png;base64,"))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image


def test_a_large_picture_is_shrunk_with_its_aspect() -> None:
    image = cv2.imencode(".png", np.full((300, 600, 3), 90, np.uint8))[1].tobytes()
    shown = thumbnail(image)
    assert shown is not None
    assert (shown.width, shown.height) == (96, HEIGHT)
    assert pixels(shown).shape == (HEIGHT, 96, 3)


def test_a_very_wide_picture_is_bounded_by_width() -> None:
    image = cv2.imencode(".png", np.full((20, 2000), 90, np.uint8))[1].tobytes()
    shown = thumbnail(image)
    assert shown is not None
    assert (shown.width, shown.height) == (WIDTH, 2)


def test_a_small_picture_keeps_its_pixels() -> None:
    image = np.arange(12 * 30, dtype=np.uint8).reshape(12, 30)
    shown = thumbnail(cv2.imencode(".png", image)[1].tobytes())
    assert shown is not None
    assert (pixels(shown)[:, :, 0] == image).all()


def test_bytes_behind_the_picture_do_not_reach_the_page() -> None:
    shown = thumbnail(picture("word") + b"<script>alert(1)</script>")
    assert shown is not None
    assert b"script" not in base64.b64decode(shown.uri.partition(",")[2])


@pytest.mark.parametrize("image", [None, b"", b"no image", picture("word")[:60], b"\x89PNG\r\n\x1a\n"])
def test_what_cannot_be_decoded_has_no_thumbnail(image: bytes | None) -> None:
    assert thumbnail(image) is None


def test_pictures_come_from_the_dataset_by_lmdb_index(tmp_path: Path) -> None:
    write_words(tmp_path / "words.lmdb", [(picture("one"), "one"), (b"torn", "two")])
    with Pictures() as pictures:
        assert pictures(tmp_path / "words.lmdb", 1) == thumbnail(picture("one"))
        assert pictures(tmp_path / "words.lmdb", 2) is None
