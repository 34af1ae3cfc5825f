"""Font files: which of them can draw the labels, what else they draw, and the list of them in a file."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256
from crnn.data.render.fonts.probe import Font, UnusableError, probe

LOG = logging.getLogger(__name__)

SUFFIXES = (".ttf", ".otf")
VALIDATION_SHARE = 0.05

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class FontFolder:
    """The fonts of some folders in the order of their paths, and why each of the others was left out."""

    fonts: tuple[Font, ...]
    left_out: dict[Path, str]


def find_fonts(folders: Sequence[Path], characters: str) -> FontFolder:
    """Return the fonts below `folders` that draw every one of `characters` as text; log how many were left out.

    Raises UserError where a folder does not exist or no font is usable.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of fonts; expected a folder that holds .ttf or .otf files")
    fonts: list[Font] = []
    left_out: dict[Path, str] = {}
    files = {path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES}
    for path in sorted(path for path in files if path.is_file()):
        try:
            fonts.append(probe(path, characters))
        except UnusableError as error:
            LOG.info("%s: %s; left out", path, error)
            left_out[path] = str(error)
    if left_out:
        LOG.warning("%d of %d font files are left out", len(left_out), len(left_out) + len(fonts))
    if not fonts:
        reasons = [f"{path.name} {reason}" for path, reason in left_out.items()] or ["no .ttf or .otf file"]
        where = ", ".join(map(str, folders))
        raise UserError(f"{where}: no font to render with ({'; '.join(reasons[:10])})")
    return FontFolder(tuple(fonts), left_out)


def split_of(font: Font, share: float) -> Split:
    """Return the split of a font with its relatives: `share` of all families, by their hash, are for validation."""
    position = int.from_bytes(hashlib.sha256(font.relatives.encode()).digest()[:8], "big") / 2**64
    return "validation" if position < share else "train"


def describe_fonts(folder: FontFolder, share: float) -> dict[str, Any]:
    """Return the content of a list of fonts as JSON, for `read_fonts`; every file is hashed."""
    fonts = [
        asdict(font) | {"path": str(font.path), "sha256": sha256(font.path), "split": split_of(font, share)}
        for font in folder.fonts
    ]
    splits = [font["split"] for font in fonts]
    counts = {"usable": len(fonts), "left_out": len(folder.left_out)}
    return {
        "counts": counts | {split: splits.count(split) for split in get_args(Split)},
        "validation_share": share,
        "fonts": fonts,
        "left_out": {str(path): reason for path, reason in folder.left_out.items()},
    }


def read_fonts(path: Path, split: Split | None) -> tuple[Font, ...]:
    """Return the fonts of a list that `workflow/stages/train/list_fonts.py` wrote, those of one split or all.

    Raises UserError where the file is no such list, a listed font is missing or another file by now, or the split is
    empty.
    """
    content = read_json(path)
    lister = "workflow/stages/train/list_fonts.py"
    try:
        listed = [
            (Font(Path(e["path"]), e["family"], e["unicase"], e["punctuation"], float(e["likeness"])), e["sha256"])
            for e in content["fonts"]
            if split is None or e["split"] == split
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: is not a list of fonts (no {error}); write one with {lister}") from error
    if not listed:
        which = "" if split is None else f" of the split {split!r}"
        raise UserError(f"{path}: lists no font{which}; list more folders, or another share for validation")
    for font, expected in listed:
        if not font.path.is_file():
            raise UserError(f"{path}: lists {font.path}, which is gone; list the fonts anew ({lister})")
        if sha256(font.path) != expected:
            raise UserError(f"{path}: {font.path} has changed since; list the fonts anew ({lister})")
    return tuple(font for font, _ in listed)
