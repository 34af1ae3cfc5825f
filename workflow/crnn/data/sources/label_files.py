"""The label files of many tools, read as entries: which image has which text. Their form is told by their content.

Tables (CSV, TSV) have a line of column names; JSON is whole or an object per line. Everything else is lines of a path
and a label, and what parts them is decided by whose paths are there.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from crnn.core.errors import UserError
from crnn.core.files import what_it_is

Form = Literal["csv", "tsv", "json", "text"]
FORMS: tuple[Form, ...] = get_args(Form)
SEPARATORS = ",;\t"  # of the cells of a table

# What tools call the two columns: ours, Hugging Face, EasyOCR, MMOCR, PaddleOCR and others.
FILE_NAMES = ("file", "filename", "file_name", "img_path", "image_path", "path", "image", "img", "name")
TEXT_NAMES = ("text", "label", "words", "word", "transcription", "gt", "ground_truth")

TRIED = 200  # lines by which the parting of lines is decided

IsThere = Callable[[str], bool]  # whether a path of a label file leads to a file


@dataclass(frozen=True)
class Entry:
    """One entry of a label file: the image's path as written, its label, and the line where it stands (from 1)."""

    file: str
    text: str
    line: int


def read_labels(labels: Path, form: Form | None, is_there: IsThere, names: str | None = None) -> list[Entry]:
    """Return the entries of a label file, UTF-8 with or without a byte-order mark, in their order.

    form: None tells it by the content. is_there: decides between several ways to part a line. names: a regular
    expression; the lines are paths then, and its first group in the name of a file, without the suffix, is the label.
    Raises UserError where the file cannot be read, is not of this form, or lists nothing.
    """
    try:
        if (instead := what_it_is(labels)) is not None:
            raise UserError(f"{labels}: {instead}")
        content = labels.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{labels}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{labels}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    form = form or _form_of(content)
    if names is not None:
        entries = list(_named_entries(content, labels, is_there, names))
    elif form == "json":
        entries = list(_json_entries(content, labels))
    elif form == "text":
        entries = list(_line_entries(content, is_there))
    else:
        entries = list(_table_entries(content, labels))
    if not entries:
        raise UserError(f"{labels}: lists no images")
    return entries


def _form_of(content: str) -> Form:
    first = content.lstrip().partition("\n")[0].strip("\r")
    if first[:1] in ("{", "[") and "\t" not in first:
        return "json"
    return "csv" if _separator(first) else "text"


# --- tables ------------------------------------------------------------------------------------------------


def _column(header: Iterable[str], known: tuple[str, ...]) -> str | None:
    """The name in `header` that is one of the known ones, the best known first."""
    spelled = {name.strip().lower(): name for name in header}
    return next((spelled[name] for name in known if name in spelled), None)


def _separator(line: str) -> str | None:
    """What separates the cells of a header line; None where the line is none."""
    parted = ((separator, [cell.strip('"') for cell in line.split(separator)]) for separator in SEPARATORS)
    return next((each for each, names in parted if _column(names, FILE_NAMES) and _column(names, TEXT_NAMES)), None)


def _table_entries(content: str, labels: Path) -> Iterator[Entry]:
    first = content.partition("\n")[0].strip("\r")
    separator = _separator(first)
    if separator is None:
        raise UserError(f"{labels}, line 1: expected a header line with the columns 'file' and 'text', found {first!r}")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    try:
        header = next(reader)
        file, text = (header.index(str(_column(header, known))) for known in (FILE_NAMES, TEXT_NAMES))
        for row in reader:
            if row:
                _check_row(row, header, f"{labels}, line {reader.line_num}")
                yield Entry(row[file], row[text], reader.line_num)
    except csv.Error as error:
        raise UserError(f"{labels}: is not a whole table ({error}); look for an unpaired quote") from error


def _check_row(row: list[str], header: list[str], where: str) -> None:
    if any("\n" in cell or "\r" in cell for cell in row):
        raise UserError(f'{where}: a quoted cell runs over a line end; write a label that begins with " as """like so"')
    if len(row) != len(header):
        raise UserError(f"{where}: {len(row)} cells, the header has {len(header)}; quote a cell with a separator")


# --- JSON --------------------------------------------------------------------------------------------------


