"""A folder of images with a label file, read as words.

Nothing listed is dropped: what is wrong with an entry is noted in `Findings`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from crnn.core.errors import UserError
from crnn.data.decode import JPEG, PNG, decode
from crnn.data.sources.label_files import Entry


@dataclass
class Findings:
    """What an import noticed, by the paths in the label file."""

    missing: list[str] = field(default_factory=list)  # stored with no image bytes
    unreadable: list[str] = field(default_factory=list)  # empty, or no image that can be read; stored as they are
    repeated: list[str] = field(default_factory=list)  # listed again; stored again
    converted: list[str] = field(default_factory=list)  # neither PNG nor JPEG; stored as PNG


def place_in(folder: Path, file: str) -> Path | None:
    """Where the path of a label file leads; None where that is not inside `folder`.

    The path may use `..` as long as it stays there; links are followed. Backslashes part folders where nothing is there
    under a name with backslashes.
    """
    root = Path(os.path.abspath(folder))
    # abspath, not resolve: whoever made the folder may link images into it; the label file may not lead out of it.
    path = Path(os.path.abspath(root / file))
    if "\\" in file and not os.path.isfile(path):
        path = Path(os.path.abspath(root / file.replace("\\", "/")))
    return path if file and path != root and path.is_relative_to(root) else None


def is_image_in(folder: Path, file: str) -> bool:
    """Whether the path of a label file leads to a file in `folder`."""
    path = place_in(folder, file)
    return path is not None and os.path.isfile(path)  # unlike Path.is_file, answers for a path that cannot exist, too


def _stored_form(data: bytes, file: str, findings: Findings) -> bytes:
    """The bytes to store: PNG and JPEG as they are, what else can be read as 8-bit colour PNG, the rest as it is."""
    if data.startswith((PNG, JPEG)):
        return data
    pixels = decode(data, 3)
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
    paths = []
    for entry in entries:
        if (path := place_in(folder, entry.file)) is None:
            raise UserError(
                f"{labels}, line {entry.line}: path {entry.file!r} does not name a file inside {folder}; "
                f"list files by their path from that folder (its label was read as {entry.text!r})"
            )
        paths.append(path)
    seen: set[Path] = set()
    for entry, path in zip(entries, paths, strict=True):
        if path in seen:
            findings.repeated.append(entry.file)
        seen.add(path)
        if not os.path.isfile(path):
            findings.missing.append(entry.file)
            yield b"", entry.text
            continue
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        yield _stored_form(data, entry.file, findings), entry.text
    if len(findings.missing) == len(entries):
        first = entries[0]
        raise UserError(
            f"{folder}: holds none of the {len(entries)} images that {labels} lists. Line {first.line} was read as the "
            f"path {first.file!r} and the label {first.text!r}, and there is no {paths[0]}; name the folder that the "
            "paths start from, or state the form of the label file"
        )
