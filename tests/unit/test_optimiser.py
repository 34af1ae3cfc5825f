"""Plans of buckets: the dynamic programme against every choice there is, and what it promises of each word."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.data.widths import width_rule
from crnn.inference.call_costs import Costs, rising
from crnn.planning.optimiser import (
    Bounds,
    Bucket,
    Candidate,
    Demand,
    Floats,
    Sizes,
    Span,
    candidates,
    cheapest_by_count,
    evenly_spaced,
    fill,
    filled,
    plan_content,
    widths_by,
)

LINEAR = Costs((32, 512), (1, 4), np.array([[0.4, 1.0], [4.9, 12.0]]))  # four in a call are cheaper than four calls


def bounds(distortion: float = 0.3, buckets: int | None = None, **more: int) -> Bounds:
    lattice = {"step": 16, "min": 32, "max": 128} | more
    return Bounds(1.2, distortion=distortion, accuracy_drop=0.0, batch=4, buckets=buckets, **lattice)


FAITHFUL = np.zeros((7, 7))  # of the lattice of `bounds`: words are read alike at every width


def demand(sizes: Sizes, costs: Costs = LINEAR, lost: Floats = FAITHFUL, within: Bounds | None = None) -> Demand:
    return Demand.of(sizes, costs, lost, within or bounds())


def sized(*widths: int) -> Sizes:
    """Images 32 high, which keep their width before it is stretched."""
    return np.array([(width, 32) for width in widths])


word_sizes = st.lists(st.tuples(st.integers(10, 140), st.integers(20, 50)), min_size=1, max_size=14).map(np.array)
distortions = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9])
prices = st.sampled_from([0.0, 0.1, 1.0, 30.0])
losses = st.lists(st.lists(st.floats(-0.2, 0.9), min_size=7, max_size=7), min_size=7, max_size=7).map(np.array)


@st.composite
def cost_tables(draw: st.DrawFn) -> Costs:
    """Any costs that rise with the work, of batches 1, 2 and 5 at three widths."""
    points = st.lists(st.floats(0.01, 10), min_size=3, max_size=3)
    table = np.array(draw(st.lists(points, min_size=3, max_size=3)))
    return Costs((32, 70, 128), (1, 2, 5), rising(rising(table, 0), 1))


# --- the programme -----------------------------------------------------------------------------------------


def every_choice(planned: Demand, count: int) -> list[list[Span]]:
    """All ways to cut the widths that words have into runs, and to give each run a width of the lattice."""
    ends = [(*cuts, len(planned.met) - 1) for cuts in combinations(range(len(planned.met) - 1), count - 1)]
    choices = []
    for last in ends:
        runs = list(zip([0, *(end + 1 for end in last)], last, strict=False))
        for widths in combinations(planned.bounds.lattice, count):
            at = {(span.first, span.last, span.bucket.width): span for span in planned.spans}
            spans = [at.get((*run, width)) for run, width in zip(runs, widths, strict=True)]
            if None not in spans:
                choices.append(spans)
    return choices


@settings(max_examples=60)
@given(word_sizes, cost_tables(), losses, prices, distortions)
def test_no_choice_of_buckets_is_cheaper(
    sizes: Sizes, costs: Costs, lost: Floats, price: float, distortion: float
) -> None:
    def total(spans: list[Span] | tuple[Span, ...]) -> float:
        return sum(span.bucket.seconds + price * span.lost for span in spans)

    planned = demand(sizes, costs, lost, bounds(distortion))
    best = {
        count: min(map(total, choices))
        for count in range(1, len(planned.met) + 1)
        if (choices := every_choice(planned, count))
    }
    found = cheapest_by_count(planned, price, 7)
    assert {count: total(spans) for count, spans in found.items()} == pytest.approx(best)


@given(word_sizes, cost_tables(), losses, prices, distortions)
def test_the_rule_gives_the_words_that_were_planned(
    sizes: Sizes, costs: Costs, lost: Floats, price: float, distortion: float
) -> None:
    for spans in cheapest_by_count(demand(sizes, costs, lost, bounds(distortion)), price, 7).values():
        candidate = Candidate(price, spans)
        assert filled(widths_by(width_rule(candidate.rule(bounds())), sizes), costs) == candidate.buckets


@given(word_sizes, losses, distortions)
def test_what_a_plan_loses_is_what_its_words_lose(sizes: Sizes, lost: Floats, distortion: float) -> None:
    within = bounds(distortion)
    for candidate in candidates(demand(sizes, lost=lost, within=within)):
        own, given_widths = (
            (widths_by(width_rule(rule), sizes) - within.min) // within.step
            for rule in (within.finest, candidate.rule(within))
        )
        assert candidate.lost == pytest.approx(lost[own, given_widths].sum())


@given(word_sizes, cost_tables(), losses, prices, st.integers(1, 6))
def test_more_buckets_never_cost_more(sizes: Sizes, costs: Costs, lost: Floats, price: float, most: int) -> None:
    planned = demand(sizes, costs, lost, bounds(0.9))

    def total(buckets: int) -> float:
        found = cheapest_by_count(planned, price, buckets).values()
        return min((sum(s.bucket.seconds + price * s.lost for s in spans) for spans in found), default=9e9)

    assert total(most + 1) <= total(most)


@given(word_sizes, cost_tables(), losses)
def test_a_higher_price_loses_no_more_words_and_takes_no_less_time(sizes: Sizes, costs: Costs, lost: Floats) -> None:
    dear = sorted(candidates(demand(sizes, costs, lost)), key=lambda candidate: candidate.price)
    for cheap, dearer in pairwise(dear):
        assert dearer.lost <= cheap.lost + 1e-9
        assert dearer.seconds >= cheap.seconds - 1e-9


@given(word_sizes, cost_tables(), losses, distortions)
def test_no_word_is_distorted_beyond_the_bound(sizes: Sizes, costs: Costs, lost: Floats, distortion: float) -> None:
    within = bounds(distortion)
    own = widths_by(width_rule(within.finest), sizes)
    for candidate in candidates(demand(sizes, costs, lost, within)):
        given_widths = widths_by(width_rule(candidate.rule(within)), sizes)
        assert np.all(np.abs(given_widths - own) <= distortion * own + 1e-9)


@given(word_sizes, st.integers(1, 7))
def test_evenly_spaced_widths_serve_every_word_with_the_nearest(sizes: Sizes, count: int) -> None:
    even = evenly_spaced(demand(sizes), count)
    assert len(even.widths) <= count
    widest = widths_by(width_rule(bounds().finest), sizes).max()
    assert even.widths[-1] == widest
    given_widths = widths_by(even, sizes)
    ideals = np.minimum(sizes[:, 0] * 32 / sizes[:, 1] * 1.2, widest)
    assert np.all(np.abs(given_widths - ideals) <= np.abs(np.array(even.widths)[:, None] - ideals).min(axis=0) + 1e-9)


@given(word_sizes)
def test_a_plan_for_another_height_gives_the_widths_at_that_height(sizes: Sizes) -> None:
    """A word at 64 rows has the width that one of twice the aspect has at 32."""
    twice = sizes * np.array([2, 1])
    tall = replace(bounds(), height=64)
    planned = [candidates(demand(each, within=within))[0] for each, within in ((sizes, tall), (twice, bounds()))]
    assert [span.bucket for span in planned[0].spans] == [span.bucket for span in planned[1].spans]
    rule = width_rule(planned[0].rule(tall))
    assert rule.height == 64
    assert widths_by(rule, sizes).tolist() == widths_by(width_rule(planned[1].rule(bounds())), twice).tolist()


# --- by hand -----------------------------------------------------------------------------------------------


def test_words_of_like_width_share_a_bucket_that_fills_a_call() -> None:
    """Four of 48 to 62 columns and one of 120: one call for the four, at the least width that the bound allows."""
    planned = demand(sized(40, 50, 52, 52, 105), within=bounds(0.4))
    spans = cheapest_by_count(planned, 0.0, 7)[2]
    assert [(span.upto, span.bucket.width, span.bucket.words) for span in spans] == [(72, 48, 4), (136, 80, 1)]
    assert [span.bucket.batch for span in spans] == [4, 4]


def test_what_a_lost_word_costs_decides_how_narrow_words_become() -> None:
    """Words of 64 columns are all misread in 48, words of 128 read as well in 96."""
    lost = np.zeros((7, 7))
    lost[2, 1] = 1.0
    widths = [
        [span.bucket.width for span in cheapest_by_count(demand(sized(53, 106), lost=lost), price, 7)[2]]
        for price in (0.0, 100.0)
    ]
    assert widths == [[48, 96], [64, 96]]


def test_a_batch_is_chosen_for_the_words_there_are() -> None:
    sizes, seconds = (1, 4, 16), np.array([1.0, 2.0, 12.0])
    assert fill(64, 1, sizes, seconds) == Bucket(64, 4, 1, 1.0)  # any holds it; of those, the cheapest per word
    assert fill(64, 8, sizes, seconds) == Bucket(64, 4, 8, 4.0)
    assert fill(64, 9, sizes, seconds) == Bucket(64, 4, 9, 5.0)  # two calls of four, one of one
    assert fill(64, 6, sizes, seconds).seconds == pytest.approx(2.0 + 1 + 1 / 3)  # two words cost between one and four


def test_bounds_that_no_plan_keeps_are_refused_with_what_would_do() -> None:
    with pytest.raises(
        UserError, match=r"no 1 widths of 32, 48, … 128 keep every word within 10% .*; 4 do\. Allow more"
    ):
        candidates(demand(sized(26, 40, 53, 66), within=bounds(0.1, buckets=1)))


def test_words_that_cannot_be_read_make_no_plan() -> None:
    with pytest.raises(UserError, match="there is no word to plan for"):
        demand(np.empty((0, 2), np.int64))


def test_a_plan_says_what_it_was_made_from_and_what_it_saves() -> None:
    sizes = sized(50, 52, 55, 75, 400)
    planned = demand(sizes)
    chosen = candidates(planned)[0]
    content = plan_content(chosen, planned, sizes, LINEAR)
    assert content["rule"] == chosen.rule(bounds())
    assert sum(bucket["words"] for bucket in content["buckets"]) == content["words"]["counted"] == 5
    assert content["words"]["nearest_width"] == {"64": 3, "96": 1, "128": 1}
    assert content["words"]["largest_squeeze"] == pytest.approx(1 - 96 / 480)  # 480 columns in 128 at best
    assert content["words"]["predicted_lost"] == 0
    assert content["seconds"]["planned"] == pytest.approx(chosen.seconds)
    assert content["seconds"]["planned"] <= content["seconds"]["finest"] <= content["seconds"]["own_width"]
    assert content["mean_width"]["planned"] < content["mean_width"]["finest"]
    other_sizes = sized(50, 52, 55, 75, 401)
    other = plan_content(chosen, planned, other_sizes, LINEAR)
    assert other["words"]["sha256"] != content["words"]["sha256"]
