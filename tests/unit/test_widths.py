"""Width rules: pure functions of one image's size."""

import io
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from crnn.core.errors import UserError
from crnn.data.lmdb import Words
from crnn.data.widths import Aspect, Buckets, Fixed, Recipe, width_rule

IIIT5K = os.environ.get("CRNN_IIIT5K_LMDB", "")

sides = st.integers(1, 3000)


@st.composite
def aspects(draw: st.DrawFn) -> Aspect:
    """Any valid aspect rule."""
    least, step = draw(st.integers(32, 128)), draw(st.integers(1, 64))
    stretch = draw(st.sampled_from([0.5, 0.8, 1.0, 1.1, 1.2, 1.25, 1.3, 2.0, 3.3]))
    return Aspect(stretch, step, least, least + step * draw(st.integers(0, 60)))


def recipe_formula(w: int, h: int) -> int:
    """The two lines of the recipe's parse_testdata.py, restated: int(h/32)·w above 32 rows, else 100; 32 … 320."""
    new_h = 32
    new_w = int(h / new_h) * w if h > 32 else 100
    return max(32, min(new_w, 320))


# --- recipe ------------------------------------------------------------------------------------------------


def test_recipe_equals_the_original_formula_for_every_size() -> None:
    rule = Recipe()
    for height in range(1, 301):
        for width in range(1, 401):
            assert rule(width, height) == recipe_formula(width, height), (width, height)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (500, 32, 100),  # 32 rows or fewer: 100, whatever the width
        (5, 10, 100),
        (200, 33, 200),  # int(33 / 32) is 1
        (200, 63, 200),
        (120, 64, 240),  # twice as high, twice as wide: the bug
        (200, 64, 320),  # clipped
        (10, 40, 32),
        (10, 772, 240),  # the tallest word of IIIT5K is 772 rows high
    ],
)
def test_recipe_by_hand(width: int, height: int, expected: int) -> None:
    assert Recipe()(width, height) == expected


@pytest.mark.skipif(not IIIT5K, reason="CRNN_IIIT5K_LMDB names no LMDB of the IIIT5K test words")
def test_recipe_widths_of_the_real_iiit5k_are_the_original_ones() -> None:
    with Words(Path(IIIT5K)) as words:
        sizes = [Image.open(io.BytesIO(word.image or b"")).size for word in words]
    widths = [Recipe()(*size) for size in sizes]
    assert widths == [recipe_formula(*size) for size in sizes]
    # Facts of the 3000 test images under the original formula, counted apart from this code.
    ratios = [used / max(32, 32 * width / height) for used, (width, height) in zip(widths, sizes, strict=True)]
    assert len(sizes) == 3000
    assert len(set(widths)) == 252
    assert sum(height <= 32 for _, height in sizes) == 1303
    assert widths.count(320) == 482
    assert sum(abs(ratio - 1) <= 0.1 for ratio in ratios) == 376
    assert sum(ratio > 1.5 for ratio in ratios) == 1426


# --- aspect ------------------------------------------------------------------------------------------------


@given(aspects(), sides, sides)
def test_aspect_gives_the_nearest_bucket(rule: Aspect, width: int, height: int) -> None:
    buckets = range(rule.min, rule.max + 1, rule.step)
    ideal = Fraction(32 * width, height) * Fraction(str(rule.stretch))
    chosen = rule(width, height)
    assert chosen in buckets
    assert abs(chosen - ideal) - min(abs(bucket - ideal) for bucket in buckets) < 1e-6


@given(aspects(), sides, sides, sides)
def test_aspect_never_narrows_as_an_image_widens(rule: Aspect, narrow: int, wide: int, height: int) -> None:
    assume(narrow < wide)
    assert rule(narrow, height) <= rule(wide, height)


@given(aspects(), sides, sides, st.integers(2, 50))
def test_aspect_looks_at_shape_and_not_at_scale(rule: Aspect, width: int, height: int, factor: int) -> None:
    assert rule(width * factor, height * factor) == rule(width, height)


