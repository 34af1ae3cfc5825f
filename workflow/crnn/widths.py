"""Width rules: the tensor width of a word image, as a pure function of that image's own size.

A width that depended on a word's neighbours would let batching change answers, which is the most reported fault
of text-recognition deployments. Not here: pixels (`crnn.tensors`).
"""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from crnn.errors import UserError

HEIGHT = 32  # network input height, pixels


class WidthRule(Protocol):
    """Maps an image's (width, height) in pixels to the width of its tensor."""

    def __call__(self, image_width: int, image_height: int) -> int: ...


@dataclass(frozen=True)
class Aspect:
    """True aspect ratio at height 32, stretched, snapped to the nearest of min, min + step, … max (ties go down)."""

    stretch: float = 1.2
    step: int = 8
    min: int = 40
    max: int = 400

    def __post_init__(self) -> None:
        if not self.stretch > 0 or self.step < 1 or not 32 <= self.min <= self.max or (self.max - self.min) % self.step:
            raise UserError(f"{self}: needs stretch > 0, step >= 1, 32 <= min <= max and max - min a multiple of step")

    def __call__(self, image_width: int, image_height: int) -> int:
        ideal = image_width * HEIGHT / image_height * self.stretch
        bucket = -(-(ideal - self.min - self.step / 2) // self.step)
        return self.min + self.step * int(min(max(bucket, 0), (self.max - self.min) // self.step))


@dataclass(frozen=True)
class Fixed:
    """One width for every word, whatever its aspect: the classic 32×100."""

    width: int = 100

    def __post_init__(self) -> None:
        if self.width < 32:
            raise UserError(f"{self}: needs width >= 32")

    def __call__(self, image_width: int, image_height: int) -> int:
        return self.width


@dataclass(frozen=True)
class Recipe:
    """The width of the CRNN_Dynamic recipe, bug for bug, for reproducing its numbers.

    `parse_testdata.py` of Ascend/ModelZoo-PyTorch, ACL_PyTorch/built-in/cv/CRNN_Dynamic_for_PyTorch, multiplies by
    int(h / 32) where it should divide, and squeezes every image of at most 32 rows to 100 columns.
    """

    def __call__(self, image_width: int, image_height: int) -> int:
        width = int(image_height / HEIGHT) * image_width if image_height > HEIGHT else 100
        return max(32, min(width, 320))


@dataclass(frozen=True)
class Buckets:
    """The narrowest of `widths` that takes at most the share `squeeze` off the stretched true width; else the widest.

    With a squeeze of 0 a width is rounded up; with 0.1, a word that should have 100 columns may have 90.
    """

    widths: tuple[int, ...]
    stretch: float = 1.2
    squeeze: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        ascending = all(narrow < wide for narrow, wide in pairwise(self.widths))
        if not self.widths or self.widths[0] < 32 or not ascending or not self.stretch > 0 or not 0 <= self.squeeze < 1:
            raise UserError(f"{self}: needs ascending widths from 32, stretch > 0 and 0 <= squeeze < 1")

    def __call__(self, image_width: int, image_height: int) -> int:
        least = image_width * HEIGHT / image_height * self.stretch * (1 - self.squeeze)
        return self.widths[min(bisect_left(self.widths, least), len(self.widths) - 1)]


RULES: dict[str, type[Aspect] | type[Buckets] | type[Fixed] | type[Recipe]] = {
    "aspect": Aspect,
    "buckets": Buckets,
    "fixed": Fixed,
    "recipe": Recipe,
}


def width_rule(settings: dict[str, Any]) -> WidthRule:
    """Build the rule from {"rule": name, …its fields}. Raises UserError naming what is allowed."""
    fields = dict(settings)
    name = fields.pop("rule", None)
    if name not in RULES:
        raise UserError(f"width rule {name!r}: expected one of {', '.join(RULES)}")
    try:
        rule: WidthRule = RULES[name](**fields)
    except TypeError as error:
        raise UserError(f"width rule {name}: {error}") from error
    return rule
