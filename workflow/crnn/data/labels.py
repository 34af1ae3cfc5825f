"""Label policies: the part of a text that is compared. By them a network of 94 characters can be scored on 36.

Kept apart from the charset (`crnn.model.charset`: what the network can say), as PARSeq's `CharsetAdapter` does.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from crnn.core.errors import UserError

Case = Literal["lower", "upper", "keep"]
Outside = Literal["strip", "reject"]
Normalise = Literal["nfkd-ascii", "nfc"]

CASES: dict[Case, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "keep": str}


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


NORMALISERS: dict[Normalise, Callable[[str], str]] = {"nfkd-ascii": _ascii, "nfc": str}


@dataclass(frozen=True)
class LabelPolicy:
    """The part of a text that is compared. The default is the standard protocol: letters and digits in any case.

    case: letter case to compare in. normalise: Unicode form first. outside: characters that `characters` lacks
    are stripped from both texts, or make a label unscorable.
    """

    characters: str
    case: Case = "lower"
    normalise: Normalise = "nfkd-ascii"
    outside: Outside = "strip"

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "LabelPolicy":
        """Build from the config's `labels`. Raises UserError naming an unknown key or value."""
        allowed = {"case": tuple(CASES), "normalise": tuple(NORMALISERS), "outside": get_args(Outside)}
        for key, values in allowed.items():
            if key in settings and settings[key] not in values:
                raise UserError(f"labels.{key} is {settings[key]!r}; expected one of {', '.join(values)}")
        try:
            return cls(**settings)
        except TypeError as error:
            raise UserError(f"labels: {error}") from error

    def apply(self, text: str) -> tuple[str, str]:
        """Return (the text to compare, the characters of `text` that left nothing in it)."""
        # Composed first: an accent typed as a combining mark then stays with its letter, kept or lost.
        composed = unicodedata.normalize("NFC", text)
        folded = [CASES[self.case](NORMALISERS[self.normalise](character)) for character in composed]
        kept = ["".join(c for c in part if c in self.characters) for part in folded]
        outside = "".join(character for character, part in zip(composed, kept, strict=True) if not part)
        return "".join(kept), outside

    def unreachable(self) -> str:
        """Those of `characters` that the rest of the policy leaves in no text, as capitals where it is `lower`."""
        composed = unicodedata.normalize("NFC", self.characters)  # as texts are, so a mark by itself is in none
        return "".join(c for c in self.characters if c not in composed or self.apply(c)[0] != c)

    def unspelled(self, charset: str) -> str:
        """Those of `characters` that are of a kind that nothing in the alphabet `charset` is compared as.

        Kinds are capitals, small letters, letters without case, digits, punctuation and so on. An alphabet that lacks
        single characters is somebody's choice; one without a kind cannot be meant.
        """
        spelled = set(map(_kind, self.apply(charset)[0]))
        return "".join(character for character in self.characters if _kind(character) not in spelled)


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    return category if category.startswith("L") else category[0]


def label_text(stored: bytes) -> str | None:
    """A stored label as text; None where it is no UTF-8, or the text that Python prints of bytes (b'word')."""
    try:
        text = stored.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if re.fullmatch(r"b(['\"]).*\1", text, re.DOTALL) else text
