"""Copying an LMDB from elsewhere, and holding it against itself: no record is dropped, and none is read as another.

LMDB reads its file as mapped memory, and believes what stands there. A file that is cut off or damaged can end the
process that reads it, which no `except` catches; so a process apart reads it first.
"""

import re
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crnn.core.errors import UserError
from crnn.core.files import scratch_directory
from crnn.core.workers import WorkerProcesses
from crnn.data.decode import decode
from crnn.data.labels import label_text
from crnn.data.lmdb import Words, copy_and_look, publish

MOST_NAMED = 20  # other keys that are named


@dataclass(frozen=True)
class Imported:
    """What an import found. other_keys: the first key of each kind that is no word's, such as `lexicon-000000001`."""

    words: int
    other_keys: list[str]


def import_words(source: Path, directory: Path) -> Imported:
    """Copy the LMDB `source` compactly into `directory`, where nothing appears unless it is whole and of words.

    Raises UserError where it is no LMDB of words, is damaged, stores words that `num-samples` leaves out, or has not
    one image or not one label that can be read; with what was found.
    """
    with scratch_directory(directory) as scratch:
        try:
            with WorkerProcesses(copy_and_look, 1) as process:
                list(process.map([(source, scratch)]))
        except BrokenProcessPool as error:
            raise UserError(f"{source}: data.mdb is cut off or damaged, reading it kills; copy it again") from error
        with Words(source) as words:
            found = _inspected(words)
        publish(scratch, directory)
    return found


def _inspected(words: Words) -> Imported:
    others = _other_keys(words)
    if left_out := next((key for key in others if re.fullmatch(r"(image|label)-\d+", key)), None):
        raise UserError(
            f"{words.directory}: stores {left_out}, which 'num-samples' leaves out: it is {len(words)}, so keys are "
            f"counted from 1 in nine digits to image-{len(words):09d}. Write the right count, or keys of this form"
        )
    named = f". Other keys: {', '.join(others)}" if others else ""
    if not any(word.image and decode(word.image) is not None for word in words):
        found = _first(words, "image")
        raise UserError(f"{words.directory}: not one of {len(words)} images can be read; {found}{named}")
    if all(word.label is None or label_text(word.label) is None for word in words):
        found = _first(words, "label")
        raise UserError(f"{words.directory}: not one of {len(words)} labels is UTF-8 text; {found}{named}")
    return Imported(len(words), others)


def _first(words: Words, kind: Literal["image", "label"]) -> str:
    """What stands where the first image or label should."""
    for word in words:
        value = word.image if kind == "image" else word.label
        if value is not None:
            of_bytes = ", the text that Python prints of bytes" if value.startswith((b"b'", b'b"')) else ""
            return f"{kind}-{word.index:09d} begins with {value[:24]!r}{of_bytes}"
    return f"no key {kind}-000000001 … is stored"


def _other_keys(words: Words) -> list[str]:
    """The first key of each kind that is no word's, a few of them at most."""
    first: dict[bytes, str] = {}
    for key in words.keys_beside():
        first.setdefault(key.rstrip(b"0123456789"), key.decode("utf-8", "backslashreplace"))
        if len(first) == MOST_NAMED:
            break
    return list(first.values())
