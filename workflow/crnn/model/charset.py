"""Characters and classes: what each class of a network stands for, and the forms in which a charset is told."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crnn.core.errors import UserError

BLANK = 0  # CTC blank, class 0 in every CRNN since Shi et al. (arXiv:1507.05717)


@dataclass(frozen=True)
class Charset:
    """The characters of a network, in class order: class 0 is the CTC blank, class i is `characters[i - 1]`.

    A class may stand for several letters, and a character may be repeated, as in some published alphabets.
    """

    characters: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "characters", tuple(self.characters))
        if not any(self.characters):
            raise UserError("charset: is empty; expected the characters of the network, in class order")

    @classmethod
    def from_settings(cls, told: Any, metadata: Mapping[str, str] | None = None) -> "Charset":
        """Build from a model's `charset`: a text, a list of texts, or where to find a character a line.

        {"file": path} or {"metadata": key of an ONNX file's `metadata`}, and "append": characters that follow; "only"
        leaves out all others, as `within` does. Raises UserError where that is not there, or no text.
        """
        if isinstance(told, str | list):
            return cls(told)
        # Only line feeds end a line: published dictionaries hold other separators of Unicode as characters. An empty
        # line is a class that stands for nothing.
        lines = _told_text(told, metadata).removesuffix("\n").split("\n")
        charset = cls([*(line.removesuffix("\r") for line in lines), *told.get("append", "")])
        return charset.of(charset.within(told["only"])) if "only" in told else charset

    @property
    def classes(self) -> int:
        """Number of network outputs per time step, the blank included."""
        return len(self.characters) + 1

    def check_classes(self, classes: int) -> None:
        """Raise UserError where a model has another number of classes."""
        if classes != self.classes:
            hint = '. PaddleOCR\'s models also read a space: charset.append: " "' if classes == self.classes + 1 else ""
            raise UserError(
                f"the model has {classes} classes, the charset {self.classes} (its characters and the blank); set "
                f"models.<name>.charset to the one the model was trained with{hint}"
            )

    @cached_property
    def alphabet(self) -> list[str]:
        """Class → what it stands for. Of thousands of characters it takes longer to make than a word to decode."""
        return ["", *self.characters]

    @cached_property
    def class_of(self) -> dict[str, int]:
        """Character → class; of a repeated one the first."""
        return {character: place for place, character in reversed(list(enumerate(self.characters, 1)))}

    def within(self, allowed: str) -> list[int]:
        """The blank, and the classes of which each letter is in `allowed`. Raises UserError where a letter has none."""
        lacking = sorted(set(allowed) - set("".join(self.characters)))
        if lacking:
            raise UserError(f"charset.only has {', '.join(map(repr, lacking))}, which the model's charset lacks")
        return [BLANK, *(place for place, text in enumerate(self.characters, 1) if text and set(text) <= set(allowed))]

    def of(self, classes: Sequence[int]) -> "Charset":
        """The charset of some classes, the blank before them."""
        return Charset([self.alphabet[place] for place in classes[1:]])

    def encode(self, text: str) -> list[int]:
        """Return the class of each character. Raises UserError on a character outside the charset."""
        try:
            return [self.class_of[character] for character in text]
        except KeyError:
            outside = sorted(set(text) - set(self.characters))
            raise UserError(
                f"text {text!r}: {outside} not in the charset of {len(self.characters)} characters"
            ) from None


def _told_text(told: Mapping[str, str], metadata: Mapping[str, str] | None) -> str:
    if len({"file", "metadata"} & told.keys()) != 1 or ("metadata" in told and metadata is None):
        raise UserError(f"charset is {told}; expected one of file and, of an ONNX file, metadata")
    if metadata is not None and "metadata" in told:
        key = told["metadata"]
        if key not in metadata:
            known = ", ".join(metadata) or "none"
            raise UserError(f"charset.metadata is {key!r}, which the ONNX file's metadata lacks; it has: {known}")
        return metadata[key]
    path = Path(told["file"])
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"charset.file is {str(path)!r}, which does not exist") from None
    except UnicodeDecodeError as error:
        raise UserError(f"charset.file {path}: is no UTF-8 text ({error.reason} at byte {error.start})") from error


def steps_needed(text: str) -> int:
    """Fewest CTC time steps that can spell `text`: its length, and a blank between equal neighbours."""
    return len(text) + sum(first == second for first, second in itertools.pairwise(text))
