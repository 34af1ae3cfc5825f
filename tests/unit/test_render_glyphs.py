"""Text → lettering → what stands around it → how it lies in its crop."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.data.render.camera import geometry
from crnn.data.render.camera.geometry import Margins
from crnn.data.render.fonts.probe import Font
from crnn.data.render.scene import surroundings
from crnn.data.render.text.glyphs import NARROWEST, PATHS, Lettering, TextStyle, choose_style, glyph_of, set_text
from crnn.data.render.text.lexicon import CHARACTERS
from crnn.data.render.text.paths import EM, places

KARLA = Font(Path(__file__).parents[2] / "resources" / "fonts" / "Karla-Regular.otf", "Karla")
SEEDS = st.integers(0, 2**32 - 1)


def lettering(text: str = "HILL", seed: int = 0, **style: object) -> Lettering:
    """`text` in Karla, in a style that departs from plain text by the given fields."""
    return set_text(text, KARLA, replace(TextStyle(), **style), np.random.default_rng(seed))


def tops(mask: npt.NDArray[np.float32]) -> list[int]:
    """The highest ink in the first, the middle and the last seventh of a mask."""
    pieces = np.array_split(mask, 7, axis=1)
    return [int(np.flatnonzero(piece.max(axis=1) > 0.5)[0]) for piece in (pieces[0], pieces[3], pieces[6])]


def holds_nothing_but_coverage(mask: npt.NDArray[np.float32]) -> bool:
    return mask.dtype == np.float32 and mask.min() >= 0 and mask.max() <= 1


@settings(max_examples=100, deadline=None)
@given(text=st.text(CHARACTERS, min_size=1, max_size=22), seed=SEEDS)
def test_lettering_is_coverage_cropped_to_its_ink(text: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    word = set_text(text, KARLA, choose_style(len(text), rng), rng)
    assert holds_nothing_but_coverage(word.ink)
    assert word.box == (0, 0, word.ink.shape[1], word.ink.shape[0])
    assert all(edge.any() for edge in (word.ink[0], word.ink[-1], word.ink[:, 0], word.ink[:, -1]))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_shows_every_letter(path: str) -> None:
    """Letters set apart stay apart and whole, whatever line they stand on."""
    word = lettering("XXXXXXX", path=path, amount=0.8, spacing=0.25)
    pieces, _ = cv2.connectedComponents((word.ink > 0.5).astype(np.uint8))
    assert pieces - 1 == 7
    assert word.ink.sum() == pytest.approx(lettering("XXXXXXX", spacing=0.25).ink.sum(), rel=0.25)


def test_spacing_widens_a_word_once_per_gap() -> None:
    close, spaced = (lettering(path="tracked", spacing=spacing).ink for spacing in (0.0, 0.5))
    assert spaced.shape[1] - close.shape[1] == pytest.approx(3 * 0.5 * EM, abs=2)


def test_weight_makes_letters_heavier_or_lighter() -> None:
    light, plain, bold = (lettering(weight=weight).ink.sum() for weight in (-1, 0, 1))
    assert light < 0.9 * plain
    assert bold > 1.2 * plain


def test_stretch_changes_the_width_alone() -> None:
    narrow, plain, wide = (lettering("Stretched", stretch=stretch).ink.shape for stretch in (0.6, 1.0, 1.5))
    assert narrow[0] == plain[0] == wide[0]
    assert narrow[1] / plain[1] == pytest.approx(0.6, abs=0.01)
    assert wide[1] / plain[1] == pytest.approx(1.5, abs=0.01)


def test_no_word_is_squeezed_below_a_quarter_of_its_height_per_letter() -> None:
    squeezed = lettering("Condensed", stretch=0.1)
    assert squeezed.pitch / squeezed.ink.shape[0] == pytest.approx(NARROWEST, abs=0.01)


@pytest.mark.parametrize(("amount", "middle_is_higher"), [(0.9, True), (-0.9, False)])
def test_an_arc_lifts_the_middle_over_the_ends_or_the_ends_over_it(amount: float, middle_is_higher: bool) -> None:
    first, middle, last = tops(lettering("HHHHHHHHHHH", path="arc", amount=amount).ink)
    assert (middle < first) == (middle < last) == middle_is_higher
    assert abs(middle - first) > EM / 2


def test_the_ends_of_an_arc_are_turned() -> None:
    straight, bent = (lettering("IIIIIIIIIIIIIIII", path=path, amount=1).ink for path in ("tracked", "arc"))
    rows_of_last_letter = [np.flatnonzero(mask[:, -4:].max(axis=1) > 0.5).size for mask in (straight, bent)]
    assert rows_of_last_letter[1] < 0.6 * rows_of_last_letter[0]


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, length=st.integers(2, 22), amount=st.floats(-1, 1).filter(lambda amount: abs(amount) > 0.2))
def test_letters_follow_each_other_from_left_to_right(path: str, seed: int, length: int, amount: float) -> None:
    glyphs = [glyph_of(KARLA, "n")] * length
    placed = places(path, glyphs, 0.0, amount, np.random.default_rng(seed))
    middles = [place.x + place.scale * np.cos(place.turn) * glyphs[0].advance / 2 for place in placed]
    assert (np.diff(middles) > 0).all()


@pytest.mark.parametrize("amount", [0.9, -0.9])
def test_letters_on_an_arc_are_turned_along_it(amount: float) -> None:
    glyphs = [glyph_of(KARLA, "n")] * 9
    placed = places("arc", glyphs, 0.0, amount, np.random.default_rng(0))
    slopes = np.arctan2(np.diff([place.y for place in placed]), np.diff([place.x for place in placed]))
    turns = [place.turn for place in placed]
    assert slopes == pytest.approx((np.array(turns[1:]) + turns[:-1]) / 2, abs=0.15)
    assert turns[0] == pytest.approx(-turns[-1])


def test_playful_letters_differ_in_size_and_a_wave_moves_them_up_and_down() -> None:
    plain = lettering("HHHHHHH").ink.shape[0]
    assert lettering("HHHHHHH", path="playful", amount=1).ink.shape[0] > plain + 3
    assert lettering("HHHHHHHHHH", path="wave", amount=1).ink.shape[0] > plain + 3


def test_an_initial_is_larger_than_the_letters_after_it() -> None:
    first, middle, _ = tops(lettering("HHHHHHH", path="initial").ink)
    assert first + 4 < middle


def test_letters_may_have_gray_levels_of_their_own() -> None:
    word = lettering("IIIII", toned=True, path="tracked", spacing=0.5)
    assert word.tone is not None
    levels = np.unique(np.round((word.tone / np.maximum(word.ink, 0.01))[word.ink > 0.9], 2))
    assert len(levels) >= 5
    assert np.abs(word.tone).max() <= 1
    assert lettering("IIIII").tone is None


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, width=st.integers(20, 500))
def test_the_corners_of_a_word_stay_in_the_crop(seed: int, width: int) -> None:
    mask = np.zeros((40, width), np.float32)
    for corner in (mask[:6, :6], mask[:6, -6:], mask[-6:, :6], mask[-6:, -6:]):
        corner[:] = 1
    word = Lettering(mask, (0, 0, width, 40), height=40, pitch=20)
    seen = geometry.view(word, Margins(0.1, 0.1, 0.1, 0.1), np.random.default_rng(seed)).ink
    assert holds_nothing_but_coverage(seen)
    assert cv2.connectedComponents((seen > 0.2).astype(np.uint8))[0] == 1 + 4  # the ground counts as one


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, margins=st.tuples(*[st.floats(0.05, 0.5)] * 4))
def test_margins_are_shares_of_the_height_of_the_text(seed: int, margins: tuple[float, float, float, float]) -> None:
    word = Lettering(np.ones((40, 120), np.float32), (0, 0, 120, 40), height=40, pitch=20)
    seen = geometry.view(word, Margins(*margins), np.random.default_rng(seed)).ink
    rows, columns = np.flatnonzero(seen.max(axis=1) > 0.02), np.flatnonzero(seen.max(axis=0) > 0.02)
    found = (columns[0], seen.shape[1] - 1 - columns[-1], rows[0], seen.shape[0] - 1 - rows[-1])
    assert found == pytest.approx([40 * margin for margin in margins], abs=2.5)


def test_a_negative_margin_cuts_into_the_ink() -> None:
    word = Lettering(np.ones((40, 120), np.float32), (0, 0, 120, 40), height=40, pitch=20)
    straight = geometry.straight(word, Margins(0.1, -0.05, 0.1, 0.1))
    assert straight.ink[:, -1].any()
    assert straight.ink.sum() == 40 * (120 - 2)


def test_a_twentieth_of_crops_cut_into_their_word_and_none_by_more_than_six_hundredths() -> None:
    crops = [geometry.choose_margins(np.random.default_rng(seed)) for seed in range(1000)]
    least = np.array([min(crop.left, crop.right, crop.above, crop.below) for crop in crops])
    assert 0.02 < (least < 0).mean() < 0.09
    assert least.min() >= -geometry.MOST_CUT


def test_words_are_turned_by_up_to_twenty_degrees_and_long_ones_less() -> None:
    def angles(width: int) -> npt.NDArray[np.float64]:
        sizes = np.array([width, 40.0])
        return np.array([abs(geometry._angle("turned", sizes, 40, np.random.default_rng(seed))) for seed in range(200)])

    assert angles(100).max() == pytest.approx(np.radians(20), rel=0.05)
    assert angles(1000).max() * 1000 <= 1.2 * 40 + 1


def surrounded(kind: str, seed: int = 0) -> tuple[Lettering, Margins]:
    """A word with one kind of surroundings, drawn until that kind comes up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surroundings, "KINDS", {getattr(surroundings, f"_with_{kind}"): 1.0})
        return surroundings.surround(
            lettering("EXIT"),
            Margins(0.05, 0.05, 0.05, 0.05),
            lambda: lettering("OTHER").ink,
            np.random.default_rng(seed),
        )


