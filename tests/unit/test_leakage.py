"""Calibration words and words of datasets: one picture in both is found, in whatever file format, and named."""

import io
from argparse import Namespace
from pathlib import Path

import pytest
from PIL import Image

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.data.lmdb import write_words
from examples import png, scribble
from stages.data import check_leakage


def as_bmp(data: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(data)).save(stream, "BMP")
    return stream.getvalue()


def words(folder: Path, *images: bytes) -> Path:
    write_words(folder, [(image, "word") for image in images])
    return folder


def check(calibration: Path, **datasets: Path) -> Path:
    output = calibration.parent / "leakage.json"
    check_leakage.main(Namespace(words=calibration, dataset=list(datasets.items()), output=output))
    return output


MINE = [png(scribble(60, 20, seed=seed)) for seed in (1, 2)]
OTHERS = [png(scribble(60, 20, seed=seed)) for seed in (3, 4, 5)]


def test_words_of_which_none_is_shared_are_counted(tmp_path: Path) -> None:
    checked = check(words(tmp_path / "mine", *MINE), first=words(tmp_path / "a", *OTHERS))
    assert read_json(checked) == {"shared": 0, "words": {"calibration": 2, "first": 3}}


def test_a_shared_image_is_named_also_in_another_format(tmp_path: Path) -> None:
    test_words = words(tmp_path / "a", OTHERS[0], as_bmp(MINE[1]))
    with pytest.raises(UserError) as error:
        check(words(tmp_path / "mine", *MINE), clean=words(tmp_path / "b", *OTHERS), shop=test_words)
    assert "1 of its images are in the dataset shop too (image-000000002 is its image-000000002)" in str(error.value)
    assert "calibration.seed or calibration.lmdb" in str(error.value)
    assert not (tmp_path / "leakage.json").exists()


def test_unreadable_images_are_no_reason(tmp_path: Path) -> None:
    check(words(tmp_path / "mine", b"", b"broken", *MINE), first=words(tmp_path / "a", b"", b"broken", *OTHERS))
