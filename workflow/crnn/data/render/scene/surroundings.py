"""What stands around a word on its sign and gets into its crop: plates, frames, rules, other lines and neighbours.

Nothing of it is in the label: of a neighbour only a sliver shows, across a gap that no letter of the word leaves.
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from crnn.data.render.camera.geometry import Margins, padded
from crnn.data.render.chance import happens, one_of
from crnn.data.render.scene.effects import dilated
from crnn.data.render.text.glyphs import Lettering, Mask

# Shares of the height of the text.
ROOM = 0.8  # of canvas around the word: enough for whatever a crop shows
GAP_BESIDE = (0.28, 0.5)  # at least a space between words
GAP_ABOVE = (0.10, 0.35)  # tight to usual leading
SLIVER_BESIDE = (0.02, 0.10)  # more of a letter could be read as one of the word's
SLIVER_ABOVE = (0.05, 0.28)
RULE = (0.025, 0.09)  # thickness
RULE_GAP = (0.06, 0.25)  # from the ink

Neighbour = Callable[[], Mask]  # another word in like lettering
Surrounded = tuple[Lettering, Margins]


def surround(word: Lettering, margins: Margins, neighbour: Neighbour, rng: np.random.Generator) -> Surrounded:
    """Print something around a word, one time in four.

    Returns the lettering on a larger canvas and the margins that show what was added.
    """
    draw = one_of(rng, KINDS)
    if draw is None:
        return word, margins
    room = round(ROOM * word.height)
    left, top, right, bottom = word.box
    roomy = word.mapped(lambda plane: padded(plane, room))
    return draw(replace(roomy, box=(left + room, top + room, right + room, bottom + room)), margins, neighbour, rng)


def _corners(lettering: Lettering) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(edge) for edge in lettering.box)
    return left, top, right, bottom


def _with_neighbours(
    lettering: Lettering, margins: Margins, neighbour: Neighbour, rng: np.random.Generator
) -> Surrounded:
    """Other words beside, above or below, of which the crop shows a sliver."""
    clutter = np.zeros_like(lettering.ink)
    left, top, right, bottom = _corners(lettering)
    side = one_of(rng, {"above": 3, "below": 3, "left": 2, "right": 2, "around": 1})
    for where in ("above", "below") if side == "around" else (side,):
        beside = where in ("left", "right")
        gap = rng.uniform(*(GAP_BESIDE if beside else GAP_ABOVE))
        shown = gap + rng.uniform(*(SLIVER_BESIDE if beside else SLIVER_ABOVE))
        other, away = neighbour(), round(gap * lettering.height)
        height, width = other.shape
        x = {"left": left - away - width, "right": right + away}.get(
            where, round(rng.uniform(left - width / 2, right - width / 2))
        )
        y = {"above": top - away - height, "below": bottom + away}.get(where, bottom - height)
        _stamp(clutter, other, x, y)
        margins = replace(margins, **{where: shown})
    return replace(lettering, clutter=clutter), margins


def _stamp(canvas: Mask, mask: Mask, x: int, y: int) -> None:
    """Lay a mask on a canvas, what hangs over its edge cut off."""
    piece = mask[max(0, -y) :, max(0, -x) :]
    target = canvas[max(0, y) :, max(0, x) :][: piece.shape[0], : piece.shape[1]]
    np.maximum(target, piece[: target.shape[0], : target.shape[1]], out=target)


def _with_rules(lettering: Lettering, margins: Margins, _other: Neighbour, rng: np.random.Generator) -> Surrounded:
    """Lines above and below, or one of them, as between the rows of a table or along the edges of a sign.

    Upright ones would be read as letters.
    """
    clutter = np.zeros_like(lettering.ink)
    _, top, _, bottom = _corners(lettering)
    which = one_of(rng, {("above", "below"): 2, ("above",): 1, ("below",): 1})
    for where in which:
        thick = max(1, round(rng.uniform(*RULE) * lettering.height))
        gap = round(rng.uniform(*RULE_GAP) * lettering.height)
        start = top - gap - thick if where == "above" else bottom + gap
        clutter[max(0, start) : start + thick] = 1
        margins = replace(margins, **{where: (gap + thick * rng.uniform(0.5, 3)) / lettering.height})
    return replace(lettering, clutter=clutter), margins


def _with_underline(lettering: Lettering, margins: Margins, _other: Neighbour, rng: np.random.Generator) -> Surrounded:
    clutter = np.zeros_like(lettering.ink)
    left, _, right, bottom = _corners(lettering)
    thick = max(1, round(rng.uniform(*RULE) * lettering.height))
    start = bottom + round(rng.uniform(0.03, 0.15) * lettering.height)
    over = round(rng.uniform(-0.05, 0.3) * lettering.height)
    clutter[start : start + thick, max(0, left - over) : right + over] = 1
    below = max(margins.below, (start + thick - bottom) / lettering.height + 0.03)
    return replace(lettering, clutter=clutter), replace(margins, below=below)


def _panel(lettering: Lettering, gap: float, rounding: float) -> Mask:
    """A rectangle with round corners, `gap` px around the word."""
    left, top, right, bottom = _corners(lettering)
    panel = np.zeros_like(lettering.ink)
    radius = round(rounding)
    low = round(left - gap) + radius, round(top - gap) + radius
    high = round(right + gap) - radius, round(bottom + gap) - radius
    cv2.rectangle(panel, low, high, 1.0, -1)
    return dilated(panel, radius)


def _with_frame(lettering: Lettering, _: Margins, _other: Neighbour, rng: np.random.Generator) -> Surrounded:
    """A line all around, as of a button or a badge."""
    gap, thick = rng.uniform(0.18, 0.4) * lettering.height, max(1.0, rng.uniform(*RULE) * lettering.height)
    rounding = rng.uniform(0, 0.3) * lettering.height if happens(rng, 0.5) else 0.0
    frame = _panel(lettering, gap + thick, rounding) - _panel(lettering, gap, max(0.0, rounding - thick))
    shown = (gap + thick * rng.uniform(0.7, 2)) / lettering.height
    return replace(lettering, clutter=np.maximum(frame, 0)), Margins(shown, shown, shown, shown)


def _with_plate(lettering: Lettering, _: Margins, _other: Neighbour, rng: np.random.Generator) -> Surrounded:
    """A panel whose edge is in the crop."""
    gap = rng.uniform(0.06, 0.35) * lettering.height
    plate = _panel(lettering, gap, rng.uniform(0, 0.3) * lettering.height if happens(rng, 0.5) else 0.0)
    shown = gap / lettering.height + rng.uniform(0, 0.25, 4)
    return replace(lettering, plate=plate), Margins(*shown.tolist())


# Three quarters of crops hold nothing but the word on its ground.
KINDS = {
    None: 0.75,
    _with_neighbours: 0.11,
    _with_rules: 0.04,
    _with_underline: 0.03,
    _with_frame: 0.02,
    _with_plate: 0.05,
}
