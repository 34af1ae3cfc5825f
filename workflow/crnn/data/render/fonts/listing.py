"""Font files: which of them can draw the labels, what else they draw, and the list of them in a file."""

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import ImageFont

from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256
from crnn.data.render.fonts.probe import UnusableError, open_face, probe

LOG = logging.getLogger(__name__)

SUFFIXES = (".ttf", ".otf")
VALIDATION_SHARE = 0.05

# What some files put into their family's name beside it: weight, width, slope, optical size.
STYLE = re.compile(
    r"""(?ix) [\s_-]* (
        (?:extra|ultra|semi|demi)?[\s-]?(?:light|bold|black|condensed|expanded)
        | thin | hairline | regular | book | medium | heavy | narrow | compressed | extended | wide
        | italic | oblique | slanted | semi | demi | sc | (?:small[\s-]?)?caps | display | text | caption
        | \d+ (?:pt)?
    ) (?= [\s_-] | $ )"""
)

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class Font:
    """A usable font file.

    family: the name the file gives. unicase: its small letters look like its capitals. punctuation: the signs and
    accented letters beyond the labels' characters that it draws. likeness: to plain letters, up to 1.
    """

    path: Path
    family: str
    unicase: bool = False
    punctuation: str = ""
    likeness: float = 1.0

    @property
    def relatives(self) -> str:
        """The family without weight, width, slope and size, which some files count as part of it."""
        return STYLE.sub("", self.family).strip() or self.family

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """Open the font at `size` px per em."""
        return open_face(self.path, size)


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
    for path in _font_files(folders):
        try:
            traits = probe(path, characters)
        except UnusableError as error:
            left_out[path] = str(error)
        else:
            fonts.append(Font(path, traits.family, traits.unicase, traits.punctuation, traits.likeness))
    for path, reason in left_out.items():
        LOG.info("%s: %s; left out", path, reason)
    if left_out:
        LOG.warning("%d of %d font files are left out", len(left_out), len(left_out) + len(fonts))
    if not fonts:
        reasons = [f"{path.name} {reason}" for path, reason in left_out.items()] or ["no .ttf or .otf file"]
        where = ", ".join(map(str, folders))
        raise UserError(f"{where}: no font to render with ({'; '.join(reasons[:10])})")
    return FontFolder(tuple(fonts), left_out)


def _font_files(folders: Iterable[Path]) -> list[Path]:
    files = {path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES}
    return sorted(path for path in files if path.is_file())


def split_of(font: Font, share: float) -> Split:
    """Return the split of a font with its relatives: `share` of all families, by their hash, are for validation."""
    position = int.from_bytes(hashlib.sha256(font.relatives.encode()).digest()[:8], "big") / 2**64
    return "validation" if position < share else "train"


def describe_fonts(folder: FontFolder, share: float) -> dict[str, Any]:
    """Return the content of a list of fonts as JSON, for `read_fonts`; every file is hashed."""
    fonts = [
        {
            "path": str(font.path),
            "sha256": sha256(font.path),
            "family": font.family,
            "unicase": font.unicase,
            "punctuation": font.punctuation,
            "likeness": font.likeness,
            "split": split_of(font, share),
        }
        for font in folder.fonts
    ]
    splits = [font["split"] for font in fonts]
    return {
        "counts": {
            "usable": len(fonts),
            "train": splits.count("train"),
            "validation": splits.count("validation"),
            "left_out": len(folder.left_out),
        },
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
    try:
        chosen = [entry for entry in content["fonts"] if split is None or entry["split"] == split]
        fonts = tuple(
            Font(Path(entry["path"]), entry["family"], entry["unicase"], entry["punctuation"], float(entry["likeness"]))
            for entry in chosen
        )
        hashes = [entry["sha256"] for entry in chosen]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path}: is not a list of fonts (no {error}); write one with workflow/stages/train/list_fonts.py"
        ) from error
    if not fonts:
        which = "" if split is None else f" of the split {split!r}"
        raise UserError(f"{path}: lists no font{which}; list more folders, or another share for validation")
    for font, expected in zip(fonts, hashes, strict=True):
        if not font.path.is_file():
            raise UserError(
                f"{path}: lists {font.path}, which is gone; list the fonts anew (workflow/stages/train/list_fonts.py)"
            )
        if sha256(font.path) != expected:
            raise UserError(
                f"{path}: {font.path} has changed since; list the fonts anew (workflow/stages/train/list_fonts.py)"
            )
    return fonts
