"""The audit: which words changed, on which edge, and whether chance explains it."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from crnn.score.audit import audit, compare, flips, sign_test, surgery_of

LABELS = ["one", "two", "three", "four", "five"]


def run_of(*texts: str) -> pl.DataFrame:
    """A judged run: of `crnn.score.accuracy.judge`'s columns, those that an audit reads."""
    indices, right = range(1, len(texts) + 1), [a == b for a, b in zip(LABELS, texts, strict=True)]
    columns = {"index": indices, "label": LABELS, "text": texts, "confidence": [0.1 * i for i in indices]}
    return pl.DataFrame({**columns, "correct": right})


RIGHT = run_of(*LABELS)
BEFORE = run_of("one", "tvvo", "three", "fuor", "five")
AFTER = run_of("one", "two", "tree", "foor", "five")


def of_kinds(gained: int, lost: int, changed: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {"kind": ["fixed"] * gained + ["broken"] * lost + ["changed"] * changed}, schema={"kind": pl.String}
    )


# --- flips -------------------------------------------------------------------------------------------------


def test_a_flip_is_a_gain_a_loss_or_merely_a_change() -> None:
    assert flips(BEFORE, AFTER).select("index", "label", "text_from", "text_to", "kind").rows() == [
        (2, "two", "tvvo", "two", "fixed"),
        (3, "three", "three", "tree", "broken"),
        (4, "four", "fuor", "foor", "changed"),
    ]


def test_a_flip_carries_both_confidences() -> None:
    sure = AFTER.with_columns(confidence=pl.lit(0.9))
    assert flips(BEFORE, sure).select("confidence_from", "confidence_to").row(0) == (0.2, 0.9)


def test_a_word_that_is_less_sure_has_not_flipped() -> None:
    assert flips(RIGHT, RIGHT.with_columns(confidence=pl.lit(0.01))).is_empty()


def test_words_are_matched_by_index() -> None:
    assert flips(BEFORE, AFTER.reverse()).equals(flips(BEFORE, AFTER))


# --- counting and testing ------------------------------------------------------------------------------------


def test_flips_are_counted_by_kind() -> None:
    comparison = compare(5, flips(BEFORE, AFTER))
    assert (comparison.samples, comparison.flipped, comparison.fixed, comparison.broken) == (5, 3, 1, 1)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (1, 1, 1.0),
        (0, 1, 1.0),
        (0, 5, 2 / 2**5),
        (2, 8, 2 * (1 + 10 + 45) / 2**10),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),  # two-sided
    ],
)
def test_mcnemar_by_hand(gained: int, lost: int, p: float) -> None:
    assert compare(3000, of_kinds(gained, lost, changed=4)).mcnemar_p == pytest.approx(p)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_binomial_of_the_rarer_kind_doubled(gained: int, lost: int) -> None:
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n
    p = compare(100, of_kinds(gained, lost)).mcnemar_p
    assert p == pytest.approx(min(1.0, 2 * tail))
    assert p == pytest.approx(binomtest(gained, n).pvalue if n else 1.0)


@pytest.mark.parametrize(("gained", "lost"), [(1500, 1400), (60_000, 58_900), (3000, 0)])
def test_mcnemar_of_many_words_is_scipys(gained: int, lost: int) -> None:
    assert sign_test(gained, lost) == pytest.approx(binomtest(gained, gained + lost).pvalue, rel=1e-7)


# --- a path ------------------------------------------------------------------------------------------------


def test_a_lost_word_is_on_the_edge_that_lost_it() -> None:
    path = [("torch", RIGHT), ("raw", RIGHT), ("fixed", RIGHT), ("build", run_of("one", "two", "tree", "four", "five"))]
    summary, rows = audit(path)
    assert summary["reference"] == "torch"
    assert (summary["flipped"], summary["fixed"], summary["broken"]) == (1, 0, 1)
    edges = [(edge["from"], edge["to"], edge["flipped"]) for edge in summary["path"]]
    assert edges == [("torch", "raw", 0), ("raw", "fixed", 0), ("fixed", "build", 1)]
    assert rows.select("index", "from", "to", "kind").rows() == [(3, "fixed", "build", "broken")]


def test_a_word_lost_and_found_again_shows_on_its_edges_but_not_in_the_whole() -> None:
    lost = run_of("one", "tvvo", "three", "four", "five")
    summary, rows = audit([("torch", RIGHT), ("raw", lost), ("fixed", RIGHT), ("build", RIGHT)])
    assert (summary["flipped"], summary["mcnemar_p"]) == (0, 1.0)
    assert rows.select("from", "to", "kind").rows() == [("torch", "raw", "broken"), ("raw", "fixed", "fixed")]


def test_surgery_is_summed_over_the_parts_and_stands_on_its_edge() -> None:
    surgery = surgery_of([{"changed": 1, "max_abs_difference": 1e-6}, {"changed": 2, "max_abs_difference": 3e-6}])
    assert surgery == {"changed": 3, "max_abs_difference": 3e-6}
    summary, _ = audit([("torch", RIGHT), ("raw", RIGHT), ("fixed", RIGHT), ("build", RIGHT)], surgery)
    assert summary["surgery"] == surgery
    assert [edge["max_abs_difference"] for edge in summary["path"]] == [None, 3e-6, None]


def test_without_surgery_no_edge_has_a_difference() -> None:
    assert surgery_of([]) is None
    summary, _ = audit([("raw", RIGHT), ("fixed", RIGHT)])
    assert (summary["surgery"], summary["path"][0]["max_abs_difference"]) == (None, None)


def test_without_flips_the_table_is_empty_but_has_its_columns() -> None:
    summary, rows = audit([("torch", RIGHT), ("build", RIGHT)])
    assert (summary["samples"], summary["flipped"], summary["mcnemar_p"]) == (5, 0, 1.0)
    assert rows.is_empty()
    assert rows.columns[:3] == ["index", "from", "to"]
    assert set(rows.columns) >= {"label", "text_from", "text_to", "confidence_from", "confidence_to", "kind"}
