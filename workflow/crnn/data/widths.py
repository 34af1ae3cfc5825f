"""Width rules: the tensor width of a word image, as a pure function of that image's own size.

If a width depended on a word's neighbours, batching could change answers: the fault most often reported of
text-recognition deployments.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol

from crnn.core.errors import UserError

HEIGHT = 32  # pixels; of tensors of the recipe, and of others where nothing else is said
NARROWEST = 32  # pixels; a CRNN has no time step for less than that
OF_PIXELS = ("interpolation", "channels")  # what an entry of the config's `widths` says besides its rule


class WidthRule(Protocol):
    """Maps an image's (width, height) in pixels to the width of its tensor. `height`: of every tensor, pixels."""

    @property
    def height(self) -> int: ...

    def __call__(self, image_width: int, image_height: int) -> int: ...

    def filled(self, image_width: int, image_height: int) -> int:
        """Columns of the tensor that the word takes; what is on its right is padding."""
        return self(image_width, image_height)

    def possible(self) -> Sequence[int]:
        """Every width that a word can get, ascending."""
        ...


class _Bucketed(WidthRule, Protocol):
    """Buckets by the width that a word has at the rule's height in its true aspect, times `stretch`.

    Without `pad` a word is stretched to its bucket. With it the word keeps that width, and is padded on the right to
    the narrowest bucket that holds it and is at least `pad` wide.
    """

    widths: Sequence[int]  # of the buckets, ascending
    upto: Sequence[float]  # of each bucket the widest word that gets it, ascending; the last takes all that are wider
    stretch: float
    height: int
    pad: int | None

    def ideal(self, image_width: int, image_height: int) -> float:
        """The word's true width, stretched, pixels."""
        return image_width * self.height / image_height * self.stretch

    def __call__(self, image_width: int, image_height: int) -> int:
        return self._bucket(max(self.ideal(image_width, image_height), self.pad or 0))

    def filled(self, image_width: int, image_height: int) -> int:
        bucket = self(image_width, image_height)
        return bucket if self.pad is None else min(max(round(self.ideal(image_width, image_height)), 1), bucket)

    def possible(self) -> Sequence[int]:
        narrowest = self._bucket(self.pad or 0)
        return [width for width in self.widths if width >= narrowest]

    def _bucket(self, ideal: float) -> int:
        return self.widths[min(bisect_left(self.upto, ideal), len(self.widths) - 1)]


@dataclass(frozen=True)
class Aspect(_Bucketed):
    """True aspect ratio, stretched, snapped to the nearest of min, min + step, … max (ties go down)."""

    stretch: float = 1.2
    step: int = 8
    min: int = 40
    max: int = 400
    height: int = HEIGHT
    pad: int | None = None

    def __post_init__(self) -> None:
        orderly = NARROWEST <= self.min <= self.max and self.step >= 1 and (self.max - self.min) % self.step == 0
        if not (self.stretch > 0 and self.height >= 1 and orderly):
            raise UserError(
                f"{self}: needs stretch > 0, height >= 1, step >= 1, {NARROWEST} <= min <= max and max - min a "
                f"multiple of step"
            )
        widths = range(self.min, self.max + 1, self.step)
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "upto", [width + (self.step / 2 if self.pad is None else 0) for width in widths])


@dataclass(frozen=True)
class Fixed(WidthRule):
    """One width for every word, whatever its aspect: the classic 32×100."""

    width: int = 100
    height: int = HEIGHT

    def __post_init__(self) -> None:
        if self.width < NARROWEST or self.height < 1:
            raise UserError(f"{self}: needs width >= {NARROWEST} and height >= 1")

    def __call__(self, image_width: int, image_height: int) -> int:
        return self.width

    def possible(self) -> Sequence[int]:
        return (self.width,)


@dataclass(frozen=True)
class Recipe(WidthRule):
    """The width of the CRNN_Dynamic recipe, bug for bug, for reproducing its numbers.

    `parse_testdata.py` of Ascend/ModelZoo-PyTorch, ACL_PyTorch/built-in/cv/CRNN_Dynamic_for_PyTorch, multiplies by
    int(h / 32) where it should divide, and squeezes every image of at most 32 rows to 100 columns.
    """

    min: ClassVar[int] = 32
    max: ClassVar[int] = 320
    height: ClassVar[int] = HEIGHT

    def __call__(self, image_width: int, image_height: int) -> int:
        width = int(image_height / HEIGHT) * image_width if image_height > HEIGHT else 100
        return max(self.min, min(width, self.max))

    def possible(self) -> Sequence[int]:
        return range(self.min, self.max + 1)


@dataclass(frozen=True)
class Buckets(_Bucketed):
    """Listed widths, each for words of a stretched true width up to `upto`; the last also for all wider words.

    Without `upto` each is for words up to its own width: only the widest words are narrowed.
    """

    widths: tuple[int, ...]
    stretch: float = 1.2
    upto: tuple[float, ...] = ()
    height: int = HEIGHT
    pad: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "upto", tuple(self.upto) or self.widths)
        if not self.widths or self.widths[0] < NARROWEST or not _ascending(self.widths) or not self.stretch > 0:
            raise UserError(f"{self}: needs ascending widths from {NARROWEST} and stretch > 0")
        if len(self.upto) != len(self.widths) or not _ascending(self.upto):
            raise UserError(f"{self}: needs as many upto as widths, ascending")
        if self.pad is not None and self.upto != self.widths:
            raise UserError(f"{self}: pads words to the next of widths, so upto has nothing to say; leave one out")


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
