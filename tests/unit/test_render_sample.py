"""Sample k of a seed: a function of (seed, k) alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from crnn.render.fonts import find_fonts
from crnn.render.lexicon import CHARACTERS, Lexicon
from crnn.render.sample import Renderer

FONTS = find_fonts(Path(__file__).parents[2] / "resources" / "fonts", CHARACTERS).fonts
LEXICON = Lexicon(("exit", "hotel", "parking"))


def test_a_word_can_be_made_alone_and_in_any_order() -> None:
    forwards = Renderer(7, FONTS, LEXICON)
    words = [forwards.render(index) for index in range(6)]
    backwards = Renderer(7, FONTS, LEXICON)
    assert [backwards.render(index) for index in reversed(range(6))] == words[::-1]
    assert Renderer(7, FONTS, LEXICON).render(3) == words[3]


def test_another_index_or_seed_is_another_word() -> None:
    words = {Renderer(seed, FONTS, LEXICON).render(index).image for seed in range(4) for index in range(4)}
    assert len(words) == 16


def test_words_are_gray_images_of_scene_text_size() -> None:
    renderer = Renderer(0, FONTS, LEXICON)
    for index in range(60):
        image = cv2.imdecode(np.frombuffer(renderer.render(index).image, np.uint8), cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert image.ndim == 2
        assert 14 <= image.shape[0] <= 160


def test_the_label_is_what_a_font_of_capitals_shows() -> None:
    capitals = [font for font in FONTS if font.unicase]
    texts = [Renderer(0, capitals, LEXICON).render(index).text for index in range(20)]
    assert texts == [text.upper() for text in texts]


def test_an_illegible_drawing_is_drawn_again_with_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Renderer(0, FONTS, LEXICON).render(0)
    verdicts = iter([False, True])
    monkeypatch.setattr("crnn.render.sample.is_legible", lambda image, mask: next(verdicts))
    second = Renderer(0, FONTS, LEXICON).render(0)
    assert second.text.lower() == first.text.lower()
    assert second.image != first.image


def test_a_renderer_that_never_succeeds_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crnn.render.sample.is_legible", lambda image, mask: False)
    with pytest.raises(RuntimeError, match="word 4 of seed 0"):
        Renderer(0, FONTS, LEXICON).render(4)
