"""Characters and classes: the charset, the label policy, greedy CTC decoding.

The policy (what counts as the same text) is kept apart from the charset (what the network can say), so that a
network of 94 characters can be scored on 36, as PARSeq's `CharsetAdapter` does.

Not here: accuracy (`crnn.score`), the network.
"""

import itertools
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from crnn.errors import UserError

BLANK = 0  # CTC blank, class 0 in every CRNN since Shi et al. (arXiv:1507.05717)


@dataclass(frozen=True)
class Charset:
    """The characters of a network, in class order: class 0 is the CTC blank, class i is `characters[i - 1]`."""

    characters: str

    def __post_init__(self) -> None:
        repeated = sorted({c for c in self.characters if self.characters.count(c) > 1})
        if not self.characters or repeated:
            raise UserError(
                f"charset {self.characters!r}: needs at least one character, none twice (twice: {repeated})"
            )

    @property
    def classes(self) -> int:
        """Number of network outputs per time step, the blank included."""
        return len(self.characters) + 1

    def encode(self, text: str) -> list[int]:
        """Return the class of each character. Raises UserError on a character outside the charset."""
        try:
            return [self.characters.index(character) + 1 for character in text]
        except ValueError:
            outside = sorted(set(text) - set(self.characters))
            raise UserError(f"text {text!r}: {outside} not in charset {self.characters!r}") from None


def steps_needed(text: str) -> int:
    """Fewest CTC time steps that can spell `text`: its length, and a blank between equal neighbours."""
    return len(text) + sum(first == second for first, second in itertools.pairwise(text))


def greedy_decode(log_probabilities: npt.NDArray[np.float32], charset: Charset) -> tuple[list[str], list[float]]:
    """Best-path CTC decoding of a batch (Graves et al., ICML 2006, section 3.2).

    `log_probabilities`: float [T, N, C]. Returns N texts and N confidences in [0, 1]: the probability of the best
    path, that is the product over all steps of the largest probability (as PARSeq reports for CTC models).
    Raises UserError where C is not the charset's number of classes, or the output is not a number.
    """
    if log_probabilities.shape[2] != charset.classes:
        raise UserError(
            f"the model has {log_probabilities.shape[2]} classes, the charset {charset.classes} (its characters and "
            f"the blank); set models.<name>.charset to the one the model was trained with"
        )
    classes = log_probabilities.argmax(axis=2)
    best = np.take_along_axis(log_probabilities, classes[:, :, None], axis=2)[:, :, 0]
    confidences = np.exp(best.astype(np.float64).sum(axis=0)).clip(0.0, 1.0)
    if not np.isfinite(best).all():
        raise UserError("the model's output is not a number (NaN or infinite); the build is broken")
    new = np.ones(classes.shape, bool)
    new[1:] = classes[1:] != classes[:-1]
    emitted = new & (classes != BLANK)
    alphabet = np.array(["", *charset.characters])
    texts = ["".join(alphabet[classes[emitted[:, n], n]]) for n in range(classes.shape[1])]
    return texts, confidences.tolist()


Case = Literal["lower", "upper", "keep"]
Outside = Literal["strip", "reject"]
Normalise = Literal["nfkd-ascii", "nfc"]

CASES: dict[Case, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "keep": str}


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


NORMALISERS: dict[Normalise, Callable[[str], str]] = {
    "nfkd-ascii": _ascii,
    "nfc": str,
}


@dataclass(frozen=True)
class LabelPolicy:
    """What of a text is compared. The default is the standard protocol: case-insensitive, alphanumeric only.

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
        # Composed first, so that an accent typed as a combining mark is one character, lost or kept with its letter.
        composed = unicodedata.normalize("NFC", text)
        folded = [CASES[self.case](NORMALISERS[self.normalise](character)) for character in composed]
        kept = ["".join(c for c in part if c in self.characters) for part in folded]
        outside = "".join(character for character, part in zip(composed, kept, strict=True) if not part)
        return "".join(kept), outside