@given(aspects(), sides, sides, st.lists(st.tuples(sides, sides), max_size=5))
def test_aspect_does_not_remember_other_images(
    rule: Aspect, width: int, height: int, others: list[tuple[int, int]]
) -> None:
    before = rule(width, height)
    for other in others:
        rule(*other)
    assert rule(width, height) == before


@pytest.mark.parametrize(
    ("width", "expected"), [(1, 40), (40, 40), (43, 40), (44, 40), (45, 48), (52, 48), (53, 56), (400, 400), (900, 400)]
)
def test_aspect_snaps_to_the_nearest_bucket_and_ties_go_down(width: int, expected: int) -> None:
    assert Aspect(stretch=1.0, step=8, min=40, max=400)(width, 32) == expected


def test_aspect_stretches_the_true_width() -> None:
    assert Aspect()(100, 32) == 120
    assert Aspect(stretch=1.0, step=4)(100, 32) == 100


# --- buckets -----------------------------------------------------------------------------------------------


@st.composite
def bucket_rules(draw: st.DrawFn) -> Buckets:
    """Any valid rule of listed widths."""
    widths = sorted(draw(st.sets(st.integers(32, 400), min_size=1, max_size=12)))
    most = draw(st.sets(st.integers(1, 500), min_size=len(widths), max_size=len(widths)) | st.just(set()))
    return Buckets(tuple(widths), draw(st.sampled_from([0.8, 1.0, 1.2])), tuple(sorted(most)))


@given(bucket_rules(), sides, sides)
def test_buckets_give_the_first_width_that_takes_words_so_wide(rule: Buckets, width: int, height: int) -> None:
    ideal = width * 32 / height * rule.stretch
    taking = [each for each, most in zip(rule.widths, rule.upto, strict=True) if ideal <= most]
    assert rule(width, height) == min(taking, default=rule.widths[-1])


@given(bucket_rules(), sides, sides, sides)
def test_buckets_never_narrow_as_an_image_widens(rule: Buckets, narrow: int, wide: int, height: int) -> None:
    assume(narrow < wide)
    assert rule(narrow, height) <= rule(wide, height)


@pytest.mark.parametrize(("width", "expected"), [(1, 48), (48, 48), (49, 96), (96, 96), (97, 200), (900, 200)])
def test_buckets_round_up(width: int, expected: int) -> None:
    assert Buckets((48, 96, 200), stretch=1.0)(width, 32) == expected


def test_a_bucket_may_take_words_that_are_wider_than_it() -> None:
    rule = Buckets((48, 96, 200), stretch=1.0, upto=(64, 128, 180))
    assert [rule(width, 32) for width in (64, 65, 128, 129, 900)] == [48, 96, 96, 200, 200]


# --- fixed, and building from settings -----------------------------------------------------------------------


# --- other heights, padding --------------------------------------------------------------------------------


@given(aspects(), sides, sides, st.integers(8, 96))
def test_a_height_scales_the_width_that_a_word_should_have(rule: Aspect, width: int, height: int, rows: int) -> None:
    other = replace(rule, height=rows)
    assert other(width, height) == replace(rule, stretch=rule.stretch * rows / 32)(width, height)


@st.composite
def padding_rules(draw: st.DrawFn) -> Aspect | Buckets:
    """Any rule that keeps the aspect of words and pads them."""
    height, pad = draw(st.sampled_from([32, 48, 64])), draw(st.integers(1, 500))
    rule = draw(aspects() | st.builds(lambda each: Buckets(each.widths, each.stretch), bucket_rules()))
    return replace(rule, height=height, pad=pad)


@given(padding_rules(), sides, sides)
def test_a_padded_word_has_its_own_width_in_the_next_bucket(rule: Aspect | Buckets, width: int, height: int) -> None:
    own, bucket, filled = rule.ideal(width, height), rule(width, height), rule.filled(width, height)
    assert bucket in rule.possible()
    assert bucket == min(
        (each for each in rule.possible() if each >= max(own, rule.pad or 0)), default=rule.possible()[-1]
    )
    assert filled == min(max(round(own), 1), bucket)


