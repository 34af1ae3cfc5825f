"""Lettering → scene: grounds, effects, light, and the word in either polarity."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.data.render.fonts.probe import Font
from crnn.data.render.scene import effects, grounds, light, obstacles
from crnn.data.render.scene import painting as scene
from crnn.data.render.scene.effects import Colours, Layer
from crnn.data.render.scene.painting import Scene
from crnn.data.render.text.glyphs import Lettering, TextStyle, set_text

KARLA = Font(Path(__file__).parents[2] / "resources" / "fonts" / "Karla-Regular.otf", "Karla")
SEEDS = st.integers(0, 2**32 - 1)
Mask = npt.NDArray[np.float32]


def word(text: str = "Example") -> Lettering:
    rng = np.random.default_rng(0)
    tight = set_text(text, KARLA, TextStyle(weight=1), rng)
    return Lettering(np.pad(tight.ink, 10), (10, 10, tight.box[2] + 10, tight.box[3] + 10), tight.height, tight.pitch)


def styled(effect: str = "plain", fill: str = "flat", edge: str = "clean", seed: int = 0) -> Mask:
    """Black letters with an effect in white, on a ground of 160."""
    lettering = word()
    ground = np.full(lettering.ink.shape, 160, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects, "EFFECTS", {getattr(effects, f"_{effect}"): 1})
        patch.setattr(effects, "FILLS", {fill: 1})
        patch.setattr(effects, "EDGES", {edge: 1})
        layers = effects.ink_layers(lettering, Colours(0, 160, 250), ground, np.random.default_rng(seed))
    for layer in layers:
        ground = layer.over(ground)
    return ground


def inside() -> npt.NDArray[np.bool_]:
    return np.asarray(word().ink == 1)


def outside() -> npt.NDArray[np.bool_]:
    return np.asarray(word().ink == 0)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_a_scene_stays_within_the_gray_levels_with_its_word_and_without(seed: int) -> None:
    painted = scene.paint(word(), np.random.default_rng(seed))
    for image in (painted.word, painted.bare):
        assert image.shape == word().ink.shape
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 255


def test_the_word_is_the_only_difference_between_the_two_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "EFFECTS", {effects._plain: 1})
    monkeypatch.setattr(effects, "EDGES", {"clean": 1})
    monkeypatch.setattr(obstacles, "KINDS", {None: 1})
    monkeypatch.setattr(scene, "PATHS", {"printed": 1})
    for seed in range(20):
        painted = scene.paint(word(), np.random.default_rng(seed))
        assert np.array_equal(painted.word[outside()], painted.bare[outside()])
        assert np.abs(painted.word - painted.bare)[inside()].mean() > 10


def polarity(painted: Scene) -> bool:
    return bool(painted.word[inside()].mean() > painted.bare[inside()].mean())


def test_dark_on_light_and_light_on_dark_are_about_as_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "EFFECTS", {effects._plain: 1})
    light_on_dark = [polarity(scene.paint(word(), np.random.default_rng(seed))) for seed in range(300)]
    assert 0.41 < np.mean(light_on_dark) < 0.59


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS)
def test_ink_stands_off_its_ground_and_off_what_touches_it(seed: int) -> None:
    colours = scene.choose_colours(np.random.default_rng(seed))
    assert abs(colours.ink - colours.ground) >= scene.LEAST_GAP - 1e-6
    assert abs(colours.ink - colours.second) >= scene.SECOND_GAP - 1e-6
    assert all(0 <= level <= 255 for level in (colours.ink, colours.ground, colours.second))


def test_blended_ink_shows_the_texture_of_its_ground_and_printed_ink_hides_it() -> None:
    lettering = word()
    rough = 150 + 25 * np.random.default_rng(0).standard_normal(lettering.ink.shape).astype(np.float32)
    layers = [Layer(lettering.ink, 30.0)]
    printed = scene._printed(rough, layers, lettering.height, np.random.default_rng(0))
    blended = scene._blended(rough, layers, lettering.height, np.random.default_rng(0))
    assert printed[inside()].std() < 1
    assert np.corrcoef(blended[inside()], rough[inside()])[0, 1] > 0.8


def test_plain_ink_is_one_level_on_an_untouched_ground() -> None:
    assert (styled()[inside()] == 0).all()
    assert (styled()[outside()] == 160).all()


@pytest.mark.parametrize("effect", ["shadow", "outline", "extrusion", "glow"])
def test_what_lies_under_a_word_shows_around_it_and_leaves_its_face(effect: str) -> None:
    for seed in range(5):
        drawn = styled(effect, seed=seed)
        assert drawn[inside()].max() < 1
        assert (drawn[outside()] > 161).sum() > 50


def test_a_hollow_word_has_nearly_the_level_of_its_ground_inside() -> None:
    """But for lines of letters that are no wider than the contour on either side of them."""
    words = [styled("hollow", seed=seed) for seed in range(20)]
    assert all((drawn < 60).sum() > 100 for drawn in words)
    assert np.mean([(drawn[inside()] > 120).mean() > 0.5 for drawn in words]) > 0.5


def test_a_raised_word_is_told_by_light_and_shade_at_its_edges() -> None:
    drawn = styled("raised") - 160
    assert drawn.max() > 30
    assert drawn.min() < -30
    far = np.asarray(outside() & (np.pad(word().ink, 4).max() > 0))
    assert np.abs(np.median(drawn[far])) < 1


def test_a_bevel_lights_some_edges_of_the_ink() -> None:
    assert styled("bevel")[inside()].max() > 20
    assert (styled("bevel")[outside()] == 160).all()


@pytest.mark.parametrize(("effect", "left"), [("inline", 0.05), ("dotted", 0.2), ("hatched", 0.3)])
def test_broken_letters_keep_much_of_their_ink_and_add_none(effect: str, left: float) -> None:
    for seed in range(5):
        drawn = styled(effect, seed=seed)
        assert (drawn[outside()] == 160).all()
        assert left < (drawn[inside()] < 60).mean() < 0.95


@pytest.mark.parametrize("kind", [kind for kind in obstacles.KINDS if kind])
def test_an_obstacle_hides_a_part_of_the_scene(kind: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstacles, "KINDS", {kind: 1})
    hidden = []
    for seed in range(20):
        layer = obstacles.choose_obstacle((40, 120), 30, np.random.default_rng(seed))
        assert layer is not None
        assert layer.coverage.min() >= 0
        assert layer.coverage.max() <= 1
        hidden.append(layer.coverage.mean())
    assert 0.001 < np.mean(hidden) < 0.3


def test_what_an_obstacle_hides_of_a_word_counts_as_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstacles, "KINDS", {obstacles._wire: 1})
    wall = Layer(np.ones_like(word().ink), 90.0)
    monkeypatch.setattr(obstacles, "choose_obstacle", lambda *_: wall)
    painted = scene.paint(word(), np.random.default_rng(0))
    assert np.array_equal(painted.word, painted.bare)


@pytest.mark.parametrize("fill", ["gradient", "texture", "halves"])
def test_fills_vary_the_gray_of_the_letters(fill: str) -> None:
    assert max(styled(fill=fill, seed=seed)[inside()].std() for seed in range(3)) > 4


def test_worn_ink_is_missing_in_places_and_soft_ink_runs_over_its_edges() -> None:
    assert max((styled(edge="worn", seed=seed)[inside()] > 80).mean() for seed in range(5)) > 0.05
    assert (styled(edge="soft")[outside()] < 155).sum() > 100


def test_letters_of_their_own_gray_keep_their_distance() -> None:
    rng = np.random.default_rng(3)
    toned = set_text("IIIII", KARLA, TextStyle(path="tracked", spacing=0.5, toned=True), rng)
    faces = effects._fill(toned, 100.0, np.zeros_like(toned.ink), rng)
    assert isinstance(faces, np.ndarray)
    levels = np.unique(np.round(faces[toned.ink > 0.95], 1))
    assert len(levels) >= 5
    assert 55 <= levels.min() < levels.max() <= 145


def test_growing_a_mask_by_fractions_of_a_pixel_is_gradual() -> None:
    mask = np.zeros((21, 21), np.float32)
    mask[8:13, 8:13] = 1
    areas = [effects.grown(mask, reach).sum() for reach in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert areas[0] == 25
    assert areas == sorted(areas)
    assert len(set(areas)) == 5


@pytest.mark.parametrize("kind", grounds.KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, height=st.integers(10, 90), width=st.integers(8, 900))
def test_every_ground_fills_its_crop_about_its_level(kind: object, seed: int, height: int, width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grounds, "KINDS", {kind: 1})
        ground = grounds.lay((height, width), 128.0, 0.7 * height, np.random.default_rng(seed))
    assert ground.shape == (height, width)
    assert ground.dtype == np.float32
    assert np.isfinite(ground).all()
    assert abs(np.median(ground) - 128) < 100


@pytest.mark.parametrize("kind", grounds.SLOPES)
def test_a_field_of_noise_is_the_same_every_time_and_standardised(kind: str) -> None:
    field = grounds.field(kind)
    assert field.shape == grounds.FIELD
    assert abs(field.mean()) < 1e-4
    assert field.std() == pytest.approx(1, abs=1e-4)
    assert np.array_equal(grounds.field.__wrapped__(kind), field)


def test_steeper_fields_are_smoother() -> None:
    steps = [np.abs(np.diff(grounds.field(kind), axis=1)).mean() for kind in ("white", "rough", "natural", "soft")]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize(("kind", "darkens"), [("even", False), ("uneven", True), ("shade", True), ("spot", False)])
def test_light_falls_on_word_and_ground_alike(kind: str, darkens: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light, "LIGHTS", {getattr(light, f"_{kind}"): 1})
        lights = [light.choose_light((50, 120), 40, np.random.default_rng(seed)) for seed in range(10)]
    lit = [np.broadcast_to(100 * gain + offset, (50, 120)) for gain, offset in lights]
    assert any(image.min() < 80 for image in lit) == darkens
    assert any(image.max() > 110 for image in lit) == (kind in ("uneven", "spot"))


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_a_plain_scene_is_one_gray_on_another_or_on_a_gradient(seed: int) -> None:
    painted = scene.paint_plainly(word(), np.random.default_rng(seed))
    assert painted.word[inside()].std() < 1e-3
    assert np.array_equal(painted.word[outside()], painted.bare[outside()])
    assert np.abs(np.diff(painted.bare, axis=0)).max() <= 61 / (painted.bare.shape[0] - 1)
    assert painted.bare.min() >= 0
    assert painted.bare.max() <= 255
