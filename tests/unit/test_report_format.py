"""How the report writes numbers and text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.report import format as formats
from crnn.score.budgets import Verdict, _values


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.5, "0.500"),
        (9.94, "9.94"),
        (99.96, "100.0"),
        (123.4, "123"),
        (45678.9, "45,679"),
    ],
)
def test_significant_keeps_about_three_digits_and_no_exponent(value: float, shown: str) -> None:
    assert formats.significant(value) == shown


def test_one_word_of_three_thousand_shows_in_an_accuracy() -> None:
    assert formats.percent(2283 / 3000) != formats.percent(2284 / 3000)


def test_interval_is_in_percent() -> None:
    assert formats.percent_range([0.7452, 0.7761]) == "74.5 to 77.6"


@pytest.mark.parametrize(
    ("difference", "shown"), [(0.0123, "+1.23"), (-1 / 3000, "−0.03"), (0, "±0.00"), (-1e-9, "±0.00"), (None, "—")]
)
def test_a_difference_is_in_points_with_its_sign(difference: float | None, shown: str) -> None:
    assert formats.points(difference) == shown


def test_settings_are_a_line_each() -> None:
    record = {"parameters": {"batch": 16, "widths": {"rule": "é"}}, "command": ["crnn", "--batch", "16"]}
    assert formats.settings(record) == 'batch: 16\nwidths: {"rule": "é"}'


def test_a_setting_that_the_command_shows_is_not_shown_again() -> None:
    labels = {"characters": "é\x9b", "case": "keep"}
    command = ["crnn", '--labels={"case":"keep","characters":"é\x9b"}']
    assert formats.settings({"parameters": {"labels": labels, "threads": 1}, "command": command}) == "threads: 1"
    assert "characters" in formats.settings({"parameters": {"labels": {**labels, "case": "lower"}}, "command": command})


def test_small_p_value_is_a_bound() -> None:
    assert formats.probability(1e-9) == "< 0.001"
    assert formats.probability(0.0312) == "0.031"


@pytest.mark.parametrize(
    "write",
    [formats.count, formats.percent, formats.seconds, formats.significant, formats.probability, formats.figures],
)
def test_what_was_not_measured_is_a_dash(write: object) -> None:
    assert callable(write)
    assert write(None) == formats.ABSENT


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("flipped", 0.01, "words that differ from the reference 1.00\u202f%"),
        ("changed_by_surgery", 2, "words that surgery changed 2"),
        ("max_abs_difference", 2e-6, "largest output difference made by surgery 2.0e-06"),
    ],
)
def test_a_budget_is_written_in_its_unit(name: str, value: float, shown: str) -> None:
    assert formats.budget(Verdict("signs", "small", "ort", name, value, value / 2)).startswith(f"{shown}, allowed ")


def test_every_budget_has_a_name_and_a_unit() -> None:
    assert formats.BUDGETS.keys() == _values({}).keys()


def test_file_size_uses_binary_units() -> None:
    assert formats.file_size(8_401_234) == "8.0\u202fMiB"


def test_published_range_stays_a_range() -> None:
    assert formats.figures([5.9, 6.1], "s") == "5.9 to 6.1\u202fs"


def test_command_can_be_pasted_into_a_shell() -> None:
    assert formats.command(["python", "a b.py", "--x", "it's"]) == """python 'a b.py' --x 'it'"'"'s'"""


def test_control_characters_become_visible() -> None:
    assert formats.visible("a\x00b\nc\x7f") == "a␀b␊c\\u007f"


@given(st.text())
def test_visible_text_can_always_be_written_as_utf8(text: str) -> None:
    assert "\x00" not in formats.visible(text).encode().decode()


@given(st.text(alphabet="abc01", max_size=12), st.text(alphabet="abc01", max_size=12))
def test_compared_pieces_spell_the_text_and_mark_nothing_when_equal(text: str, other: str) -> None:
    pieces = formats.compared(text, other)
    assert "".join(piece for piece, _ in pieces) == text
    assert any(differs for _, differs in formats.compared(text, text)) is False


def test_compared_marks_the_letter_that_differs() -> None:
    assert formats.compared("pike", "pine") == [("pi", False), ("k", True), ("e", False)]