@given(padding_rules() | aspects() | bucket_rules(), sides, sides)
def test_every_width_that_a_rule_gives_is_a_possible_one(rule: Aspect | Buckets, width: int, height: int) -> None:
    assert rule(width, height) in rule.possible()
    assert 1 <= rule.filled(width, height) <= rule(width, height)
    assert rule.pad is not None or rule.filled(width, height) == rule(width, height)


def test_padding_and_limits_of_buckets_exclude_each_other() -> None:
    with pytest.raises(UserError, match="pads words to the next of widths, so upto has nothing to say"):
        Buckets((48, 96), 1.0, (64, 128), pad=48)


def test_a_word_of_320_columns_at_most_is_padded_as_paddleocr_does() -> None:
    rule = width_rule({"rule": "aspect", "stretch": 1.0, "step": 16, "min": 48, "max": 960, "height": 48, "pad": 320})
    sizes = [(100, 48), (320, 48), (321, 48), (5000, 48)]
    assert [rule(*size) for size in sizes] == [320, 320, 336, 960]
    assert [rule.filled(*size) for size in sizes] == [100, 320, 321, 960]


# --- one width, and any settings ---------------------------------------------------------------------------


@given(sides, sides, st.integers(32, 500))
def test_fixed_is_fixed(width: int, height: int, target: int) -> None:
    assert Fixed(target)(width, height) == target


def test_settings_build_the_rule_they_name() -> None:
    assert width_rule({"rule": "aspect"}) == Aspect(1.2, 8, 40, 400)
    assert width_rule({"rule": "aspect", "stretch": 1.0, "min": 32, "max": 320}) == Aspect(1.0, 8, 32, 320)
    assert width_rule({"rule": "fixed", "width": 128}) == Fixed(128)
    assert width_rule({"rule": "recipe"}) == Recipe()
    assert width_rule({"rule": "buckets", "widths": [48, 96]}) == Buckets((48, 96), 1.2, (48, 96))


def test_settings_are_left_as_they_were() -> None:
    settings = {"rule": "fixed", "width": 128}
    width_rule(settings)
    assert settings == {"rule": "fixed", "width": 128}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "width rule None: expected one of aspect, buckets, fixed, recipe"),
        ({"rule": "square"}, "width rule 'square': expected one of aspect, buckets, fixed, recipe"),
        ({"rule": "recipe", "width": 100}, "width rule recipe: .*'width'"),
        ({"rule": "aspect", "stretch": 0}, "needs stretch > 0"),
        ({"rule": "aspect", "stretch": -1.2}, "needs stretch > 0"),
        ({"rule": "aspect", "stretch": float("nan")}, "needs stretch > 0"),
        ({"rule": "aspect", "step": 0}, "step >= 1"),
        ({"rule": "aspect", "min": 24}, "32 <= min"),
        ({"rule": "aspect", "min": 80, "max": 40}, "min <= max"),
        ({"rule": "aspect", "min": 40, "max": 101}, "multiple of step"),
        ({"rule": "aspect", "step": "8"}, "width rule aspect"),
        ({"rule": "buckets"}, "width rule buckets: .*'widths'"),
        ({"rule": "buckets", "widths": []}, "needs ascending widths from 32"),
        ({"rule": "buckets", "widths": [31, 64]}, "needs ascending widths from 32"),
        ({"rule": "buckets", "widths": [64, 64]}, "needs ascending widths from 32"),
        ({"rule": "buckets", "widths": [64], "upto": [64, 96]}, "as many upto as widths"),
        ({"rule": "buckets", "widths": [64, 96], "upto": [80, 70]}, "as many upto as widths, ascending"),
        ({"rule": "buckets", "widths": ["64"]}, "width rule buckets"),
        ({"rule": "fixed", "width": 0}, "width >= 32"),
        ({"rule": "fixed", "width": "100"}, "width rule fixed"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        width_rule(settings)
