"""Plans of buckets: the dynamic programme against every choice there is, and what it promises of each word."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.costs import Costs, rising
from crnn.errors import UserError
from crnn.plan import (
    Bounds,
    Bucket,
    Candidate,
    Sizes,
    candidates,
    cheapest_by_count,
    evenly_spaced,
    fill,
    filled,
    plan_content,
    true_widths,
    widths_by,
)
from crnn.widths import Buckets, width_rule

LINEAR = Costs((32, 512), (1, 4), np.array([[0.4, 1.0], [4.9, 12.0]]))  # four in a call are cheaper than four calls


def bounds(distortion: float = 0.3, buckets: int | None = None, **more: int) -> Bounds:
    lattice = {"step": 16, "min": 32, "max": 128} | more
    return Bounds(
        1.2, distortion=distortion, squeeze=distortion, accuracy_drop=0.0, batch=4, buckets=buckets, **lattice
    )


def sized(*widths: int) -> Sizes:
    """Images 32 high, which keep their width before it is stretched."""
    return np.array([(width, 32) for width in widths])


def seconds_of(buckets: tuple[Bucket, ...]) -> float:
    return sum(bucket.seconds for bucket in buckets)


word_sizes = st.lists(st.tuples(st.integers(10, 140), st.integers(20, 50)), min_size=1, max_size=14).map(np.array)
squeezes = st.sampled_from([0.0, 0.05, 0.125, 0.25])
distortions = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9])


@st.composite
def cost_tables(draw: st.DrawFn) -> Costs:
    """Any costs that rise with the work, of batches 1, 2 and 5 at three widths."""
    points = st.lists(st.floats(0.01, 10), min_size=3, max_size=3)
    table = np.array(draw(st.lists(points, min_size=3, max_size=3)))
    return Costs((32, 70, 128), (1, 2, 5), rising(rising(table, 0), 1))


# --- the programme -----------------------------------------------------------------------------------------


def kept(widths: tuple[int, ...], sizes: Sizes, within: Bounds, squeeze: float, distortion: float) -> bool:
    """Whether a rule of these widths uses each, squeezes no word further, and stretches none that need not be."""
    given_widths = widths_by(Buckets(widths, within.stretch, squeeze), sizes)
    narrowest = widths_by(Buckets(within.lattice, within.stretch, squeeze), sizes)
    stretched = given_widths > true_widths(sizes, within.stretch) * (1 + distortion)
    return (
        set(given_widths) == set(widths)
        and not any(stretched & (given_widths > narrowest))
        and all(given_widths >= narrowest)
    )


@settings(max_examples=60)
@given(word_sizes, cost_tables(), squeezes, distortions)
def test_no_choice_of_widths_is_cheaper(sizes: Sizes, costs: Costs, squeeze: float, distortion: float) -> None:
    within = bounds()
    best: dict[int, float] = {}
    for count in range(1, len(within.lattice) + 1):
        allowed = [
            seconds_of(filled(widths_by(Buckets(widths, within.stretch, squeeze), sizes), costs))
            for widths in combinations(within.lattice, count)
            if kept(widths, sizes, within, squeeze, distortion)
        ]
        if allowed:
            best[count] = min(allowed)
    found = cheapest_by_count(sizes, costs, within, squeeze, distortion)
    assert {count: seconds_of(buckets) for count, buckets in found.items()} == pytest.approx(best)


@given(word_sizes, cost_tables(), squeezes, distortions)
def test_the_rule_gives_the_words_that_were_planned(
    sizes: Sizes, costs: Costs, squeeze: float, distortion: float
) -> None:
    for buckets in cheapest_by_count(sizes, costs, bounds(), squeeze, distortion).values():
        rule = width_rule(Candidate(squeeze, distortion, buckets).rule(bounds().stretch))
        assert filled(widths_by(rule, sizes), costs) == buckets


@given(word_sizes, cost_tables(), st.integers(1, 6))
def test_more_buckets_never_cost_more(sizes: Sizes, costs: Costs, most: int) -> None:
    costly = [
        min(
            (seconds_of(each) for each in cheapest_by_count(sizes, costs, bounds(0.9, n), 0.1, 0.9).values()),
            default=9e9,
        )
        for n in (most, most + 1)
    ]
    assert costly[1] <= costly[0]


@given(word_sizes, cost_tables(), st.sampled_from([0.1, 0.2, 0.4]), st.sampled_from([0.0, 0.05, 0.3]))
def test_no_word_is_distorted_beyond_the_bounds_unless_every_width_would(
    sizes: Sizes, costs: Costs, distortion: float, squeeze: float
) -> None:
    within = replace(bounds(distortion), squeeze=squeeze)
    ideals = true_widths(sizes, within.stretch)
    for candidate in candidates(sizes, costs, within):
        given_widths = widths_by(width_rule(candidate.rule(within.stretch)), sizes)
        narrowest = widths_by(Buckets(within.lattice, within.stretch, candidate.squeeze), sizes)
        assert np.all((given_widths <= ideals * (1 + distortion)) | (given_widths == narrowest))
        least = ideals * (1 - min(distortion, squeeze))
        assert np.all((given_widths >= least - 1e-9) | (given_widths == within.max))


@given(word_sizes, cost_tables(), st.integers(1, 7))
def test_evenly_spaced_widths_are_never_cheaper(sizes: Sizes, costs: Costs, count: int) -> None:
    even = evenly_spaced(sizes, bounds(), 0.1, count)
    planned = cheapest_by_count(sizes, costs, bounds(buckets=count), 0.1, distortion=1e9)
    cheapest = min(map(seconds_of, planned.values()))
    assert cheapest <= seconds_of(filled(widths_by(even, sizes), costs)) + 1e-9
    assert len(even.widths) <= count


# --- by hand -----------------------------------------------------------------------------------------------


def test_words_of_like_width_share_a_bucket_that_fills_a_call() -> None:
    """Four of 48 to 63 columns, one of 120: one call for the four, at the width of the widest."""
    sizes = sized(40, 50, 52, 52, 100)
    found = cheapest_by_count(sizes, LINEAR, bounds(0.5), squeeze=0.0, distortion=0.5)
    assert [(bucket.width, bucket.words) for bucket in found[2]] == [(64, 4), (128, 1)]
    assert [bucket.batch for bucket in found[2]] == [4, 4]


def test_a_batch_is_chosen_for_the_words_there_are() -> None:
    sizes, seconds = (1, 4, 16), np.array([1.0, 2.0, 12.0])
    assert fill(64, 1, sizes, seconds) == Bucket(64, 4, 1, 1.0)  # any holds it; of those, the cheapest per word
    assert fill(64, 8, sizes, seconds) == Bucket(64, 4, 8, 4.0)
    assert fill(64, 9, sizes, seconds) == Bucket(64, 4, 9, 5.0)  # two calls of four, one of one
    assert fill(64, 6, sizes, seconds).seconds == pytest.approx(2.0 + 1 + 1 / 3)  # two words cost between one and four


def test_bounds_that_no_plan_keeps_are_refused_with_what_would_do() -> None:
    with pytest.raises(
        UserError,
        match=r"no 1 widths of 32, 48, … 128 keep every word within 10% .* where it is narrower; 4 do\. Allow more",
    ):
        candidates(sized(30, 45, 60, 75), LINEAR, bounds(0.1, buckets=1))


def test_words_that_cannot_be_read_make_no_plan() -> None:
    with pytest.raises(UserError, match="there is no word to plan for"):
        candidates(np.empty((0, 2), np.int64), LINEAR, bounds())


def test_a_plan_says_what_it_was_made_from_and_what_it_saves() -> None:
    sizes = sized(50, 52, 55, 75, 400)
    chosen = candidates(sizes, LINEAR, bounds())[0]
    content = plan_content(chosen, sizes, LINEAR, bounds())
    assert content["rule"] == chosen.rule(1.2)
    assert sum(bucket["words"] for bucket in content["buckets"]) == content["words"]["counted"] == 5
    assert content["words"]["nearest_width"] == {"64": 3, "96": 1, "128": 1}
    assert content["words"]["beyond"] == 1  # 480 columns in 128
    assert content["words"]["largest_squeeze"] == pytest.approx(1 - 128 / 480)
    assert content["seconds"]["planned"] == pytest.approx(chosen.seconds)
    assert content["seconds"]["planned"] <= content["seconds"]["finest"] <= content["seconds"]["own_width"]
    other = plan_content(chosen, sized(50, 52, 55, 75, 401), LINEAR, bounds())
    assert other["words"]["sha256"] != content["words"]["sha256"]
