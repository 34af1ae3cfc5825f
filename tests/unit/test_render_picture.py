"""The steps between a text and its picture: glyphs, geometry, scene, camera, and the test of legibility."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.render import camera, geometry, scene
from crnn.render.fonts import Font
from crnn.render.glyphs import TextStyle, set_text
from crnn.render.legibility import contrast_to_noise, is_legible
from crnn.render.lexicon import CHARACTERS

KARLA = Font(Path(__file__).parents[2] / "resources" / "fonts" / "Karla-Regular.otf", unicase=False)
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=50, deadline=None)
@given(
    text=st.text(CHARACTERS, min_size=1, max_size=14),
    size=st.integers(22, 64),
    spacing=st.floats(-0.03, 0.3),
    stroke=st.floats(0, 0.04),
    bend=st.floats(-0.07, 0.07),
)
def test_a_mask_is_coverage_cropped_to_its_ink(
    text: str, size: int, spacing: float, stroke: float, bend: float
) -> None:
    mask = set_text(text, KARLA, TextStyle(size, spacing, stroke, bend))
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert all(edge.any() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def test_spacing_widens_a_word_once_per_gap() -> None:
    close, spaced = (set_text("HILL", KARLA, TextStyle(50, spacing)) for spacing in (0.0, 0.2))
    assert spaced.shape[1] - close.shape[1] == pytest.approx(3 * 0.2 * 50, abs=1)


def test_a_stroke_makes_letters_heavier() -> None:
    light, heavy = (set_text("HILL", KARLA, TextStyle(50, stroke=stroke)) for stroke in (0.0, 0.04))
    assert heavy.sum() > 1.2 * light.sum()


@pytest.mark.parametrize(("bend", "middle_is_higher"), [(0.05, True), (-0.05, False)])
def test_bend_lifts_the_middle_over_the_ends(bend: float, middle_is_higher: bool) -> None:
    mask = set_text("HHHHHHH", KARLA, TextStyle(50, bend=bend))
    top = [int(np.flatnonzero(mask[:, column].max(axis=1))[0]) for column in _thirds(mask)]
    assert (top[1] < top[0]) == (top[1] < top[2]) == middle_is_higher


def _thirds(mask: npt.NDArray[np.float32]) -> list[slice]:
    width = mask.shape[1]
    return [slice(0, width // 7), slice(3 * width // 7, 4 * width // 7), slice(6 * width // 7, width)]


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, width=st.integers(20, 500))
def test_the_corners_of_a_word_stay_in_the_picture(seed: int, width: int) -> None:
    mask = np.zeros((40, width), np.float32)
    for corner in (mask[:6, :6], mask[:6, -6:], mask[-6:, :6], mask[-6:, -6:]):
        corner[:] = 1
    viewed = geometry.view(mask, np.random.default_rng(seed))
    components = cv2.connectedComponents((viewed > 0.25).astype(np.uint8))[0]
    assert components == 1 + 4  # the ground counts as one


def test_margins_surround_the_ink() -> None:
    framed = geometry.frame(np.ones((30, 90), np.float32), np.random.default_rng(0))
    assert framed.sum() == 30 * 90
    assert not any(edge.any() for edge in (framed[0], framed[-1], framed[:, 0], framed[:, -1]))


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_a_scene_stays_within_the_gray_levels(seed: int) -> None:
    painted = scene.paint(_bar(), np.random.default_rng(seed))
    assert painted.shape == _bar().shape
    assert painted.dtype == np.float32
    assert painted.min() >= 0
    assert painted.max() <= 255


def test_dark_on_light_and_light_on_dark_are_about_as_frequent() -> None:
    mask = _bar()
    scenes = [scene.paint(mask, np.random.default_rng(seed)) for seed in range(300)]
    light = sum(painted[mask == 1].mean() > painted[mask == 0].mean() for painted in scenes)
    assert 110 < light < 190


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_a_picture_is_never_enlarged_and_keeps_its_mask(seed: int) -> None:
    image, mask = camera.step_back(_bar() * 100, _bar(), np.random.default_rng(seed))
    assert image.shape == mask.shape
    assert 14 <= image.shape[0] <= _bar().shape[0]


def test_an_encoded_picture_decodes_to_its_gray_levels() -> None:
    image = np.tile(np.linspace(0, 255, 60, dtype=np.float32), (40, 1))
    for seed in range(10):
        file = np.frombuffer(camera.encode(image, np.random.default_rng(seed)), np.uint8)
        decoded = cv2.imdecode(file, cv2.IMREAD_UNCHANGED)
        assert decoded is not None
        assert decoded.shape == image.shape
        assert np.abs(decoded - image).max() < 16


def test_files_are_png_and_jpeg() -> None:
    image = np.zeros((8, 8), np.float32)
    heads = {camera.encode(image, np.random.default_rng(seed))[:3] for seed in range(20)}
    assert heads == {b"\x89PN", b"\xff\xd8\xff"}


def test_contrast_to_noise_is_the_difference_of_means_over_the_pooled_deviation() -> None:
    image = np.array([[0.0, 20.0, 100.0, 140.0]], np.float32)
    ink = np.array([[0, 0, 1, 1]], np.float32)
    difference, ratio = contrast_to_noise(image, ink, 1 - ink, starts=np.array([0]))
    assert difference.tolist() == pytest.approx([110])
    assert ratio.tolist() == pytest.approx([110 / ((10**2 + 20**2) / 2) ** 0.5])


def test_contrast_is_measured_strip_by_strip() -> None:
    image = np.array([[0.0, 100.0, 30.0, 40.0, 50.0]], np.float32)
    ink = np.array([[0, 1, 0, 1, 1]], np.float32)
    difference, _ = contrast_to_noise(image, ink, 1 - ink, starts=np.array([0, 2]))
    assert difference.tolist() == pytest.approx([100, 15])


@pytest.mark.parametrize(("ink", "ground"), [(0, 255), (255, 0), (120, 160)])
def test_a_word_of_either_polarity_on_a_plain_ground_is_legible(ink: float, ground: float) -> None:
    mask = _word()
    assert is_legible(ground + (ink - ground) * mask, mask)


def test_ink_of_nearly_the_grounds_level_is_rejected() -> None:
    mask = _word()
    assert not is_legible(120 + 20 * mask, mask)


def test_a_word_that_fades_into_its_ground_at_one_end_is_rejected() -> None:
    mask = _word()
    fading = np.linspace(0, 200, mask.shape[1], dtype=np.float32)
    assert not is_legible(200 + (fading - 200) * mask, mask)


def test_a_word_drowned_in_noise_is_rejected() -> None:
    mask = _word()
    noise = np.random.default_rng(0).normal(0, 60, mask.shape).astype(np.float32)
    assert is_legible(100 + 50 * mask, mask)
    assert not is_legible(100 + 50 * mask + noise, mask)


def test_a_picture_without_ink_is_rejected() -> None:
    assert not is_legible(np.full((20, 60), 128, np.float32), np.zeros((20, 60), np.float32))


def _bar() -> npt.NDArray[np.float32]:
    """A mask of 60 x 120 px with ink in its middle, as a dash."""
    return np.pad(np.ones((20, 80), np.float32), 20)


def _word() -> npt.NDArray[np.float32]:
    return np.pad(set_text("Example", KARLA, TextStyle(40)), 4)
