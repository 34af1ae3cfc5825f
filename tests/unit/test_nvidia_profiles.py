"""Profiles cover the words' widths once each, and a batch is fitted to them without losing a word."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.runtimes.shapes import Form, asked_widths
from crnn.runtimes.tensorrt.profiles import Profile, Profiles, profiles_for

ASPECT = {"batch": 16, "width_rule": {"rule": "aspect", "interpolation": "opencv-cubic", "channels": 1}}

PLANNED: dict[str, tuple[dict[str, Any], list[Profile]]] = {
    "all widths of a rule": (ASPECT, [Profile(16, 40, 224, 400)]),
    "for a width that most words have": ({**ASPECT, "typical_width": 104}, [Profile(16, 40, 104, 400)]),
    "one width": ({"batch": 1, "width_rule": {"rule": "fixed", "width": 100}}, [Profile(1, 100, 100, 100)]),
    "in two parts": ({**ASPECT, "profiles": 2}, [Profile(16, 40, 128, 216), Profile(16, 224, 312, 400)]),
    "in parts, of which one has the typical width": (
        {**ASPECT, "profiles": 2, "typical_width": 104},
        [Profile(16, 40, 104, 216), Profile(16, 224, 312, 400)],
    ),
    "of a plan, whose widths JSON makes texts": ({"plan": {"160": 4, "40": 16}}, [Profile(16, 40, 160, 160)]),
    "of a plan, one each": (
        {"plan": {"160": 4, "40": 16}, "profiles": 2},
        [Profile(16, 40, 40, 40), Profile(4, 160, 160, 160)],
    ),
    "of a plan rather than of a rule": ({**ASPECT, "plan": {100: 8}}, [Profile(8, 100, 100, 100)]),
}


@pytest.mark.parametrize("name", PLANNED)
def test_profiles_are_planned(name: str) -> None:
    options, expected = PLANNED[name]
    assert list(profiles_for(options).each) == expected


def test_a_profile_is_given_by_three_shapes() -> None:
    assert Profile(16, 40, 104, 400).corners(Form()) == ((1, 1, 32, 40), (16, 1, 32, 104), (16, 1, 32, 400))


def test_the_shapes_of_a_profile_have_the_form_of_the_model() -> None:
    colour = Form(channels=3, height=48)
    assert Profile(16, 320, 320, 960).corners(colour) == ((1, 3, 48, 320), (16, 3, 48, 320), (16, 3, 48, 960))


def test_facts_are_read_back() -> None:
    profiles = profiles_for({**ASPECT, "profiles": 3})
    assert Profiles.from_facts(profiles.facts()) == profiles


@given(st.dictionaries(st.integers(32, 500), st.integers(1, 64), min_size=1), st.data())
def test_every_planned_width_is_in_one_profile_that_takes_its_batch(plan: dict[int, int], data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(plan)))
    profiles = profiles_for({"plan": plan, "profiles": number})
    assert len(profiles.each) == number
    for width, batch in plan.items():
        (covering,) = [profile for profile in profiles.each if profile.low <= width <= profile.high]
        assert batch <= covering.batch
        assert covering.low <= covering.typical <= covering.high


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 64))
def test_calls_hold_every_word_once_and_none_too_many(count: int, batch: int, most: int) -> None:
    calls = list(profiles_for({"plan": {100: batch}}).calls(count, 100, most))
    assert [index for start, stop, _ in calls for index in range(start, stop)] == list(range(count))
    assert all(stop - start <= min(batch, most) for start, stop, _ in calls)


def test_a_width_of_no_profile_is_refused_with_what_is_covered() -> None:
    profiles = profiles_for({"plan": {100: 8, 160: 4}, "profiles": 2})
    with pytest.raises(UserError, match=r"128 wide.*widths 100 to 100 at batch 1 to 8 and widths 160 to 160 at batch"):
        list(profiles.calls(1, 128, 8))


def test_the_widths_of_a_rule_are_those_that_it_gives() -> None:
    assert asked_widths({"rule": "fixed", "width": 100}) == (100,)
    assert asked_widths({"rule": "aspect", "min": 40, "max": 64, "step": 8}) == (40, 48, 56, 64)
    assert asked_widths({"rule": "recipe"})[::288] == (32, 320)
