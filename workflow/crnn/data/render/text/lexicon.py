"""Which texts are rendered: dictionary words, numbers and codes, in the letter cases and with the signs of print.

The word files are the user's; the mix follows what scene text is made of (IIIT5K and its like: about half of the words
in capitals, about a tenth digits only, five characters on average and 22 at most). No label of any dataset is used.
"""

import logging
import string
import unicodedata
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.data.render.chance import happens, one_of
from crnn.data.render.fonts.probe import Font

LOG = logging.getLogger(__name__)

# What a label may hold; every font must draw all of it.
CHARACTERS = string.digits + string.ascii_letters
LONGEST = 22
LONGEST_NUMBER = 8
# Codes leave out 0, o, 1, i and l, as those of tickets and licence keys do: in a dictionary word the neighbours tell
# which one it is, in a code nothing does, and the label would be a guess.
CODE_CHARACTERS = "".join(sorted(set(string.digits + string.ascii_lowercase) - set("0o1il")))

# `dressed` and `figure` are printed with signs, which most scene words are not.
KINDS = {"word": 0.71, "dressed": 0.12, "joined": 0.02, "letter": 0.02, "number": 0.06, "figure": 0.04, "code": 0.03}
CASES = {"upper": 0.51, "capitalised": 0.23, "lower": 0.23, "mixed": 0.03}
# Share of words of 1, 2, 3 ... letters: of scene words the mean is 5, with a tail up to LONGEST that a dictionary alone
# would not give (its mean is 9, and its longest words are none that a sign would show).
LENGTHS = (0, 9, 16, 20, 17, 13, 9, 6, 4, 2.6, 1.8, 1.2, 0.8, 0.5, 0.35, 0.25, 0.2, 0.17, 0.13, 0.1, 0.1, 0.1)

# `{}` stands for a word.
DRESSED = {
    **dict.fromkeys(("{}.", "{}-{}", "{}'s"), 4.0),
    **dict.fromkeys(("{},", "{}!", "{}?", '"{}"', "\u201c{}\u201d", "{}&{}"), 3.0),
    **dict.fromkeys(("{}:", "({})", "'{}'", "{}/{}", "{}.com", "www.{}.com"), 2.0),
    **dict.fromkeys(("\u2018{}\u2019", "\u201c{}", "{}\u201d", '"{}', '{}"', "({}", "{})", "{}-", "-{}-"), 1.0),
    **dict.fromkeys(("#{}", "@{}", "*{}*", "{}*", "{}...", "{}\u2026", "{};", "{}'", "&{}", "{}+", "{}.org"), 0.7),
    **dict.fromkeys(("{}.net", "{}.co.uk", "www.{}.org", "\u2022{}", "[{}]", "{}_{}", "{}\u00b7{}", "~{}~"), 0.4),
    "accented": 6.0,
    "initials": 2.5,
}
# `_` stands for a digit.
FIGURES = {
    **dict.fromkeys(("$_", "$__", "$___", "$_.__", "__%", "$__.__", "_:__", "__:__"), 3.0),
    **dict.fromkeys(("___-____", "___-___-____", "(___)___-____", "__-__-__", "__/__/__", "_,___", "#_", "_.__"), 2.0),
    **dict.fromkeys(
        ("_/_", "1/2", "_.___.___.____", "+__", "__+", "\u00a3_", "\u20ac_.__", "__\u00a2", "_-_", "'__"), 1.0
    ),
    **dict.fromkeys(
        ("$__/hr.", "no._", "#__", "__-__", "(__)", "__.", "__\u00b0", "$_,___", "_.__%", "100%", "50%"), 1.0
    ),
    **dict.fromkeys(("1st", "2nd", "3rd", "_th", "__th", "_am", "_pm", "__km", "__ml", "__kg", "__mm", "__cm"), 0.8),
    **dict.fromkeys(
        ("24/7", "_x_", "x__", "__hrs", "a_", "m__", "r_", "k_", "mp_", "__x__", "__s", "19__", "20__"), 0.8
    ),
}
ACCENTS = {"a": "áàâä", "e": "éèêë", "i": "íîï", "o": "óôöõ", "u": "úûü", "c": "ç", "n": "ñ"}


def label_of(shown: str) -> str:
    """Return the label of a printed text: its letters and digits, accents dropped (NFKD), every other sign left out."""
    return "".join(c for c in unicodedata.normalize("NFKD", shown) if c in CHARACTERS)


def printable(text: str, font: Font) -> str:
    """Return what a font shows of a text: capitals if it has no others, no sign that it lacks, no accent either."""
    shown = "".join(
        character if character in CHARACTERS or character in font.punctuation else label_of(character)
        for character in text
    )
    return shown.upper() if font.unicase else shown


