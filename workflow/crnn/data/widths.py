"""Width rules: the tensor width of a word image, as a pure function of that image's own size.

If a width depended on a word's neighbours, batching could change answers: the fault most often reported of
text-recognition deployments. Not here: pixels (`crnn.data.preprocess`).
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol

from crnn.core.errors import UserError

HEIGHT = 32  # network input height, pixels


class WidthRule(Protocol):
    """Maps an image's (width, height) in pixels to the width of its tensor."""

    def __call__(self, image_width: int, image_height: int) -> int: ...

    def possible(self) -> Sequence[int]:
        """Every width that a word can get, ascending."""
        ...


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

    def possible(self) -> Sequence[int]:
        return range(self.min, self.max + 1, self.step)


@dataclass(frozen=True)
class Fixed:
    """One width for every word, whatever its aspect: the classic 32×100."""

    width: int = 100

    def __post_init__(self) -> None:
        if self.width < 32:
            raise UserError(f"{self}: needs width >= 32")

    def __call__(self, image_width: int, image_height: int) -> int:
        return self.width

    def possible(self) -> Sequence[int]:
        return (self.width,)


@dataclass(frozen=True)
class Recipe:
    """The width of the CRNN_Dynamic recipe, bug for bug, for reproducing its numbers.

    `parse_testdata.py` of Ascend/ModelZoo-PyTorch, ACL_PyTorch/built-in/cv/CRNN_Dynamic_for_PyTorch, multiplies by
    int(h / 32) where it should divide, and squeezes every image of at most 32 rows to 100 columns.
    """

    min: ClassVar[int] = 32
    max: ClassVar[int] = 320

    def __call__(self, image_width: int, image_height: int) -> int:
        width = int(image_height / HEIGHT) * image_width if image_height > HEIGHT else 100
        return max(self.min, min(width, self.max))

    def possible(self) -> Sequence[int]:
        return range(self.min, self.max + 1)


@dataclass(frozen=True)
class Buckets:
    """Listed widths, each for words of a stretched true width up to `upto`; the last also for all wider words.

    Without `upto` each is for words up to its own width: only the widest words are narrowed.
    """

    widths: tuple[int, ...]
    stretch: float = 1.2
    upto: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "upto", tuple(self.upto) or self.widths)
        if not self.widths or self.widths[0] < 32 or not _ascending(self.widths) or not self.stretch > 0:
            raise UserError(f"{self}: needs ascending widths from 32 and stretch > 0")
        if len(self.upto) != len(self.widths) or not _ascending(self.upto):
            raise UserError(f"{self}: needs as many upto as widths, ascending")

    def __call__(self, image_width: int, image_height: int) -> int:
        ideal = image_width * HEIGHT / image_height * self.stretch
        return self.widths[min(bisect_left(self.upto, ideal), len(self.widths) - 1)]

    def possible(self) -> Sequence[int]:
        return self.widths


def _ascending(numbers: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


RULES: dict[str, Callable[..., WidthRule]] = {"aspect": Aspect, "buckets": Buckets, "fixed": Fixed, "recipe": Recipe}


def width_rule(settings: dict[str, Any]) -> WidthRule:
    """Build the rule from {"rule": name, …its fields}. Raises UserError naming what is allowed."""
    fields = dict(settings)
    name = fields.pop("rule", None)
    if name not in RULES:
        raise UserError(f"width rule {name!r}: expected one of {', '.join(RULES)}")
    try:
        return RULES[name](**fields)
    except TypeError as error:
        raise UserError(f"width rule {name}: {error}") from error
