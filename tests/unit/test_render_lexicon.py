"""Texts to render: what is chosen, and which word lists are refused."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.errors import UserError
from crnn.render.lexicon import CHARACTERS, LONGEST, Lexicon, read_words

LEXICON = Lexicon(("in", "apple", "simultaneously"))


@given(seed=st.integers(0, 2**64 - 1))
def test_every_text_is_a_label_of_one_to_fourteen_letters_and_digits(seed: int) -> None:
    text = LEXICON.choose(np.random.default_rng(seed))
    assert 1 <= len(text) <= LONGEST
    assert set(text) <= set(CHARACTERS)


def test_the_same_generator_state_gives_the_same_text() -> None:
    assert LEXICON.choose(np.random.default_rng(5)) == LEXICON.choose(np.random.default_rng(5))


def test_words_come_in_three_cases_beside_numbers_and_codes() -> None:
    rng = np.random.default_rng(0)
    texts = [Lexicon(("apple",)).choose(rng) for _ in range(2000)]
    counts = Counter(texts)
    assert counts["APPLE"] > counts["apple"] > counts["Apple"] > 300
    assert 150 < sum(text.isdigit() for text in texts) < 400
    assert any(any(c.isdigit() for c in text) and any(c.isalpha() for c in text) for text in texts)


def test_a_code_has_no_letter_that_could_be_a_digit() -> None:
    rng = np.random.default_rng(0)
    texts = [LEXICON.choose(rng) for _ in range(2000)]
    mixed = [text for text in texts if text.lower() not in LEXICON.words and not text.isdigit()]
    assert len(mixed) > 100
    assert not set("".join(mixed).lower()) & set("0o1il")


def test_words_are_read_one_per_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("apple\n\n pear \n")
    assert read_words(path) == ("apple", "pear")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"apple\ndon't\n", r"line 2: \"don't\""),
        (b"apple\ntwo words\n", "line 2: 'two words'"),
        (b"antidisestablishmentarianism\n", "longer than 14"),
        (b"caf\xc3\xa9\n", "ASCII"),
        (b"caf\xe9\n", "UTF-8"),
        (b"\n\n", "holds no words"),
    ],
)
def test_a_word_list_with_anything_else_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        read_words(path)


def test_a_missing_word_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.txt"):
        read_words(tmp_path / "nowhere.txt")
