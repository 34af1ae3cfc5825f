"""The label files of many tools, read as entries: which image has which text. Their form is told by their content.

Tables (CSV, TSV) have a line of column names; JSON is whole or an object per line. Everything else is lines of a path
and a label, and what parts them is decided by whose paths are there.

Not here: reading images (`crnn.data.sources.images`).
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
SEPARATORS: dict[Form, str] = {"csv": ",;", "tsv": "\t"}

# What tools call the two columns: ours, Hugging Face, EasyOCR, MMOCR, PaddleOCR and others.
FILE_NAMES = ("file", "filename", "file_name", "img_path", "image_path", "path", "image", "img", "name")
TEXT_NAMES = ("text", "label", "words", "word", "transcription", "gt", "ground_truth")

TRIED = 200  # lines by which the parting of lines is decided

IsThere = Callable[[str], bool]  # whether a path of a label file leads to a file
Split = Callable[[str], tuple[str, str] | None]  # a line as path and label; None where it has nothing to part them


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
        entries = list(_table_entries(content, labels, form))
    if not entries:
        raise UserError(f"{labels}: lists no images")
    return entries


def _form_of(content: str) -> Form:
    first = _first_line(content.lstrip())
    if first[:1] in ("{", "[") and "\t" not in first:
        return "json"
    return next((form for form in SEPARATORS if _separator(first, form)), "text")


def _first_line(content: str) -> str:
    return content.partition("\n")[0].strip("\r")


# --- tables ------------------------------------------------------------------------------------------------


def _column(header: Iterable[str], known: tuple[str, ...]) -> str | None:
    """The name in `header` that is one of the known ones, the best known first."""
    spelled = {name.strip().lower(): name for name in header}
    return next((spelled[name] for name in known if name in spelled), None)


def _separator(line: str, form: Form) -> str | None:
    """What separates the cells of a header line; None where the line is none."""
    parted = ((separator, [cell.strip('"') for cell in line.split(separator)]) for separator in SEPARATORS[form])
    return next((each for each, names in parted if _column(names, FILE_NAMES) and _column(names, TEXT_NAMES)), None)


def _table_entries(content: str, labels: Path, form: Form) -> Iterator[Entry]:
    first = _first_line(content)
    separator = _separator(first, form)
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
        raise UserError(
            f"{labels}: is not a whole {form.upper()} table ({error}); look for an unpaired quote"
        ) from error


def _check_row(row: list[str], header: list[str], where: str) -> None:
    if any("\n" in cell or "\r" in cell for cell in row):
        raise UserError(f'{where}: a quoted cell runs over a line end; write a label that begins with " as """like so"')
    if len(row) != len(header):
        raise UserError(f"{where}: {len(row)} cells, the header has {len(header)}; quote a cell with a separator")


# --- JSON --------------------------------------------------------------------------------------------------


def _json_entries(content: str, labels: Path) -> Iterator[Entry]:
    """A list of objects, an object of such a list (MMOCR's data_list), one of path → text, or an object per line."""
    try:
        values = [(1, json.loads(content))]
    except (ValueError, RecursionError):
        values = [(number, _parsed(line, f"{labels}, line {number}")) for number, line in _lines(content)]
    for number, value in values:
        found = value.get("data_list", value) if isinstance(value, dict) else value
        if isinstance(found, dict) and _column(found, FILE_NAMES) is None:
            found = [{"file": file, "text": text} for file, text in found.items()]
        for item in found if isinstance(found, list) else [found]:
            yield Entry(*_file_and_text(item, f"{labels}, line {number}"), number)


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: is no JSON ({error}), nor is the whole file") from None


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


def _at(separator: str) -> Split:
    def split(line: str) -> tuple[str, str] | None:
        file, found, text = line.partition(separator)
        return (file.strip(), text.strip()) if found else None

    return split


def _at_comma(line: str) -> tuple[str, str] | None:
    """ICDAR's gt.txt: `word_1.png, "Text"`, where a quote within is written with a backslash, or twice."""
    file, found, text = line.partition(",")
    return (_unquoted(file.strip()), _unquoted(text.strip())) if found else None


def _unquoted(cell: str) -> str:
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return re.sub(r'\\(["\\])|"(")', r"\1\2", cell[1:-1]) if quoted else cell


def _at_blanks(line: str) -> tuple[str, str]:
    file, *text = re.split(r"[ \t]+", line, maxsplit=1)
    return file, "".join(text)


def _label_first(line: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"(.*\S)[ \t]+(\S+)", line)
    return (match[2], match[1]) if match else None


# In the order of preference where no path, or the path of each, is there.
SPLITS: tuple[Split, ...] = (_at("|||"), _at("\t"), _at_comma, _at_blanks, _label_first)


def _lines(content: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers; only line ends end a line."""
    numbered = enumerate(re.split(r"\r\n|\r|\n", content), 1)
    return [(number, line.strip(" \t")) for number, line in numbered if line.strip(" \t")]


def _line_entries(content: str, is_there: IsThere) -> Iterator[Entry]:
    lines = _lines(content)
    tried = [line for _, line in lines[:: max(1, len(lines) // TRIED)]]

    def score(split: Split) -> tuple[int, int]:
        parted = [split(line) for line in tried]
        files = [(found or _at_blanks(line))[0] for found, line in zip(parted, tried, strict=True)]
        return sum(map(is_there, files)), all(parted)

    best = max(SPLITS, key=score)
    for number, line in lines:
        yield Entry(*(best(line) or _at_blanks(line)), number)


def _named_entries(content: str, labels: Path, is_there: IsThere, names: str) -> Iterator[Entry]:
    for number, line in _lines(content):
        file = line if is_there(line) else _at_blanks(line)[0]
        name = re.split(r"[/\\]", file)[-1]
        match = re.fullmatch(names, name.rpartition(".")[0] or name)
        if match is None:
            raise UserError(f"{labels}, line {number}: the name {name!r} does not match {names}, which says its label")
        yield Entry(file, match[1], number)
