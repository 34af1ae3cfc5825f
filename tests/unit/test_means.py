"""Means over the sets of an evaluation folder: every set alike, or every word alike, with intervals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.score.accuracy import PROTOCOLS, evaluation_means, mean_accuracy, wilson_interval

counts = st.integers(1, 500).flatmap(lambda samples: st.tuples(st.integers(0, samples), st.just(samples)))


def score(correct: int, samples: int) -> dict[str, Any]:
    return {"accuracy": correct / samples, "accuracy_ci95": wilson_interval(correct, samples)}


def row(dataset: str, correct: int, samples: int, deployment: str = "ort") -> dict[str, Any]:
    scores = score(correct, samples)
    names = {"dataset": dataset, "model": "crnn", "deployment": deployment, "samples": samples}
    return {**names, **scores, "protocols": dict.fromkeys(PROTOCOLS, scores)}


@given(st.lists(counts, min_size=1, max_size=8))
def test_the_word_weighted_mean_is_that_of_all_words(sets: list[tuple[int, int]]) -> None:
    words = [samples for _, samples in sets]
    mean = mean_accuracy([score(*each) for each in sets], words)
    assert mean["accuracy"] == pytest.approx(sum(correct for correct, _ in sets) / sum(words))


@given(st.lists(counts, min_size=1, max_size=8), st.booleans())
def test_the_interval_is_about_the_mean_and_in_range(sets: list[tuple[int, int]], macro: bool) -> None:
    mean = mean_accuracy([score(*each) for each in sets], [1 if macro else samples for _, samples in sets])
    low, high = mean["accuracy_ci95"]
    assert 0 <= low <= mean["accuracy"] + 1e-12
    assert mean["accuracy"] - 1e-12 <= high <= 1


def test_of_one_set_the_interval_is_its_own() -> None:
    assert mean_accuracy([score(7, 9)], [9])["accuracy_ci95"] == pytest.approx(wilson_interval(7, 9))


def test_more_sets_make_a_narrower_interval() -> None:
    one, four = (mean_accuracy([score(80, 100)] * n, [1] * n)["accuracy_ci95"] for n in (1, 4))
    assert four[1] - four[0] == pytest.approx((one[1] - one[0]) / 2)


def test_each_model_and_deployment_has_both_means_over_the_sets_of_its_evaluation() -> None:
    rows = [row("SVT", 9, 10), row("CUTE80", 40, 80), row("mine", 0, 10), row("SVT", 1, 10, "w100")]
    means = evaluation_means(rows, {"two": ["SVT", "CUTE80"]})
    assert [(each["deployment"], list(each["sets"]), each["samples"]) for each in means] == [
        ("ort", ["SVT", "CUTE80"], 90),
        ("w100", ["SVT"], 10),
    ]
    assert means[0]["macro"]["labels"]["accuracy"] == pytest.approx(0.7)
    assert means[0]["weighted"]["case_sensitive"]["accuracy"] == pytest.approx(49 / 90)
    assert set(means[0]["macro"]) == {"labels", *PROTOCOLS}