@pytest.mark.parametrize("kind", ["neighbours", "rules", "underline", "frame"])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_printed_around_a_word_shows_in_its_crop_and_does_not_touch_it(kind: str, seed: int) -> None:
    word, margins = surrounded(kind, seed)
    crop = geometry.straight(word, margins)
    assert crop.clutter is not None
    assert crop.clutter.max() > 0.5
    near = cv2.dilate(crop.ink, np.ones((3, 3)))
    assert not (near * crop.clutter).any()
    assert crop.ink.sum() == pytest.approx(lettering("EXIT").ink.sum())


@pytest.mark.parametrize("seed", range(20))
def test_of_a_neighbour_beside_a_word_only_a_sliver_shows(seed: int) -> None:
    word, margins = surrounded("neighbours", seed)
    crop = geometry.straight(word, margins)
    assert crop.clutter is not None
    left, _, right, _ = (round(edge) for edge in crop.box)
    beside = max(np.flatnonzero(crop.clutter[:, :left].max(axis=0)).size, crop.clutter.shape[1] - right)
    if margins.left > 0.2 or margins.right > 0.2:
        shown = crop.clutter[:, :left] if margins.left > 0.2 else crop.clutter[:, right:]
        assert np.flatnonzero(shown.max(axis=0)).size <= surroundings.SLIVER_BESIDE[1] * word.height + 2
    assert beside <= (surroundings.GAP_BESIDE[1] + surroundings.SLIVER_BESIDE[1]) * word.height + 2


def test_a_plate_lies_under_the_whole_word_and_ends_in_the_crop_of_some() -> None:
    crops = [geometry.straight(*surrounded("plate", seed)) for seed in range(10)]
    for crop in crops:
        assert crop.plate is not None
        assert (crop.plate[crop.ink > 0] == 1).all()
    assert sum(float(crop.plate.min()) == 0 for crop in crops if crop.plate is not None) >= 5


def test_three_crops_in_four_hold_nothing_but_their_word() -> None:
    word = lettering("EXIT")
    alone = [
        surroundings.surround(word, Margins(0, 0, 0, 0), lambda: word.ink, np.random.default_rng(seed))[0] is word
        for seed in range(500)
    ]
    assert 0.7 < np.mean(alone) < 0.8
