"""A folder of images with a label file: the forms that are understood, and what becomes of what is wrong."""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.data.lmdb import Words
from crnn.data.sources.images import Entry, Findings, Form, form_of_suffix, read_images, read_labels

STAGE = (Path(__file__).parents[2] / "workflow" / "stage.py", "import_images")
PIXELS = np.random.default_rng(7).integers(0, 256, (20, 40, 3), dtype=np.uint8)


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, PIXELS)[1].tobytes()


def labels(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs(path: Path, form: Form) -> list[tuple[str, str]]:
    return [(entry.file, entry.text) for entry in read_labels(path, form)]


def images(folder: Path, *files: str) -> tuple[list[bytes], Findings]:
    """Read the named files of a folder as if a label file listed them."""
    findings = Findings()
    entries = [Entry(file, "label", line) for line, file in enumerate(files, 2)]
    return [image for image, _ in read_images(folder, folder / "labels.csv", entries, findings)], findings


# --- label files -------------------------------------------------------------------------------------------


def test_csv_with_header_and_quotes(tmp_path: Path) -> None:
    path = labels(tmp_path, "l.csv", 'file,text\na.png,Open\n"b c.png","1,000"\nd.png,5"\ne.png,"""quoted"""\n')
    assert pairs(path, "csv") == [("a.png", "Open"), ("b c.png", "1,000"), ("d.png", '5"'), ("e.png", '"quoted"')]


def test_tsv_separates_by_tabs_only(tmp_path: Path) -> None:
    path = labels(tmp_path, "l.tsv", "file\ttext\na b.png\tOpen, now\n")
    assert pairs(path, "tsv") == [("a b.png", "Open, now")]


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    path = labels(tmp_path, "l.csv", "width,text,file\n31,Open,a.png\n")
    assert pairs(path, "csv") == [("a.png", "Open")]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_tolerated(tmp_path: Path) -> None:
    path = labels(tmp_path, "l.csv", b"\xef\xbb\xbffile,text\r\n\r\na.png,caf\xc3\xa9\r\n\r\n")
    assert pairs(path, "csv") == [("a.png", "café")]
    path = labels(tmp_path, "l.txt", b"\xef\xbb\xbfa.png caf\xc3\xa9\r\n\r\nb.png x\r\n")
    assert pairs(path, "text") == [("a.png", "café"), ("b.png", "x")]


def test_an_empty_text_cell_is_an_empty_label(tmp_path: Path) -> None:
    assert pairs(labels(tmp_path, "l.csv", "file,text\na.png,\n"), "csv") == [("a.png", "")]


def test_text_lines_are_split_at_the_first_blanks(tmp_path: Path) -> None:
    content = "a.png one two\nb.png\ttab sep\nc.png   wide\nd.png\ne.png \n  f.png g\n"
    expected = [("a.png", "one two"), ("b.png", "tab sep"), ("c.png", "wide"), ("d.png", ""), ("e.png", "")]
    assert pairs(labels(tmp_path, "l.txt", content), "text") == [*expected, ("f.png", "g")]


def test_only_line_ends_end_a_text_line(tmp_path: Path) -> None:
    assert pairs(labels(tmp_path, "l.txt", "a.png x\x0by\u2028z\n"), "text") == [("a.png", "x\x0by\u2028z")]


def test_entries_know_their_line(tmp_path: Path) -> None:
    path = labels(tmp_path, "l.txt", "a.png x\n\nb.png y\n")
    assert [entry.line for entry in read_labels(path, "text")] == [1, 3]


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), form=st.sampled_from(["csv", "tsv"]))
def test_a_table_written_by_the_csv_module_is_read_back(text: str, form: Form) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "labels"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, "excel" if form == "csv" else "excel-tab")
            writer.writerows([("file", "text"), ("a.png", text)])
        assert pairs(path, form) == [("a.png", text)]


@pytest.mark.parametrize(
    ("form", "content", "complaint"),
    [
        ("csv", "a.png,Open\n", r"line 1: expected a header line .* found \['a.png', 'Open'\]"),
        ("csv", "", "line 1: expected a header line"),
        ("tsv", "file,text\na.png,Open\n", "line 1: expected a header line"),
        ("csv", "file,text\na.png,1,000\n", "line 2: 3 cells, the header has 2"),
        ("csv", "file,text\na.png\n", "line 2: 1 cells, the header has 2"),
        ("tsv", 'file\ttext\na.png\t"Open\n12"\n', "line 3: a quoted cell runs over a line end"),
        ("tsv", 'file\ttext\na.png\t"Open\nb.png\tx\n', "unpaired quote"),
        ("csv", "file,text\n", "lists no images"),
        ("text", "\n \n", "lists no images"),
        ("text", b"a.png caf\xe9\n", "is not UTF-8"),
        ("csv", "file,text\na.png,x\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_label_file_of_another_form_is_refused(
    tmp_path: Path, form: Form, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        read_labels(labels(tmp_path, "labels", content), form)


def test_a_missing_label_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent: cannot be read"):
        read_labels(tmp_path / "absent", "csv")


def test_the_suffix_tells_the_form() -> None:
    assert [form_of_suffix(Path(name)) for name in ("a.csv", "a.TSV", "a.txt")] == ["csv", "tsv", "text"]
    with pytest.raises(UserError, match=r"gt\.labels: the suffix is none of \.csv, \.tsv, \.txt"):
        form_of_suffix(Path("gt.labels"))


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
    with pytest.raises(UserError, match="holds none of the 2 images"):
        images(tmp_path, "a.png", "b.png")


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
    assert record["parameters"] == {"folder": str(tmp_path), "form": "tsv"}
    findings = {"missing": ["lost.png"], "repeated": ["a.png"], "unreadable": [], "converted": []}
    assert record["results"] == {"words": 3, **findings}


def test_a_stated_form_prevails_over_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    path = labels(tmp_path, "labels.csv", "a.png Open\n")
    result = import_images(tmp_path, path, tmp_path / "words.lmdb", "--form", "text")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "words.json").read_text())["parameters"]["form"] == "text"


def test_the_stage_ends_with_one_line_where_the_label_file_has_no_header(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    result = import_images(tmp_path, labels(tmp_path, "labels.csv", "a.png,Open\n"), tmp_path / "words.lmdb")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/labels.csv, line 1: expected a header line")
