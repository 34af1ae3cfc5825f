"""A folder of images with a label file: what becomes of every image that is listed."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from crnn.core.errors import UserError
from crnn.data.lmdb import Words
from crnn.data.sources.images import Findings, read_images
from crnn.data.sources.label_files import Entry

STAGE = (Path(__file__).parents[2] / "workflow" / "stage.py", "import_images")
PIXELS = np.random.default_rng(7).integers(0, 256, (20, 40, 3), dtype=np.uint8)


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, PIXELS)[1].tobytes()


def labels(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def images(folder: Path, *files: str) -> tuple[list[bytes], Findings]:
    """Read the named files of a folder as if a label file listed them."""
    findings = Findings()
    entries = [Entry(file, "label", line) for line, file in enumerate(files, 2)]
    return [image for image, _ in read_images(folder, folder / "labels.csv", entries, findings)], findings


# --- images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_png_and_jpeg_keep_their_bytes_whatever_the_name(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "image.dat").write_bytes(encoded(suffix))
    stored, findings = images(tmp_path, "image.dat")
    assert stored == [encoded(suffix)]
    assert findings == Findings()


@pytest.mark.parametrize("suffix", [".bmp", ".tiff"])
def test_other_lossless_formats_become_png_of_the_same_pixels(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"image{suffix}").write_bytes(encoded(suffix))
    (stored,), findings = images(tmp_path, f"image{suffix}")
    assert stored.startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)), PIXELS)
    assert findings == Findings(converted=[f"image{suffix}"])


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_web_formats_become_png(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"image{suffix}").write_bytes(encoded(suffix))
    (stored,), _ = images(tmp_path, f"image{suffix}")
    assert stored.startswith(b"\x89PNG")


def test_what_is_no_image_is_stored_as_it_is(tmp_path: Path) -> None:
    contents = {"notes.png": b"not an image", "empty.png": b"", "cut.png": encoded(".png")[:50]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    stored, findings = images(tmp_path, *contents)
    assert stored == list(contents.values())
    assert findings == Findings(unreadable=["notes.png", "empty.png"])


def test_a_missing_image_is_an_empty_record(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    (tmp_path / "folder").mkdir()
    absent = ["absent.png", "folder", "x" * 300, "nul\0"]
    stored, findings = images(tmp_path, "a.png", *absent)
    assert stored == [encoded(".png"), b"", b"", b"", b""]
    assert findings == Findings(missing=absent)


def test_an_image_listed_again_is_stored_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    stored, findings = images(tmp_path, "a.png", "./a.png")
    assert len(stored) == 2
    assert findings == Findings(repeated=["./a.png"])


@pytest.mark.parametrize("file", ["../secret.png", "in/../../secret.png", "/etc/passwd", "..", ".", ""])
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(".png"))
    folder = tmp_path / "images"
    folder.mkdir()
    with pytest.raises(UserError, match=r"labels\.csv, line 2: path '.*' does not name a file inside"):
        images(folder, file)


def test_a_folder_whose_name_begins_alike_is_still_outside(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match="does not name a file inside"):
        images(tmp_path / "images", "../images-private/a.png")


def test_paths_that_stay_inside_may_be_absolute_or_take_turns(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    stored, _ = images(tmp_path, str(tmp_path / "a.png"), "sub/../a.png")
    assert stored == [encoded(".png")] * 2


def test_not_one_image_found_is_an_error(tmp_path: Path) -> None:
    line = r"Line 2 was read as the path 'a\.png' and the label 'label', and there is no /.*/a\.png"
    with pytest.raises(UserError, match=rf"holds none of the 2 images .*{line}"):
        images(tmp_path, "a.png", "b.png")


def test_backslashes_part_folders_where_no_name_has_them(tmp_path: Path) -> None:
    (tmp_path / "crop").mkdir()
    (tmp_path / "crop/a.png").write_bytes(encoded(".png"))
    (tmp_path / "b\\c.png").write_bytes(encoded(".jpg"))
    stored, findings = images(tmp_path, "crop\\a.png", "b\\c.png")
    assert stored == [encoded(".png"), encoded(".jpg")]
    assert findings == Findings()
    with pytest.raises(UserError, match="does not name a file inside"):
        images(tmp_path / "crop", "..\\b\\c.png")


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent: is not a folder"):
        images(tmp_path / "absent", "a.png")


# --- the stage ---------------------------------------------------------------------------------------------


def import_images(folder: Path, label_file: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    record = output.with_suffix(".json")
    options: list[str | Path] = ["--folder", folder, "--labels", label_file, "--output", output, "--record", record]
    return subprocess.run([sys.executable, *STAGE, *options, *more], capture_output=True, text=True, check=False)


def test_the_stage_writes_every_entry_and_names_what_was_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    path = labels(tmp_path, "labels.tsv", "file\ttext\na.png\tOpen\nlost.png\tShut\na.png\tOpen\n")
    result = import_images(tmp_path, path, tmp_path / "words.lmdb")
    assert result.returncode == 0, result.stderr
    assert "1 missing: lost.png" in result.stderr
    with Words(tmp_path / "words.lmdb") as words:
        assert [(word.image, word.label) for word in words] == [
            (encoded(".png"), b"Open"),
            (b"", b"Shut"),
            (encoded(".png"), b"Open"),
        ]
    record = json.loads((tmp_path / "words.json").read_text())
    assert record["parameters"] == {"folder": str(tmp_path), "form": "auto", "names": None}
    findings = {"missing": ["lost.png"], "repeated": ["a.png"], "unreadable": [], "converted": []}
    assert record["results"] == {"words": 3, **findings}


def test_a_stated_form_prevails_over_the_content(tmp_path: Path) -> None:
    (tmp_path / "file,text").write_bytes(encoded(".png"))
    path = labels(tmp_path, "labels.csv", "file,text Open\n")
    result = import_images(tmp_path, path, tmp_path / "words.lmdb", "--form", "text")
    assert result.returncode == 0, result.stderr
    assert "line 1 is read as 'file,text': 'Open'" in result.stderr


def test_the_stage_ends_with_one_line_where_a_table_has_no_header(tmp_path: Path) -> None:
    path = labels(tmp_path, "labels.csv", "a.png,Open\n")
    result = import_images(tmp_path, path, tmp_path / "words.lmdb", "--form", "csv")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/labels.csv, line 1: expected a header line")
