"""Error analysis: accuracy by trait, and confused characters."""

from typing import Any

import polars as pl
import pytest

from crnn.score.error_analysis import by_trait, confusions


def words(**columns: list[Any]) -> pl.DataFrame:
    """Words of a run; a column that is not given has one value for all of them."""
    rows = len(next(iter(columns.values())))
    usual = {"label": "Word", "text": "word", "read": "word", "width": 120, "height": 40, "contrast": 60.0}
    filled = {name: columns.get(name, [value] * rows) for name, value in usual.items()}
    return pl.DataFrame(filled).with_columns(correct=pl.col("text") == pl.col("read"))


def groups(frame: pl.DataFrame, trait: str) -> dict[str, tuple[int, int]]:
    """Group → (words, right ones) of one trait."""
    return {row["group"]: (row["samples"], row["correct"]) for row in by_trait(frame) if row["trait"] == trait}


def test_words_are_cut_up_by_length() -> None:
    frame = words(text=["a", "abc", "abcd", "abcdefghijk"], read=["a", "xyz", "abcd", "abcdefghijk"])
    assert groups(frame, "length") == {"at most 3": (2, 1), "over 3, at most 5": (1, 1), "over 10": (1, 1)}


def test_digits_and_capitals_are_counted_in_the_label_as_stored() -> None:
    frame = words(label=["24", "B52", "Exit", "EXIT"])
    assert groups(frame, "digits") == {"at most 0": (2, 2), "over 0, at most 0.999": (1, 1), "over 0.999": (1, 1)}
    assert groups(frame, "capitals") == {"at most 0": (1, 1), "over 0, at most 0.999": (2, 2), "over 0.999": (1, 1)}


@pytest.mark.parametrize(("width", "group"), [(40, "at most 0.3"), (72, "over 0.4, at most 0.5"), (200, "over 0.7")])
def test_the_width_of_a_character_is_in_heights_of_the_image(width: int, group: str) -> None:
    assert groups(words(width=[width]), "width of a character") == {group: (1, 1)}


def test_every_word_is_in_one_group_of_each_trait() -> None:
    frame = words(height=[8, 16, 17, 32, 40, 64, 500])
    assert sum(samples for samples, _ in groups(frame, "image height").values()) == 7


def test_a_confusion_is_what_was_there_and_what_was_read() -> None:
    frame = words(text=["zoo", "oil", "ab", "ok"], read=["z0o", "0il", "abc", "ok"])
    assert confusions(frame) == [
        {"label": "o", "read": "0", "count": 2},
        {"label": "", "read": "c", "count": 1},
    ]
