"""Label policies: what of a text is compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.data.labels import LabelPolicy, label_text
from examples import POLICY


@pytest.mark.parametrize(
    ("label", "text", "outside"),
    [
        ("Hello", "hello", ""),
        ("CO2", "co2", ""),
        ("Café", "cafe", ""),  # composed
        ("Cafe\u0301", "cafe", ""),  # the accent as a mark of its own
        ("ﬁne", "fine", ""),  # a ligature is its letters
        ("¼", "14", ""),
        ("rock'n'roll", "rocknroll", "''"),
        ("a b", "ab", " "),
        ("Łódź", "odz", "Ł"),  # no decomposition: lost, and said so
        ("日本7", "7", "日本"),
        ("?!", "", "?!"),
        ("", "", ""),
    ],
)
def test_the_standard_protocol_compares_lower_case_letters_and_digits(label: str, text: str, outside: str) -> None:
    assert POLICY.apply(label) == (text, outside)


@given(st.text())
def test_a_compared_text_holds_only_the_characters_compared(label: str) -> None:
    text, outside = POLICY.apply(label)
    assert set(text) <= set(POLICY.characters)
    assert POLICY.apply(text) == (text, "")
    assert not set(outside) & set(POLICY.characters)


def test_case_can_be_kept_or_raised() -> None:
    letters = "ABCabc"
    assert LabelPolicy(letters, case="keep").apply("aBc") == ("aBc", "")
    assert LabelPolicy(letters, case="upper").apply("aBc") == ("ABC", "")
    assert LabelPolicy("abc", case="keep").apply("aBc") == ("ac", "B")


def test_accents_can_be_kept() -> None:
    policy = LabelPolicy("aceféü", normalise="nfc")
    assert policy.apply("Café") == ("café", "")
    assert policy.apply("Cafe\u0301") == ("café", "")
    assert LabelPolicy("acef", normalise="nfc").apply("Café") == ("caf", "é")


def test_rejecting_reports_the_same_characters_as_stripping() -> None:
    assert LabelPolicy("abc", outside="reject").apply("a-b") == LabelPolicy("abc").apply("a-b") == ("ab", "-")


# --- policies and alphabets that cannot work ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "lost"),
    [
        (LabelPolicy("abc"), ""),
        (LabelPolicy("abcABC"), "ABC"),
        (LabelPolicy("abc", case="upper"), "abc"),
        (LabelPolicy("aé"), "é"),
        (LabelPolicy("aé", normalise="nfc"), ""),
        (LabelPolicy("abe\u0301", normalise="nfc"), "e\u0301"),
        (LabelPolicy("価格", case="keep", normalise="nfc"), ""),
    ],
)
def test_characters_that_no_compared_text_can_have_are_found(policy: LabelPolicy, lost: str) -> None:
    assert policy.unreachable() == lost


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (b"Open", "Open"),
        ("価格".encode(), "価格"),
        (b"", ""),
        (b"\xd6l", None),
        (b"b'Open'", None),
        (b'b"it\'s"', None),
        (b"b'", "b'"),
        (b"bob's", "bob's"),
    ],
)
def test_a_stored_label_is_utf8_text_or_none(stored: bytes, text: str | None) -> None:
    assert label_text(stored) == text
