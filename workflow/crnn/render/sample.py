"""Sample k of a rendered dataset: every step from text to image file, decided by (seed, k) alone.

Not here: the steps themselves; writing many of them (`crnn.words`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crnn.render import camera, geometry, glyphs, scene
from crnn.render.fonts import Font
from crnn.render.legibility import is_legible
from crnn.render.lexicon import Lexicon

# About one drawing in ten is illegible, so this many in a row means that a step is broken, not bad luck.
MOST_DRAWINGS = 50


@dataclass(frozen=True)
class RenderedWord:
    """image: a gray PNG or JPEG file; text: what it shows, in its case."""

    image: bytes
    text: str


class Renderer:
    """Renders the words of one seed.

    Word `index` is a function of (seed, index, fonts, lexicon): it can be made alone, in any order or process. Equal
    arguments give equal bytes with equal versions of NumPy, OpenCV and Pillow on processors of one kind.
    """

    def __init__(self, seed: int, fonts: Sequence[Font], lexicon: Lexicon) -> None:
        """seed: 0 or more. fonts: at least one."""
        self._seed = seed
        self._fonts = tuple(fonts)
        self._lexicon = lexicon

    def render(self, index: int) -> RenderedWord:
        """Return word `index` (0 or more)."""
        rng = np.random.default_rng([self._seed, index])
        # The text stays while drawings are thrown away: else long texts, which fail more often, would be rarer.
        text = self._lexicon.choose(rng)
        for _ in range(MOST_DRAWINGS):
            word = self._draw(text, rng)
            if word is not None:
                return word
        raise RuntimeError(f"word {index} of seed {self._seed} ({text!r}): no legible drawing in {MOST_DRAWINGS}")

    def _draw(self, text: str, rng: np.random.Generator) -> RenderedWord | None:
        """Draw `text` once; None where the outcome is illegible."""
        font = self._fonts[rng.integers(len(self._fonts))]
        shown = text.upper() if font.unicase else text
        mask = glyphs.set_text(shown, font, glyphs.choose_style(rng))
        mask = geometry.view(geometry.frame(mask, rng), rng)
        image, mask = camera.step_back(scene.paint(mask, rng), mask, rng)
        image = camera.expose(image, rng)
        return RenderedWord(camera.encode(image, rng), shown) if is_legible(image, mask) else None