def _json_entries(content: str, labels: Path) -> Iterator[Entry]:
    """A list of objects, an object of such a list (MMOCR's data_list), one of path → text, or an object per line."""
    try:
        values = [(1, json.loads(content, object_pairs_hook=_no_key_twice))]
    except (ValueError, RecursionError) as error:
        where = f"{labels}: is no JSON ({error}), nor is line"
        values = [(number, _parsed(line, f"{where} {number}")) for number, line in _lines(content)]
    for number, value in values:
        found = value.get("data_list", value) if isinstance(value, dict) else value
        if isinstance(found, dict) and _column(found, FILE_NAMES) is None:
            found = [{"file": file, "text": text} for file, text in found.items()]
        for item in found if isinstance(found, list) else [found]:
            yield Entry(*_file_and_text(item, f"{labels}, line {number}"), number)


def _parsed(line: str, complaint: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{complaint} ({error})") from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has one key twice")
    return found


def _file_and_text(item: Any, where: str) -> tuple[str, str]:
    found = item if isinstance(item, dict) else {}
    match found.get("instances"):
        case [{**instance}]:  # MMOCR: the text of a word stands in the one instance of its image
            found = instance | found
    file, text = (found.get(_column(found, known)) for known in (FILE_NAMES, TEXT_NAMES))
    if not isinstance(file, str) or isinstance(text, bool) or not isinstance(text, str | int):
        said = json.dumps(item, ensure_ascii=False)[:100]
        raise UserError(f"{where}: expected an object with the keys 'file' and 'text' that hold texts, found {said}")
    return file, str(text)


# --- lines -------------------------------------------------------------------------------------------------


# How a line may be parted, in the order of preference where no path, or the path of each, is there.
SPLITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<file>.*?)\|\|\|(?P<text>.*)",
        r"(?P<file>.*?)\t(?P<text>.*)",  # PaddleOCR
        r'"?(?P<file>.*?)"?[ \t]*,[ \t]*"(?P<quoted>.*)"',  # ICDAR's gt.txt
        r"(?P<file>.*?),(?P<text>.*)",
        r"(?P<file>[^ \t]+)(?:[ \t]+(?P<text>.*))?",
        r"(?P<file>.+?\.(?:png|jpe?g|bmp|gif|tiff?|webp))[ \t]+(?P<text>.*)",  # a path with blanks
        r"(?P<text>.*[^ \t])[ \t]+(?P<file>[^ \t]+)",  # the label first
    )
)
AT_BLANKS = SPLITS[4]  # parts every line


def _parted(line: str, split: re.Pattern[str]) -> tuple[str, str]:
    """A line as path and label."""
    found = next(match.groupdict() for each in (split, AT_BLANKS) if (match := each.fullmatch(line)))
    quoted = re.sub(r'\\(["\\])|"(")', r"\1\2", found.get("quoted") or "")  # with a backslash before a quote, or two
    return found["file"].strip(), quoted or (found.get("text") or "").strip()


def _lines(content: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers; only line ends end a line."""
    numbered = enumerate(re.split(r"\r\n|\r|\n", content), 1)
    return [(number, line.strip(" \t")) for number, line in numbered if line.strip(" \t")]


def _line_entries(content: str, is_there: IsThere) -> Iterator[Entry]:
    lines = _lines(content)
    tried = [line for _, line in lines[:: max(1, len(lines) // TRIED)]]

    def score(split: re.Pattern[str]) -> tuple[int, bool]:
        return sum(is_there(_parted(line, split)[0]) for line in tried), all(map(split.fullmatch, tried))

    best = max(SPLITS, key=score)
    return (Entry(*_parted(line, best), number) for number, line in lines)


def _named_entries(content: str, labels: Path, is_there: IsThere, names: str) -> Iterator[Entry]:
    for number, line in _lines(content):
        file = line if is_there(line) else _parted(line, AT_BLANKS)[0]
        name = re.split(r"[/\\]", file)[-1]
        match = re.fullmatch(names, name.rpartition(".")[0] or name)
        if match is None:
            raise UserError(f"{labels}, line {number}: the name {name!r} does not match {names}, which says its label")
        yield Entry(file, match[1], number)