def read_words(path: Path) -> tuple[str, ...]:
    """Return the words of a text file, one per line, in its order; a word that occurs again counts again.

    Lines that are not one word of at most LONGEST out of CHARACTERS (possessives, accents) are skipped and counted in
    the log. Raises UserError where the file is missing, is not UTF-8, or holds no word.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable word list ({error}); expected UTF-8 text, a word a line") from error
    stripped = [line.strip() for line in lines if line.strip()]
    usable = [word for word in stripped if word.isascii() and word.isalnum() and len(word) <= LONGEST]
    if not usable:
        raise UserError(f"{path}: holds no word of ASCII letters and digits; expected one per line")
    if len(usable) < len(stripped):
        LOG.info("%s: %d of %d lines are not plain words; skipped", path, len(stripped) - len(usable), len(stripped))
    return tuple(usable)


class Lexicon:
    """A source of texts, made of lists of dictionary words.

    Each list is chosen as often as the others: a short list of common words beside a large dictionary keeps the
    common ones from being rare.
    """

    def __init__(self, *lists: tuple[str, ...]) -> None:
        """lists: at least one, each with at least one word."""
        self._lists = lists

    @cached_property
    def _by_length(self) -> tuple[list[list[list[str]]], npt.NDArray[np.float64]]:
        """Of each length there is the words by list, and how often to choose each of these lengths, accumulated."""
        groups: dict[int, list[list[str]]] = {}
        for words in self._lists:
            for length, found in groupby(sorted(words, key=len), key=len):
                groups.setdefault(length, []).append(list(found))
        lengths = sorted(groups)
        # Every length that occurs is chosen at times, and a list of very short or long words is not one of none.
        weights = [max(LENGTHS[min(length, LONGEST) - 1], 0.05) for length in lengths]
        return [groups[length] for length in lengths], np.cumsum(weights)

    def choose(self, rng: np.random.Generator) -> str:
        """Return a text as print shows it; its `label_of` has 1 … LONGEST characters."""
        shown = _in_case(self._text(one_of(rng, KINDS), rng), rng)
        return shown if 1 <= len(label_of(shown)) <= LONGEST else _in_case(self._word(rng), rng)

    def _text(self, kind: str, rng: np.random.Generator) -> str:
        if kind == "dressed":
            return self._dressed(one_of(rng, DRESSED), rng)
        if kind == "joined":
            return "".join(self._word(rng) for _ in range(rng.integers(2, 4, endpoint=True)))
        if kind == "letter":
            return _string_of(rng, CHARACTERS, 1)
        if kind == "number":
            return _string_of(rng, string.digits, int(rng.integers(1, LONGEST_NUMBER, endpoint=True)))
        if kind == "figure":
            return "".join(_string_of(rng, string.digits, 1) if c == "_" else c for c in one_of(rng, FIGURES))
        if kind == "code":
            return _string_of(rng, CODE_CHARACTERS, int(rng.integers(1, LONGEST_NUMBER, endpoint=True)))
        return self._word(rng)

    def _word(self, rng: np.random.Generator) -> str:
        groups, weights = self._by_length
        lists = groups[min(int(np.searchsorted(weights, rng.random() * weights[-1], side="right")), len(groups) - 1)]
        words = lists[rng.integers(len(lists))]
        return words[rng.integers(len(words))]

    def _dressed(self, form: str, rng: np.random.Generator) -> str:
        if form == "accented":
            return "".join(_accented(c, rng) for c in self._word(rng).lower())
        if form == "initials":
            return "".join(f"{c}." for c in _string_of(rng, string.ascii_uppercase, int(rng.integers(2, 4))))
        return form.format(self._word(rng), self._word(rng))


def _accented(character: str, rng: np.random.Generator) -> str:
    return _string_of(rng, ACCENTS[character], 1) if character in ACCENTS and happens(rng, 0.4) else character


def _in_case(text: str, rng: np.random.Generator) -> str:
    case = one_of(rng, CASES)
    if case == "upper":
        return text.upper()
    if case == "lower":
        return text.lower()
    if case == "mixed":
        return "".join(c.upper() if happens(rng, 0.5) else c.lower() for c in text)
    start = next((i for i, c in enumerate(text) if c.isalpha()), 0)
    return text[:start].lower() + text[start:].capitalize()


def _string_of(rng: np.random.Generator, characters: str, length: int) -> str:
    return "".join(characters[i] for i in rng.integers(len(characters), size=length))
