"""Sample k of a rendered dataset: every step from text to image file, decided by (seed, k) alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from crnn.data.render.camera import exposure, geometry, legibility
from crnn.data.render.camera.exposure import Shot
from crnn.data.render.chance import happens
from crnn.data.render.fonts.probe import Font
from crnn.data.render.scene import painting, surroundings
from crnn.data.render.scene.painting import Scene
from crnn.data.render.text import glyphs
from crnn.data.render.text.glyphs import Lettering, Mask
from crnn.data.render.text.lexicon import Lexicon, label_of, printable

# About one drawing in ten is illegible, so this many in a row means that a step is broken, not bad luck.
MOST_DRAWINGS = 100
# Plain text, seen from straight ahead on a plain ground. One in ten of the others happens to have nothing special about
# it either, which makes two in five of all words ordinary, as they are in photographs of signs and on screens.
PLAIN = 0.34


@dataclass(frozen=True)
class RenderedWord:
    """image: a gray PNG or JPEG file; text: its label, letters and digits in their case; shown: what is drawn."""

    image: bytes
    text: str
    shown: str


@dataclass(frozen=True)
class Renderer:
    """Renders the words of one seed, 0 or more, in at least one font.

    Word `index` is a function of (seed, index, fonts, lexicon): it can be made alone, in any order or process. Equal
    arguments give equal bytes with equal versions of NumPy, OpenCV and Pillow on processors of one kind.
    """

    seed: int
    fonts: Sequence[Font]
    lexicon: Lexicon

    @cached_property
    def _chances(self) -> npt.NDArray[np.float64]:
        """How often to choose each font, accumulated: a family of n files is chosen as often as the square root of n.

        By the file, one family of forty weights would outdo thirty single fonts; by the family, a face that comes in
        one weight would be as frequent as all of Helvetica. Collections are full of fancy faces and signs are not: a
        face is chosen by its likeness to plain letters, to the power of 1.5.
        """
        sizes = Counter(font.relatives for font in self.fonts)
        chances = np.cumsum([sizes[font.relatives] ** -0.5 * font.likeness**1.5 for font in self.fonts])
        return np.asarray(chances / chances[-1], np.float64)

    def render(self, index: int) -> RenderedWord:
        """Return word `index` (0 or more) as a file."""
        shot, shown = self._shot(index)
        return RenderedWord(exposure.encode(shot), label_of(shown), shown)

    def draw(self, index: int) -> tuple[npt.NDArray[np.uint8], str]:
        """Return word `index` as gray pixels [H, W], those that its file decodes to, and what is drawn."""
        shot, shown = self._shot(index)
        return exposure.developed(shot), shown

    def _shot(self, index: int) -> tuple[Shot, str]:
        rng = np.random.default_rng([self.seed, index])
        # The text stays while drawings are thrown away: else long texts, which fail more often, would be rarer.
        text = self.lexicon.choose(rng)
        for _ in range(MOST_DRAWINGS):
            font = self.fonts[int(np.searchsorted(self._chances, rng.random(), side="right"))]
            shown = printable(text, font)
            shot = self._attempt(shown, font, rng)
            if shot is not None:
                return shot, shown
        raise RuntimeError(f"word {index} of seed {self.seed} ({text!r}): no legible drawing in {MOST_DRAWINGS}")

    def _attempt(self, shown: str, font: Font, rng: np.random.Generator) -> Shot | None:
        """Draw `shown` once; None where the outcome is illegible."""
        margins = geometry.choose_margins(rng)
        if happens(rng, PLAIN):
            lettering = glyphs.set_text(shown, font, glyphs.TextStyle(), rng)
            lettering = geometry.straight(lettering, margins)
            return _photograph(lettering, painting.paint_plainly(lettering, rng), rng)
        style = glyphs.choose_style(len(shown), rng)
        lettering = glyphs.set_text(shown, font, style, rng)

        def neighbour() -> Mask:
            other = printable(self.lexicon.choose(rng), font)
            return glyphs.set_text(other, font, glyphs.TextStyle(stretch=style.stretch), rng).ink

        lettering = geometry.view(*surroundings.surround(lettering, margins, neighbour, rng), rng)
        return _photograph(lettering, painting.paint(lettering, rng), rng)


def _photograph(lettering: Lettering, painted: Scene, rng: np.random.Generator) -> Shot | None:
    view = exposure.step_back(painted, (lettering.pitch, lettering.height), rng)
    rows, columns = view.word.shape
    scale = rows / lettering.ink.shape[0]
    # Blur that leaves tall letters readable would run narrow ones into each other.
    view = exposure.focus(view, scale * min(lettering.height, 2 * lettering.pitch), rng)
    view, noise = exposure.expose(view, rng)
    shot = exposure.shoot(view.word, rng)
    ink = np.asarray(cv2.resize(lettering.ink, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    return shot if legibility.is_legible(view, ink, scale * lettering.height, noise) else None
