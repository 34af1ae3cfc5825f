"""The library that an application reads with: any kind of image in, for each a reading or its fault out."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bundles import PADDED, Recognised, pictures, recognised
from crnn.core.files import read_json
from crnn.inference import Reading, Recogniser
from crnn.inference.recogniser import AHEAD
from engine.code_digest import Modules
from examples import jpeg, png
from stage import STAGES

ROOT = STAGES.parent


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Recognised:
    return recognised(tmp_path_factory.mktemp("gray"), batch="4")


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Recognised:
    return recognised(tmp_path_factory.mktemp("colour"), widths=PADDED)


@pytest.fixture
def recogniser(gray: Recognised) -> Iterator[Recogniser]:
    with Recogniser.open(gray.bundle, threads=2) as opened:
        yield opened


def golden(made: Recognised) -> tuple[list[Path], list[str]]:
    """The files of the golden words, and their texts."""
    words = read_json(made.bundle / "golden/words.json")
    return [made.bundle / "golden" / word["file"] for word in words], [word["text"] for word in words]


def texts(readings: list[Reading]) -> list[str | None]:
    return [reading.text for reading in readings]


# --- what it takes -----------------------------------------------------------------------------------------


def test_an_application_imports_it_from_the_room() -> None:
    command = "from crnn.inference import Reading, Recogniser; print(Recogniser.__module__)"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "crnn.inference.recogniser\n"


def test_stages_that_do_not_read_with_bundles_do_not_depend_on_it() -> None:
    files = Modules(ROOT).digests("stages/run/predict.py")
    assert "crnn/inference/__init__.py" in files
    assert "crnn/inference/recogniser.py" not in files


def test_paths_bytes_and_arrays_may_be_mixed_and_keep_their_order(gray: Recognised, recogniser: Recogniser) -> None:
    files, expected = golden(gray)
    forms = cycle([lambda path: path, str, Path.read_bytes, lambda path: cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)])
    readings = recogniser.read(form(path) for form, path in zip(forms, files, strict=False))
    assert texts(readings) == expected
    assert [reading.place for reading in readings] == list(range(len(files)))


def test_colours_become_gray_and_gray_becomes_colours(gray: Recognised, colour: Recognised) -> None:
    coloured, plain = pictures(3), pictures(1)
    with Recogniser.open(gray.bundle, threads=1) as recogniser:
        grays = [cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) for pixels in coloured]
        assert texts(recogniser.read(coloured)) == texts(recogniser.read(grays))
    with Recogniser.open(colour.bundle, threads=1) as recogniser:
        assert texts(recogniser.read(coloured)) == golden(colour)[1]
        assert texts(recogniser.read(plain)) == texts(recogniser.read(map(png, plain)))


def test_an_array_may_be_a_view(gray: Recognised, recogniser: Recogniser) -> None:
    pixels = pictures(1)[0]
    views = [pixels[::-1][::-1], np.asfortranarray(pixels), np.pad(pixels, 3)[3:-3, 3:-3]]
    assert texts(recogniser.read(views)) == golden(gray)[1][:1] * 3


def test_a_stream_gives_readings_while_images_still_come(gray: Recognised, recogniser: Recogniser) -> None:
    """Batches of four words of one width are read when they are full, and so before an endless stream ends."""
    files, expected = golden(gray)
    stream = recogniser.stream(repeat(files[0]))
    assert [reading.text for reading in islice(stream, 9)] == expected[:1] * 9
    stream.close()


def test_nothing_is_a_list_of_nothing(recogniser: Recogniser) -> None:
    assert recogniser.read([]) == []


# --- threads -----------------------------------------------------------------------------------------------


def test_threads_share_one(gray: Recognised, recogniser: Recogniser) -> None:
    files, expected = golden(gray)
    with ThreadPoolExecutor(4) as pool:
        turns = [pool.submit(recogniser.read, files[start:] + files[:start]) for start in range(8)]
    assert [texts(turn.result()) for turn in turns] == [expected[start:] + expected[:start] for start in range(8)]


def test_a_stream_that_is_closed_early_leaves_no_thread(gray: Recognised, recogniser: Recogniser) -> None:
    before = threading.active_count()
    stream = recogniser.stream(repeat(golden(gray)[0][0]))
    assert next(stream).error is None
    assert threading.active_count() > before
    stream.close()
    assert threading.active_count() == before


def test_readings_that_nobody_takes_hold_the_images_up(gray: Recognised, recogniser: Recogniser) -> None:
    taken = []
    endless = (taken.append(None) or image for image in repeat(golden(gray)[0][0].read_bytes()))
    stream = recogniser.stream(endless)
    next(stream)
    stop = threading.Event()
    stop.wait(0.5)
    assert len(taken) < 2 * AHEAD
    stream.close()


def test_what_the_images_raise_reaches_the_caller(gray: Recognised, recogniser: Recogniser) -> None:
    def images() -> Iterator[Path]:
        yield golden(gray)[0][0]
        raise LookupError("no more film")

    with pytest.raises(LookupError, match="no more film"):
        recogniser.read(images())
    assert texts(recogniser.read(golden(gray)[0])) == golden(gray)[1]


# --- what cannot be read -------------------------------------------------------------------------------------


def test_an_image_that_cannot_be_read_has_its_reason_and_the_rest_is_read(
    gray: Recognised, recogniser: Recogniser, tmp_path: Path
) -> None:
    files, expected = golden(gray)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").touch()
    whole = files[0].read_bytes()
    faults: dict[str, Any] = {
        "No such file": tmp_path / "missing.png",
        "Is a directory": tmp_path / "folder.png",
        "is empty": tmp_path / "empty.png",
        "is no whole image": whole[: len(whole) // 2],
        "is an array float32 [20, 60]; expected uint8": np.zeros((20, 60), np.float32),
        "is an array uint8 [20, 60, 4]; expected uint8": np.zeros((20, 60, 4), np.uint8),
        "is an array uint8 [0, 60]; expected uint8": np.zeros((0, 60), np.uint8),
        "null": "null\0byte.png",
        "NoneType": None,
    }
    torn = [jpeg(pictures(1)[0])[:99], png(np.zeros((8192, 8193), np.uint8))]
    readings = recogniser.read([files[0], *faults.values(), *torn, files[1]])
    assert [readings[0].text, readings[-1].text] == expected[:2]
    failed = readings[1:-1]
    for reading, reason in zip(failed, [*faults, "is no whole image", "is no whole image"], strict=True):
        assert reason in str(reading.error)
        assert "\n" not in str(reading.error)
        assert (reading.text, reading.confidence) == (None, None)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_an_image_of_any_shape_is_read(size: tuple[int, int], recogniser: Recogniser) -> None:
    (reading,) = recogniser.read([np.zeros(size, np.uint8)])
    assert reading.error is None
