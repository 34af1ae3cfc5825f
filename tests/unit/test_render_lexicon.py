"""Texts to render: what is chosen, how print shows it, its label, and which word lists are refused."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.data.render.fonts.probe import ACCENTED, SIGNS, Font
from crnn.data.render.text.lexicon import (
    CHARACTERS,
    DRESSED,
    FIGURES,
    LONGEST,
    Lexicon,
    label_of,
    printable,
    read_words,
)

LEXICON = Lexicon(("in", "apple", "Simultaneously", "X", "internationalisations"))
SEEDS = st.integers(0, 2**64 - 1)


def chosen(lexicon: Lexicon, count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [lexicon.choose(rng) for _ in range(count)]


@given(seed=SEEDS)
def test_every_text_has_a_label_of_letters_and_digits(seed: int) -> None:
    shown = LEXICON.choose(np.random.default_rng(seed))
    assert 1 <= len(label_of(shown)) <= LONGEST
    assert set(label_of(shown)) <= set(CHARACTERS)
    assert set(shown) <= set(CHARACTERS + SIGNS + ACCENTED)


def test_the_same_generator_state_gives_the_same_text() -> None:
    assert LEXICON.choose(np.random.default_rng(5)) == LEXICON.choose(np.random.default_rng(5))


@pytest.mark.parametrize(
    ("shown", "label"),
    [("$15/hr.", "15hr"), ("www.X.com", "wwwXcom"), ("11-20-09", "112009"), ("A&B", "AB"), ("Caf\u00e9", "Cafe")],
)
def test_a_label_leaves_out_signs_and_accents(shown: str, label: str) -> None:
    assert label_of(shown) == label


@given(text=st.text(CHARACTERS))
def test_plain_text_is_its_own_label(text: str) -> None:
    assert label_of(text) == text


@given(seed=SEEDS, signs=st.sets(st.sampled_from(SIGNS + ACCENTED)))
def test_a_font_never_shows_a_sign_it_lacks_and_the_label_stays(seed: int, signs: set[str]) -> None:
    text = LEXICON.choose(np.random.default_rng(seed))
    shown = printable(text, Font(Path("some.ttf"), "Some", punctuation="".join(signs)))
    assert set(shown) <= set(CHARACTERS) | signs
    assert label_of(shown) == label_of(text)


def test_a_font_of_capitals_shows_capitals() -> None:
    assert printable("Word's", Font(Path("some.ttf"), "Some", unicase=True, punctuation="'")) == "WORD'S"


def test_half_of_the_words_are_in_capitals_and_a_tenth_are_digits() -> None:
    labels = [label_of(shown) for shown in chosen(LEXICON, 4000)]
    assert 0.43 < np.mean([label.isupper() for label in labels]) < 0.53
    assert 0.06 < np.mean([label.isdigit() for label in labels]) < 0.12
    assert 0.15 < np.mean([label.islower() for label in labels]) < 0.3


def test_a_tenth_of_the_texts_are_printed_with_signs() -> None:
    texts = chosen(LEXICON, 4000)
    assert 0.08 < np.mean([label_of(shown) != shown for shown in texts]) < 0.18
    signs = Counter(sign for shown in texts for sign in set(shown) - set(CHARACTERS))
    assert len(signs) > 25
    assert signs["."] > 40


def test_lengths_are_those_of_scene_words_whatever_the_dictionary_holds() -> None:
    words = tuple("a" * length for length in range(1, 20) for _ in range(1 if length < 8 else 50))
    lengths = [len(label_of(shown)) for shown in chosen(Lexicon(words), 4000)]
    assert 4.5 < np.mean(lengths) < 6.5
    assert max(lengths) > 18
    assert 0.15 < np.mean([length > 7 for length in lengths]) < 0.35


def test_a_word_listed_twice_is_chosen_twice_as_often() -> None:
    counts = Counter(label_of(shown).lower() for shown in chosen(Lexicon(("apple", "apple", "pears")), 4000))
    assert counts["apple"] / counts["pears"] == pytest.approx(2, rel=0.15)


def test_every_form_of_print_has_a_label() -> None:
    printed = [form.format("word", "other") for form in DRESSED] + [form.replace("_", "5") for form in FIGURES]
    assert all(label_of(shown) for shown in printed)


def test_a_code_has_no_letter_that_could_be_a_digit() -> None:
    labels = [label_of(shown) for shown in chosen(Lexicon(("apple",)), 8000)]
    mixed = [label for label in labels if len(label) > 3 and any(map(str.isdigit, label[1:-1])) and label[0].isalpha()]
    assert len(mixed) > 40
    assert not {c for label in mixed for c in label[1:-1].lower()} & set("oil")


def test_a_short_list_is_heard_as_often_as_a_long_one() -> None:
    rare = tuple(f"{a}{b}{c}zz" for a in "abcdefghij" for b in "abcdefghij" for c in "abcdefghij")
    labels = [label_of(shown).lower() for shown in chosen(Lexicon(("apple",), rare), 4000)]
    common = labels.count("apple")
    assert 0.4 < common / (common + sum(label in rare for label in labels)) < 0.6


def test_words_are_read_one_per_line(tmp_path: Path) -> None:
    (tmp_path / "fruit.txt").write_text("apple\n\n pear \n")
    assert read_words(tmp_path / "fruit.txt") == ("apple", "pear")


def test_lines_of_a_dictionary_that_are_no_plain_words_are_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "words.txt").write_text(f"apple\napple's\nclich\u00e9\ntwo words\n{'x' * 30}\npear\n", encoding="utf-8")
    with caplog.at_level(logging.INFO):
        assert read_words(tmp_path / "words.txt") == ("apple", "pear")
    assert "4 of 6 lines are not plain words" in caplog.text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"don't\ntwo words\n", "holds no word"), (b"\n\n", "holds no word"), (b"caf\xe9\n", "UTF-8")],
)
def test_a_file_without_a_plain_word_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        read_words(path)


def test_a_missing_word_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.txt"):
        read_words(tmp_path / "nowhere.txt")
