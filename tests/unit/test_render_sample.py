"""Sample k of a seed: a function of (seed, k) alone, as a file or as pixels."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from crnn.data.render import sample
from crnn.data.render.fonts.listing import find_fonts
from crnn.data.render.fonts.probe import Font
from crnn.data.render.sample import Renderer
from crnn.data.render.text.lexicon import CHARACTERS, Lexicon, label_of

FONTS = find_fonts([Path(__file__).parents[2] / "resources" / "fonts"], CHARACTERS).fonts
LEXICON = Lexicon(("exit", "hotel", "parking"))


def test_a_word_can_be_made_alone_and_in_any_order() -> None:
    forwards = Renderer(7, FONTS, LEXICON)
    words = [forwards.render(index) for index in range(20)]
    backwards = Renderer(7, FONTS, LEXICON)
    assert [backwards.render(index) for index in reversed(range(20))] == words[::-1]
    assert Renderer(7, FONTS, LEXICON).render(3) == words[3]


def test_a_renderer_can_be_sent_to_another_process() -> None:
    renderer = Renderer(7, FONTS, LEXICON)
    before = renderer.render(5)
    assert pickle.loads(pickle.dumps(renderer)).render(5) == before


def test_another_index_or_seed_is_another_word() -> None:
    words = {Renderer(seed, FONTS, LEXICON).render(index).image for seed in range(4) for index in range(4)}
    assert len(words) == 16


def test_pixels_are_those_that_the_file_decodes_to() -> None:
    renderer = Renderer(0, FONTS, LEXICON)
    for index in range(60):
        word, (pixels, shown) = renderer.render(index), renderer.draw(index)
        decoded = cv2.imdecode(np.frombuffer(word.image, np.uint8), cv2.IMREAD_UNCHANGED)
        assert pixels.dtype == np.uint8
        assert np.array_equal(decoded, pixels)
        assert shown == word.shown


def test_words_are_gray_images_of_scene_text_size() -> None:
    renderer = Renderer(1, FONTS, LEXICON)
    shapes = [renderer.draw(index)[0].shape for index in range(200)]
    assert all(len(shape) == 2 and 8 <= shape[0] <= 300 and shape[1] >= 4 for shape in shapes)
    assert 0.3 < np.mean([shape[0] <= 32 for shape in shapes]) < 0.55


def test_the_label_is_what_is_shown_without_its_signs() -> None:
    renderer = Renderer(0, FONTS, LEXICON)
    words = [renderer.render(index) for index in range(200)]
    assert all(word.text == label_of(word.shown) != "" for word in words)
    assert 10 < sum(word.text != word.shown for word in words) < 50


def test_the_label_is_what_a_font_of_capitals_shows() -> None:
    capitals = [font for font in FONTS if font.unicase]
    texts = [Renderer(0, capitals, LEXICON).render(index).text for index in range(20)]
    assert texts == [text.upper() for text in texts]


def test_fonts_are_chosen_by_the_root_of_their_family_and_their_likeness_to_plain_letters() -> None:
    family = [Font(Path(f"{weight}.ttf"), "Many", likeness=1.0) for weight in range(4)]
    fonts = [*family, Font(Path("one.ttf"), "One", likeness=1.0), Font(Path("odd.ttf"), "Odd", likeness=0.5)]
    chances = np.diff(Renderer(0, fonts, LEXICON)._chances, prepend=0)
    assert chances.sum() == pytest.approx(1)
    assert chances[:4].sum() / chances[4] == pytest.approx(2)
    assert chances[5] / chances[4] == pytest.approx(0.5**1.5)


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What the test of legibility says, in turn; legible once they are used up."""
    coming: list[bool] = []
    turns: Iterator[bool] = iter(lambda: coming.pop(0) if coming else True, None)
    monkeypatch.setattr("crnn.data.render.camera.legibility.is_legible", lambda *_: next(turns))
    return coming


def test_an_illegible_drawing_is_drawn_again_with_its_text(verdicts: list[bool]) -> None:
    first = Renderer(0, FONTS, LEXICON).render(0)
    verdicts.append(False)
    second = Renderer(0, FONTS, LEXICON).render(0)
    assert second.text.lower() == first.text.lower()
    assert second.image != first.image


def test_a_renderer_that_never_succeeds_says_so(verdicts: list[bool]) -> None:
    verdicts.extend([False] * 1000)
    with pytest.raises(RuntimeError, match="word 4 of seed 0"):
        Renderer(0, FONTS, LEXICON).render(4)


def test_few_drawings_are_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    drawings: list[bool] = []
    judge = sample.legibility.is_legible
    monkeypatch.setattr(
        "crnn.data.render.camera.legibility.is_legible",
        lambda *scene: (drawings.append(judge(*scene)), drawings[-1])[1],
    )
    renderer = Renderer(2, FONTS, LEXICON)
    for index in range(200):
        renderer.draw(index)
    assert len(drawings) < 1.4 * 200
