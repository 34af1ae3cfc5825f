"""A folder of images with a label file, read as words.

A label file is a table with the columns `file` and `text` (CSV or TSV, header line first), or lines of
`path label` as many text-recognition tools write them. Nothing listed is dropped: what is wrong with an entry is
noted in `Findings`.

Not here: whether an image is whole or a label legal; make_tensors finds that out for every source.
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO, get_args

import cv2

from crnn.core.errors import UserError
from crnn.data.preprocess import opencv_decode

Form = Literal["csv", "tsv", "text"]
FORMS: tuple[Form, ...] = get_args(Form)
FORM_OF_SUFFIX: dict[str, Form] = {".csv": "csv", ".tsv": "tsv", ".txt": "text"}
DIALECTS = {"csv": csv.excel, "tsv": csv.excel_tab}

PNG = b"\x89PNG\r\n\x1a\n"  # ISO/IEC 15948, section 5.2
JPEG = b"\xff\xd8\xff"  # ISO/IEC 10918-1, annex B: SOI and the first byte of the next marker


@dataclass(frozen=True)
class Entry:
    """One entry of a label file: the image's path as written, its label, and the line where it stands (from 1)."""

    file: str
    text: str
    line: int


@dataclass
class Findings:
    """What an import noticed, by the paths in the label file."""

    missing: list[str] = field(default_factory=list)  # stored with no image bytes
    unreadable: list[str] = field(default_factory=list)  # empty, or no image that OpenCV reads; stored as they are
    repeated: list[str] = field(default_factory=list)  # listed again; stored again
    converted: list[str] = field(default_factory=list)  # neither PNG nor JPEG; stored as PNG


# --- the label file ----------------------------------------------------------------------------------------


def form_of_suffix(labels: Path) -> Form:
    """The form by the file's suffix, in either case. Raises UserError on an unknown suffix."""
    known = FORM_OF_SUFFIX.get(labels.suffix.lower())
    if known is None:
        suffixes = ", ".join(FORM_OF_SUFFIX)
        raise UserError(f"{labels}: the suffix is none of {suffixes}; rename it or state the form ({', '.join(FORMS)})")
    return known


def _table_entries(stream: TextIO, labels: Path, form: Form) -> Iterator[Entry]:
    reader = csv.reader(stream, DIALECTS[form], strict=True)
    header = [name.strip() for name in next(reader, [])]
    if not {"file", "text"} <= set(header):
        raise UserError(f"{labels}, line 1: expected a header line with the columns 'file' and 'text', found {header}")
    file, text = header.index("file"), header.index("text")
    for row in reader:
        where = f"{labels}, line {reader.line_num}"
        if not row:
            continue
        if any("\n" in cell or "\r" in cell for cell in row):
            raise UserError(
                f'{where}: a quoted cell runs over a line end; write a label that begins with " as """like so"'
            )
        if len(row) != len(header):
            raise UserError(f"{where}: {len(row)} cells, the header has {len(header)}; quote a cell with a separator")
        yield Entry(row[file], row[text], reader.line_num)


def _text_entries(stream: TextIO) -> Iterator[Entry]:
    for number, line in enumerate(stream, 1):
        file, *rest = re.split(r"[ \t]+", line.strip(" \t\r\n"), maxsplit=1)
        if file:
            yield Entry(file, "".join(rest), number)


def read_labels(labels: Path, form: Form) -> list[Entry]:
    """Return the entries of a label file in their order.

    The file is UTF-8, with or without a byte-order mark. In a table, columns other than `file` and `text` are
    ignored. In the text form the first blanks (spaces or tabs) end the path, the rest is the label, and there may
    be none. Raises UserError where the file cannot be read, is not of this form, or lists nothing.
    """
    try:
        with labels.open(encoding="utf-8-sig", newline=None if form == "text" else "") as stream:
            entries = list(_text_entries(stream) if form == "text" else _table_entries(stream, labels, form))
    except OSError as error:
        raise UserError(f"{labels}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{labels}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except csv.Error as error:
        raise UserError(
            f"{labels}: is not a whole {form.upper()} table ({error}); look for an unpaired quote"
        ) from error
    if not entries:
        raise UserError(f"{labels}: lists no images")
    return entries


# --- the images --------------------------------------------------------------------------------------------


def _locate(folder: Path, entry: Entry, labels: Path) -> Path:
    """Where an entry's image is. The path may use `..` as long as it stays in the folder; links are followed."""
    root = Path(os.path.abspath(folder))
    # abspath, not resolve: whoever made the folder may link images into it; the label file may not lead out of it.
    path = Path(os.path.abspath(root / entry.file))
    if not entry.file or path == root or not path.is_relative_to(root):
        raise UserError(
            f"{labels}, line {entry.line}: path {entry.file!r} does not name a file inside {folder}; "
            "list files by their path from that folder"
        )
    return path


def _stored_form(data: bytes, file: str, findings: Findings) -> bytes:
    """The bytes to store: PNG and JPEG as they are, what else OpenCV reads as 8-bit colour PNG, the rest as it is."""
    if data.startswith((PNG, JPEG)):
        return data
    pixels = opencv_decode(data, cv2.IMREAD_COLOR)
    if pixels is None:
        findings.unreadable.append(file)
        return data
    findings.converted.append(file)
    return cv2.imencode(".png", pixels)[1].tobytes()


def read_images(folder: Path, labels: Path, entries: list[Entry], findings: Findings) -> Iterator[tuple[bytes, str]]:
    """Yield (image file bytes, label) for each entry, in order, and note in `findings` what is odd.

    Raises UserError where the folder is none, a path leads out of it, a file is there but may not be read, or not
    one listed image is there.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder; expected the folder of the images that {labels} lists")
    paths = [_locate(folder, entry, labels) for entry in entries]
    seen: set[Path] = set()
    for entry, path in zip(entries, paths, strict=True):
        if path in seen:
            findings.repeated.append(entry.file)
        seen.add(path)
        if not os.path.isfile(path):  # unlike Path.is_file, answers for a path that cannot exist, too
            findings.missing.append(entry.file)
            yield b"", entry.text
            continue
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        yield _stored_form(data, entry.file, findings), entry.text
    if len(findings.missing) == len(entries):
        raise UserError(
            f"{folder}: holds none of the {len(entries)} images that {labels} lists; is it the right folder?"
        )
