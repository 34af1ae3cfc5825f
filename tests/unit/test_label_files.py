"""Label files as many tools write them: their form is told by their content, and every line counts."""

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.data.sources.label_files import Form, read_labels

Pairs = list[tuple[str, str]]


def labels(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs(path: Path, form: Form | None = None, there: tuple[str, ...] = (), names: str | None = None) -> Pairs:
    """The entries of a label file; `there`: the images that exist."""
    return [(entry.file, entry.text) for entry in read_labels(path, form, there.__contains__, names)]


# --- tables and lines ------------------------------------------------------------------------------------------


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
    assert [entry.line for entry in read_labels(path, "text", bool)] == [1, 3]


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
        ("csv", "a.png,Open\n", r"line 1: expected a header line .* found 'a.png,Open'"),
        ("csv", "", "is empty"),
        ("json", '[{"file": "a.png"}]', "expected an object with the keys 'file' and 'text'"),
        ("json", '{"file": "a.png", "text": "x"}\n{"file": ', r"is no JSON \(.*\), nor is line 2 \("),
        ("json", '{"a.png": "x", "a.png": "y"}', "an object has one key twice"),
        (None, "<!DOCTYPE html>\\n<title>Sign in</title>", "is a web page"),
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
    tmp_path: Path, form: Form | None, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        pairs(labels(tmp_path, "labels", content), form)


def test_a_missing_label_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent: cannot be read"):
        pairs(tmp_path / "absent")


# --- the form is told by the content -----------------------------------------------------------------------

MMOCR = {"metainfo": {}, "data_list": [{"img_path": "a.png", "instances": [{"text": "Open"}]}]}


@pytest.mark.parametrize(
    "content",
    [
        "file,text\na.png,Open\n",
        "filename,words\na.png,Open\n",
        "id;label;file_name\n1;Open;a.png\n",
        "file\ttext\na.png\tOpen\n",
        "a.png\tOpen\n",
        "a.png Open\n",
        "a.png|||Open\n",
        "a.png,Open\n",
        '\ufeffa.png, "Open"\r\n',
        "Open a.png\n",
        "Open\ta.png\n",
        '{"filename": "a.png", "text": "Open"}\n',
        '\n{"file_name": "a.png", "label": "Open"}\n\n',
        '{"a.png": "Open"}',
        '[{"img_path": "a.png", "gt": "Open"}]',
        json.dumps(MMOCR),
        json.dumps(MMOCR, indent="\t"),
    ],
)
@pytest.mark.parametrize("name", ["labels.txt", "labels.csv", "gt"])
def test_each_form_is_read_whatever_the_file_is_called(tmp_path: Path, content: str, name: str) -> None:
    assert pairs(labels(tmp_path, name, content), there=("a.png",)) == [("a.png", "Open")]


@pytest.mark.parametrize(
    ("line", "there", "expected"),
    [
        ("word 1.png\tPull here", "word 1.png", ("word 1.png", "Pull here")),
        ("word.png Pull\there", "word.png", ("word.png", "Pull\there")),
        ("word.png Mind, gap", "word.png", ("word.png", "Mind, gap")),
        ("Pull here word.png", "word.png", ("word.png", "Pull here")),
        ("word.png, 1,000", "word.png", ("word.png", "1,000")),
        ('word.png, "say \\"hi\\""', "word.png", ("word.png", 'say "hi"')),
        ('word.png, ""Pull""', "word.png", ("word.png", '"Pull"')),
        ('word.png "Pull"', "word.png", ("word.png", '"Pull"')),
        ("a|||b|||c", "a", ("a", "b|||c")),
        ("2024 2024.png", "2024.png", ("2024.png", "2024")),
        ("word 1.PNG Pull here", "word 1.PNG", ("word 1.PNG", "Pull here")),
    ],
)
def test_a_line_is_parted_where_the_image_is_there(
    tmp_path: Path, line: str, there: str, expected: tuple[str, str]
) -> None:
    assert pairs(labels(tmp_path, "l.txt", line), there=(there,)) == [expected]


def test_lines_with_a_tab_and_lines_with_blanks_may_mix(tmp_path: Path) -> None:
    path = labels(tmp_path, "l.txt", "a b.png\tone two\nc.png three\nd.png\n")
    assert pairs(path, there=("a b.png", "c.png", "d.png")) == [
        ("a b.png", "one two"),
        ("c.png", "three"),
        ("d.png", ""),
    ]


def test_the_label_may_stand_in_the_name_where_that_is_asked(tmp_path: Path) -> None:
    path = labels(tmp_path, "l.txt", "./1/115_Lube_45484.jpg 45484\n./2/7_a b_3.jpg\n")
    there = ("./2/7_a b_3.jpg",)
    expected = [("./1/115_Lube_45484.jpg", "Lube"), ("./2/7_a b_3.jpg", "a b")]
    assert pairs(path, there=there, names=r"\d+_(.*)_\d+") == expected
    with pytest.raises(UserError, match=r"line 1: the name '115_Lube_45484\.jpg' does not match"):
        pairs(path, names=r"(.*)-\d+")
