"""Which texts are rendered: dictionary words, numbers and codes, in the letter cases of signs.

The word file is the user's; the mix follows what scene text is made of (IIIT5K and its like: about half of the words
in capitals, about a tenth digits only). No label of any dataset is used.

Not here: how a text looks.
"""

import string
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crnn.errors import UserError
from crnn.render.chance import one_of

# What a label may hold; every font must draw all of it.
CHARACTERS = string.digits + string.ascii_letters
LONGEST = 14
LONGEST_NUMBER = 8
# Codes leave out 0, o, 1, i and l, as those of tickets and licence keys do: in a dictionary word the neighbours tell
# which one it is, in a code nothing does, and the label would be a guess.
CODE_CHARACTERS = "".join(sorted(set(string.digits + string.ascii_lowercase) - set("0o1il")))

KINDS = {"word": 0.78, "number": 0.12, "code": 0.10}
CASES = {"upper": 0.45, "capitalised": 0.25, "lower": 0.30}


def read_words(path: Path) -> tuple[str, ...]:
    """Return the words of a text file, one per line, blank lines skipped.

    Raises UserError where the file is missing, is not UTF-8, holds no word, or a word is longer than LONGEST or
    holds a character outside CHARACTERS.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable word list ({error}); expected UTF-8 text, a word per line") from error
    for number, line in enumerate(lines, 1):
        if set(line.strip()) - set(CHARACTERS):
            raise UserError(f"{path}, line {number}: {line.strip()!r} is not one word of ASCII letters and digits")
        if len(line.strip()) > LONGEST:
            raise UserError(f"{path}, line {number}: {line.strip()!r} is longer than {LONGEST} characters")
    words = tuple(line.strip() for line in lines if line.strip())
    if not words:
        raise UserError(f"{path}: holds no words; expected one per line")
    return words


@dataclass(frozen=True)
class Lexicon:
    """A source of texts. `words`: dictionary words, at least one."""

    words: tuple[str, ...]

    def choose(self, rng: np.random.Generator) -> str:
        """Return a text of 1 … LONGEST characters out of CHARACTERS."""
        kind = one_of(rng, KINDS)
        if kind == "number":
            return _string_of(rng, string.digits)
        text = self.words[rng.integers(len(self.words))] if kind == "word" else _string_of(rng, CODE_CHARACTERS)
        case = one_of(rng, CASES)
        if case == "upper":
            return text.upper()
        return text.capitalize() if case == "capitalised" else text.lower()


def _string_of(rng: np.random.Generator, characters: str) -> str:
    length = rng.integers(1, LONGEST_NUMBER, endpoint=True)
    return "".join(characters[i] for i in rng.integers(len(characters), size=length))
