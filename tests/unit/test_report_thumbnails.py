"""Thumbnails: small, re-encoded, never a crash."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from crnn.data.lmdb import write_words
from crnn.report.drawing.thumbnails import HEIGHT, WIDTH, thumbnail, thumbnails
from report_results import picture


def pixels(shown: str) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(base64.b64decode(shown), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def test_a_large_picture_is_shrunk_with_its_aspect() -> None:
    image = cv2.imencode(".png", np.full((300, 600, 3), 90, np.uint8))[1].tobytes()
    shown = thumbnail(image)
    assert shown is not None
    assert pixels(shown).shape == (HEIGHT, 96, 3)


def test_a_very_wide_picture_is_bounded_by_width() -> None:
    image = cv2.imencode(".png", np.full((20, 2000), 90, np.uint8))[1].tobytes()
    shown = thumbnail(image)
    assert shown is not None
    assert pixels(shown).shape == (2, WIDTH, 3)


def test_a_small_picture_is_not_enlarged_and_looks_as_it_did() -> None:
    image = np.linspace(0, 255, 12 * 30).astype(np.uint8).reshape(12, 30)
    shown = thumbnail(cv2.imencode(".png", image)[1].tobytes())
    assert shown is not None
    assert pixels(shown).shape == (12, 30, 3)
    assert np.abs(pixels(shown)[:, :, 0] - image.astype(int)).mean() < 3


def test_bytes_behind_the_picture_do_not_reach_the_page() -> None:
    shown = thumbnail(picture("word") + b"<script>alert(1)</script>")
    assert shown is not None
    assert b"script" not in base64.b64decode(shown)


@pytest.mark.parametrize("image", [None, b"", b"no image", picture("word")[:60], b"\x89PNG\r\n\x1a\n"])
def test_what_cannot_be_decoded_has_no_thumbnail(image: bytes | None) -> None:
    assert thumbnail(image) is None


def test_pictures_come_from_the_dataset_by_lmdb_index(tmp_path: Path) -> None:
    write_words(tmp_path / "words.lmdb", [(picture("one"), "one"), (b"torn", "two")])
    assert thumbnails(tmp_path / "words.lmdb", [2, 1], 10**6) == {2: None, 1: thumbnail(picture("one"))}


def test_pictures_end_where_their_limit_does(tmp_path: Path) -> None:
    write_words(tmp_path / "words.lmdb", [(picture("one"), "one")] * 3)
    one = len(thumbnail(picture("one")) or "")
    assert list(thumbnails(tmp_path / "words.lmdb", [3, 1, 2], 2 * one + 20)) == [3, 1]
