"""Scores by the standard protocol: whole words, every record counts."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.data.labels import LabelPolicy
from crnn.score.accuracy import by_protocol, judge, score, wilson_interval
from examples import POLICY


def samples_of(*labels: str, statuses: dict[int, str] | None = None) -> pl.DataFrame:
    """What of samples.parquet a score needs: labels as compared, all usable save those in `statuses`."""
    indices = range(1, len(labels) + 1)
    found = [(statuses or {}).get(index, "ok") for index in indices]
    return pl.DataFrame({"index": indices, "text": labels, "status": found})


def predictions_of(*texts: str | None) -> pl.DataFrame:
    confidences = [None if text is None else 0.5 for text in texts]
    columns = {"index": range(1, len(texts) + 1), "text": texts, "confidence": confidences}
    return pl.DataFrame(columns, schema={"index": pl.Int64, "text": pl.String, "confidence": pl.Float64})


def judged(labels: list[str], texts: list[str | None], **statuses: dict[int, str]) -> pl.DataFrame:
    return judge(samples_of(*labels, **statuses), predictions_of(*texts), POLICY)


# --- the interval ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correct", "low", "high"),
    [
        (1980, 64.3, 67.7),  # 66 %, the recipe's published accuracy
        (2246, 73.3, 76.4),  # 74.87 %, its static sister
        (2415, 79.0, 81.9),  # 80.5 %
        (2532, 83.1, 85.7),  # 84.4 %
    ],
)
def test_intervals_of_published_accuracies_on_3000_words(correct: int, low: float, high: float) -> None:
    assert [round(100 * bound, 1) for bound in wilson_interval(correct, 3000)] == [low, high]


def test_interval_is_wilsons_formula() -> None:
    p, n, z = 0.7, 50, 1.959963984540054
    middle, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    expected = [(middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)]
    assert wilson_interval(35, 50) == pytest.approx(expected)


@given(st.integers(1, 5000), st.data())
def test_an_interval_holds_its_proportion_and_mirrors(samples: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, samples))
    low, high = wilson_interval(correct, samples)
    assert -1e-12 <= low <= correct / samples + 1e-12
    assert correct / samples - 1e-12 <= high <= 1 + 1e-12
    assert wilson_interval(samples - correct, samples) == pytest.approx([1 - high, 1 - low], abs=1e-9)


# --- one word ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "text", "distance"),
    [
        ("word", "word", 0),
        ("kitten", "sitting", 3 / 7),  # two substitutions and an insertion, over the longer length
        ("word", "", 1),
        ("word", "xyz0", 1),
        ("word", "words", 1 / 5),
        ("words", "word", 1 / 5),
        ("aa", "a", 1 / 2),
    ],
)
def test_edit_distance_is_over_the_longer_text(label: str, text: str, distance: float) -> None:
    row = judged([label], [text]).row(0, named=True)
    assert row["edit_distance"] == pytest.approx(distance)
    assert row["correct"] is (distance == 0)


def test_both_sides_are_compared_after_the_policy() -> None:
    assert judge(samples_of("its"), predictions_of("It's"), POLICY)["correct"].to_list() == [True]
    exact = LabelPolicy("abcdefghijklmnopqrstuvwxyzI'", case="keep")
    assert judge(samples_of("its"), predictions_of("It's"), exact)["correct"].to_list() == [False]


def test_a_word_that_was_not_read_is_wrong() -> None:
    row = judged(["word"], [None], statuses={1: "corrupt-image"}).row(0, named=True)
    assert row == {
        **{"index": 1, "label": "word", "text": "", "confidence": None, "status": "corrupt-image"},
        **{"scorable": False, "correct": False, "edit_distance": 1.0},
    }


@pytest.mark.parametrize("status", ["missing-label", "empty-label", "outside-charset"])
def test_a_word_without_a_usable_label_is_wrong_even_where_the_texts_agree(status: str) -> None:
    row = judged([""], [""], statuses={1: status}).row(0, named=True)
    assert (row["correct"], row["scorable"], row["edit_distance"]) == (False, False, 1.0)


def test_words_are_matched_by_index_and_not_by_place() -> None:
    shuffled = predictions_of("one", "two", "three").sample(fraction=1, shuffle=True, seed=1)
    table = judge(samples_of("one", "two", "three").reverse(), shuffled, POLICY)
    assert table["index"].to_list() == [1, 2, 3]
    assert table["correct"].all()


# --- a run -------------------------------------------------------------------------------------------------


def test_every_record_counts() -> None:
    result = score(
        judged(["one", "two", "three", ""], ["one", "tow", None, "x"], statuses={3: "corrupt-image", 4: "empty-label"})
    )
    assert (result["samples"], result["correct"], result["accuracy"]) == (4, 1, 0.25)
    assert result["accuracy_ci95"] == wilson_interval(1, 4)
    assert result["unscorable"] == 2
    assert result["statuses"] == {"ok": 2, "corrupt-image": 1, "empty-label": 1}
    assert result["ned"] == pytest.approx((0 + 2 / 3 + 1 + 1) / 4)


def test_lengths_add_up_to_the_scorable_words() -> None:
    labels = ["a", "b", "cc", "dd", "ee", "fffff", "lost"]
    result = score(judged(labels, ["a", "x", "cc", "dd", "x", "x", None], statuses={7: "corrupt-image"}))
    counts = [(row["length"], row["samples"], row["correct"]) for row in result["by_length"]]
    assert counts == [(1, 2, 1), (2, 3, 2), (5, 1, 0)]
    assert sum(samples for _, samples, _ in counts) == result["samples"] - result["unscorable"]
    assert sum(correct for _, _, correct in counts) == result["correct"]
    assert result["by_length"][1]["accuracy_ci95"] == wilson_interval(2, 3)


def test_not_one_scorable_word_scores_nothing() -> None:
    result = score(judged(["one", "two"], [None, None], statuses={1: "missing-image", 2: "missing-image"}))
    assert (result["accuracy"], result["ned"], result["unscorable"], result["by_length"]) == (0, 1, 2, [])


# --- the accuracies of the field's tables ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "text", "right"),
    [
        ("Open", "Open", {"any_case", "case_sensitive", "all_characters"}),
        ("Open", "open", {"any_case"}),
        ("Open!", "Open", {"any_case", "case_sensitive"}),
        ("it's", "its", {"any_case", "case_sensitive"}),
        ("mind gap", "mindgap", {"any_case", "case_sensitive", "all_characters"}),
        ("café", "cafe", {"any_case", "case_sensitive"}),
        ("価格", "価格", {"all_characters"}),
        ("!", "", set()),
        ("", "", set()),
    ],
)
def test_each_protocol_compares_its_part_of_a_text(label: str, text: str, right: set[str]) -> None:
    samples = pl.DataFrame({"index": [1], "label": [label], "status": ["empty-label"]})
    scores = by_protocol(samples, predictions_of(text))
    assert {name for name, each in scores.items() if each["correct"]} == right


@pytest.mark.parametrize("status", ["missing-image", "corrupt-image", "missing-label", "garbled-label"])
def test_by_every_protocol_a_word_that_cannot_be_read_is_wrong(status: str) -> None:
    samples = pl.DataFrame({"index": [1, 2], "label": ["a", "b"], "status": [status, "ok"]})
    for each in by_protocol(samples, predictions_of("a", "b")).values():
        assert each == {"compared": 1, "correct": 1, "accuracy": 0.5, "accuracy_ci95": wilson_interval(1, 2)}
