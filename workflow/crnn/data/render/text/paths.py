"""Where the glyphs of a word stand: on a line, an arc or a wave, tumbling, or after a large initial."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from crnn.data.render.chance import happens
from crnn.data.render.fonts.probe import Glyph

EM = 44  # px per em that glyphs are drawn at: a word is then about as high as the network's input after all shrinking
MOST_ARC = math.radians(170)  # from the first letter to the last: half a badge


@dataclass(frozen=True)
class Place:
    """Where a glyph's origin goes (px, right and down), how it is turned (radians, clockwise) and its scale."""

    x: float
    y: float
    turn: float = 0.0
    scale: float = 1.0


def places(path: str, glyphs: Sequence[Glyph], spacing: float, amount: float, rng: np.random.Generator) -> list[Place]:
    """Return the place of each glyph on a path: line, tracked, arc, wave, playful or initial.

    spacing: between glyphs, in em. amount: how far the path departs from a line, -1 … 1.
    """
    return _PLACINGS[path](glyphs, spacing, amount, rng)


def _advances(glyphs: Sequence[Glyph], spacing: float) -> list[float]:
    """The origin of each glyph on a line, and the end of the last."""
    return list(accumulate((glyph.advance + spacing * EM for glyph in glyphs), initial=0.0))


def _on_line(glyphs: Sequence[Glyph], spacing: float, _amount: float, _rng: np.random.Generator) -> list[Place]:
    return [Place(round(x), 0) for x in _advances(glyphs, spacing)[:-1]]


def _on_arc(glyphs: Sequence[Glyph], spacing: float, amount: float, _rng: np.random.Generator) -> list[Place]:
    """Along a circle: its middle up for a positive amount (the top of a badge), else down."""
    starts = _advances(glyphs, spacing)
    sign = 1 if amount > 0 else -1
    # The tops of letters inside a circle crowd each other.
    tightest = (1.4 if sign > 0 else 2.2) * EM
    radius = max(tightest, starts[-1] / (MOST_ARC * abs(amount)))
    angle = starts[-1] / radius
    places = []
    for glyph, start in zip(glyphs, starts[:-1], strict=True):
        middle = start + glyph.advance / 2
        turn = sign * (middle / starts[-1] - 0.5) * angle
        x = sign * radius * math.sin(turn) - math.cos(turn) * glyph.advance / 2
        y = sign * radius * (1 - math.cos(turn)) - math.sin(turn) * glyph.advance / 2
        places.append(Place(x, y, turn))
    return places


def _on_wave(glyphs: Sequence[Glyph], spacing: float, amount: float, rng: np.random.Generator) -> list[Place]:
    """Up and down along a sine, or in steps, the letters upright."""
    starts = _advances(glyphs, spacing)[:-1]
    rise, period, phase = 0.22 * EM * amount, rng.uniform(1.5, 8) * EM, rng.uniform(0, 2 * math.pi)
    return [Place(x, rise * math.sin(phase + 2 * math.pi * x / period)) for x in starts]


def _playful(glyphs: Sequence[Glyph], spacing: float, amount: float, rng: np.random.Generator) -> list[Place]:
    """Each letter of a size, a height and a tilt of its own."""
    much = abs(amount)
    starts = _advances(glyphs, spacing + 0.03)[:-1]
    jitter = rng.uniform(-1, 1, (len(glyphs), 3)) * much * (0.10 * EM, 0.22, 0.16)
    return [Place(x, y, turn, 1 + grow) for x, (y, turn, grow) in zip(starts, jitter, strict=True)]


def _with_initial(glyphs: Sequence[Glyph], spacing: float, _amount: float, rng: np.random.Generator) -> list[Place]:
    """The first letter larger, standing on the line or hanging from it."""
    scale = 1 + rng.uniform(0.2, 0.7)
    shift = glyphs[0].advance * (scale - 1)
    drop = 0.35 * EM * (scale - 1) if happens(rng, 0.4) else 0.0
    starts = _advances(glyphs, spacing)[:-1]
    return [Place(0, drop, 0, scale), *(Place(x + shift, 0) for x in starts[1:])]


_PLACINGS: dict[str, Callable[[Sequence[Glyph], float, float, np.random.Generator], list[Place]]] = {
    "line": _on_line,
    "tracked": _on_line,
    "arc": _on_arc,
    "wave": _on_wave,
    "playful": _playful,
    "initial": _with_initial,
}
