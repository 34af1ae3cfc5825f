"""Scene → file, and the test of legibility."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.data.render.camera import exposure as camera
from crnn.data.render.camera.exposure import LEAST_LETTER, Shot
from crnn.data.render.camera.legibility import detail, is_legible, nearness
from crnn.data.render.fonts.probe import Font
from crnn.data.render.scene.grounds import Image
from crnn.data.render.scene.painting import Scene
from crnn.data.render.text.glyphs import Mask, TextStyle, set_text

KARLA = Font(Path(__file__).parents[2] / "resources" / "fonts" / "Karla-Regular.otf", "Karla")
SEEDS = st.integers(0, 2**32 - 1)


def ink(text: str = "Example") -> Mask:
    return np.pad(set_text(text, KARLA, TextStyle(), np.random.default_rng(0)).ink, 6)


def on_flat(level: float, ground: float) -> Scene:
    return Scene(np.asarray(ground + (level - ground) * ink(), np.float32), np.full(ink().shape, ground, np.float32))


def readable(scene: Scene, noise: float = 0.0) -> bool:
    return is_legible(scene, ink(), height=40, noise=noise)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, width=st.floats(4, 40), height=st.floats(10, 45))
def test_no_letter_is_shrunk_below_what_can_be_read(seed: int, width: float, height: float) -> None:
    image = np.zeros((50, 200), np.float32)
    seen = camera.step_back(Scene(image, image), (width, height), np.random.default_rng(seed)).word
    scale = seen.shape[0] / 50
    assert seen.shape[1] == pytest.approx(200 * scale, abs=5)
    assert scale * height >= min(height, LEAST_LETTER[1]) - 0.5
    assert scale * width >= min(width, LEAST_LETTER[0]) - 0.5


def test_four_in_ten_words_are_of_thirty_two_pixels_at_most_and_some_are_enlarged() -> None:
    image = np.zeros((50, 200), np.float32)
    rngs = (np.random.default_rng(seed) for seed in range(500))
    heights = np.array([camera.step_back(Scene(image, image), (20, 35), rng).word.shape[0] for rng in rngs])
    assert 0.3 < (heights <= 32).mean() < 0.5
    assert heights.min() <= 14
    assert (heights == 50).mean() > 0.3


def test_a_scene_and_its_bare_twin_stay_in_step_through_the_camera() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        seen = camera.focus(camera.step_back(on_flat(0, 200), (20, 35), rng), 30, rng)
        assert seen.word.shape == seen.bare.shape
        assert np.ptp(seen.bare) < 1e-2  # a blank wall stays one, whatever the lens does
        assert np.ptp(seen.word) > 40


def test_lenses_blur_without_darkening() -> None:
    for kernel in (camera._disc(2.3), camera._streak(6.0, np.random.default_rng(0))):
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert kernel.min() >= 0
        assert kernel.max() < 0.5


def test_a_streak_is_long_in_one_direction() -> None:
    moments = []
    for seed in range(5):
        kernel = camera._streak(9.0, np.random.default_rng(seed))
        y, x = np.mgrid[: kernel.shape[0], : kernel.shape[1]] - kernel.shape[0] // 2
        spread = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=kernel.ravel())
        moments.append(np.linalg.eigvalsh(spread))
    assert all(long > 5 * short for short, long in moments)


def test_the_noise_of_a_picture_has_the_deviation_that_is_reported() -> None:
    flat = on_flat(128, 128)
    noisy = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(camera, "TONED", 0)
        patch.setattr(camera, "SHARPENED", 0)
        for seed in range(40):
            seen, deviation = camera.expose(flat, np.random.default_rng(seed))
            assert seen.word.std() == pytest.approx(deviation, rel=0.45)
            noisy += deviation > 0
    assert 10 < noisy < 30


def test_an_encoded_picture_decodes_to_what_was_drawn() -> None:
    image: Image = np.tile(np.linspace(0, 255, 60, dtype=np.float32), (40, 1))
    kinds = set()
    for seed in range(20):
        shot = camera.shoot(image, np.random.default_rng(seed))
        file = camera.encode(shot)
        decoded = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(decoded, camera.developed(shot))
        assert np.abs(decoded - image).max() < 30
        kinds.add(file[:3])
    assert kinds == {b"\x89PN", b"\xff\xd8\xff"}


def test_a_poorer_jpeg_is_further_from_the_scene() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 80)).astype(np.uint8)
    errors = [np.abs(camera.developed(Shot(pixels, quality)) - pixels.astype(float)).mean() for quality in (20, 60, 95)]
    assert errors == sorted(errors, reverse=True)
    assert np.array_equal(camera.developed(Shot(pixels, None)), pixels)


@pytest.mark.parametrize(("level", "ground"), [(0, 255), (255, 0), (110, 170)])
def test_a_word_of_either_polarity_on_a_plain_ground_is_legible(level: float, ground: float) -> None:
    assert readable(on_flat(level, ground))


def test_ink_of_nearly_the_grounds_level_is_rejected() -> None:
    assert not readable(on_flat(120, 135))


def test_a_hollow_word_is_legible_by_its_contour() -> None:
    contour = np.asarray(cv2.morphologyEx(ink(), cv2.MORPH_GRADIENT, np.ones((3, 3))), np.float32)
    bare = np.full(ink().shape, 180, np.float32)
    assert readable(Scene(bare - 150 * contour, bare))


def test_a_word_that_fades_into_its_ground_at_one_end_is_rejected() -> None:
    scene = on_flat(0, 200)
    fading = np.linspace(0, 1, ink().shape[1], dtype=np.float32)
    assert not readable(Scene(scene.word + (scene.bare - scene.word) * fading, scene.bare))


def test_a_word_drowned_in_noise_or_lost_on_a_busy_ground_is_rejected() -> None:
    scene = on_flat(100, 150)
    busy = np.asarray(35 * np.random.default_rng(0).standard_normal(ink().shape), np.float32)
    assert readable(scene, noise=5)
    assert not readable(scene, noise=60)
    assert not readable(Scene(scene.word + busy, scene.bare + busy))


def test_something_far_from_the_letters_does_not_matter() -> None:
    scene, striped = on_flat(100, 160), np.zeros(ink().shape, np.float32)
    striped[:2] = striped[-2:] = -150
    assert readable(Scene(scene.word + striped, scene.bare + striped))


def test_a_smear_without_letters_is_rejected() -> None:
    bare = np.full(ink().shape, 180, np.float32)
    assert not readable(Scene(bare - 100 * cv2.GaussianBlur(ink(), (0, 0), 14), bare))


def test_a_picture_without_ink_is_rejected() -> None:
    blank = np.full((20, 60), 128, np.float32)
    assert not is_legible(Scene(blank, blank), np.zeros((20, 60), np.float32), 15, 0)


def test_no_pixel_is_less_than_far_from_the_ink() -> None:
    """Sums of coverages of very different size do not cancel exactly in floating point."""
    for seed in range(50):
        fading = np.zeros((30, 200), np.float32)
        fading[:, 20:60] = np.random.default_rng(seed).random((30, 40), np.float32) ** 8
        near = nearness(fading, height=25)
        assert near.min() == 0
        assert near.max() <= 1


def test_detail_is_the_deviation_from_the_surroundings_strip_by_strip() -> None:
    board = np.zeros((20, 40), np.float32)
    board[:, :20] = np.indices((20, 20)).sum(axis=0) % 2 * 60
    measured = detail(board, np.ones_like(board), height=20, starts=np.array([0, 20]))
    assert measured[0] == pytest.approx(30, rel=0.1)
    assert measured[1] < 15
    assert detail(board + 50, np.ones_like(board), 20, np.array([0, 20])) == pytest.approx(measured, abs=1e-3)
