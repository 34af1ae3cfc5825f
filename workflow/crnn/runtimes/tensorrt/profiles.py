"""Which input shapes an engine takes, as optimisation profiles, and how a batch of words is fitted to them.

A profile covers every batch size from one to its largest and every width between two; TensorRT chooses kernels for one
shape of it, its typical one.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from crnn.core.errors import UserError
from crnn.data.widths import NARROWEST
from crnn.runtimes.shapes import Form, asked_widths

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Profile:
    """Batch sizes 1 to `batch` and widths `low` to `high`; kernels are chosen for `batch` words of width `typical`."""

    batch: int
    low: int
    typical: int
    high: int

    def corners(self, form: Form) -> tuple[Shape, Shape, Shape]:
        """The smallest, the typical and the largest shape of the input."""
        return form.images(1, self.low), form.images(self.batch, self.typical), form.images(self.batch, self.high)


@dataclass(frozen=True)
class Profiles:
    """The profiles of an engine, by width; no width is in two of them."""

    each: tuple[Profile, ...]

    @classmethod
    def from_facts(cls, facts: list[dict[str, int]]) -> "Profiles":
        return cls(tuple(Profile(**entry) for entry in facts))

    def facts(self) -> list[dict[str, int]]:
        """The profiles as JSON, which `from_facts` reads."""
        return [asdict(profile) for profile in self.each]

    def calls(self, count: int, width: int, most: int) -> Iterator[tuple[int, int, int]]:
        """(start, stop, index of the profile): which words go into which call; a batch beyond `most` is split as well.

        Raises UserError on a width of no profile: a word's width is never changed to suit an engine, because
        that could change its text.
        """
        index = next((i for i, profile in enumerate(self.each) if profile.low <= width <= profile.high), None)
        if index is None:
            raise UserError(
                f"a tensor is {width} wide, and the engine has no profile for it; it covers {self.described()}. Build "
                f"it for the deployment's width rule again, or name this width in options.plan"
            )
        largest = min(self.each[index].batch, most)
        for start in range(0, count, largest):
            yield start, min(start + largest, count), index

    def described(self) -> str:
        """What is covered, as text."""
        return " and ".join(f"widths {each.low} to {each.high} at batch 1 to {each.batch}" for each in self.each)


def profiles_for(options: dict[str, Any]) -> Profiles:
    """Profiles for a bucket plan (`plan`: width → largest batch), or for a deployment's `batch` and `width_rule`.

    `profiles` is their number: the widths are divided among them in order, as evenly as can be. Raises UserError where
    something is missing or makes no profile.
    """
    batches = _planned_batches(options) or _asked_batches(options)
    widths = sorted(batches)
    number = options.get("profiles", 1)
    if type(number) is not int or not 1 <= number <= len(widths):
        raise UserError(
            f"options.profiles is {number!r}; expected a whole number from 1 to that of the widths, {len(widths)}"
        )
    typical = options.get("typical_width")
    if typical is not None and (type(typical) is not int or not widths[0] <= typical <= widths[-1]):
        raise UserError(
            f"options.typical_width is {typical!r}; expected one of the engine's widths, {widths[0]} to {widths[-1]}"
        )
    bounds = [len(widths) * part // number for part in range(number + 1)]
    parts = [widths[start:stop] for start, stop in pairwise(bounds)]
    return Profiles(tuple(_profile(part, max(batches[width] for width in part), typical) for part in parts))


def _profile(widths: list[int], batch: int, typical: int | None) -> Profile:
    if typical is None or not widths[0] <= typical <= widths[-1]:
        typical = widths[len(widths) // 2]
    return Profile(batch, widths[0], typical, widths[-1])


def _planned_batches(options: dict[str, Any]) -> dict[int, int] | None:
    """Width → largest batch as `plan` names them (JSON makes texts of the widths); None where there is no plan."""
    plan = options.get("plan")
    if plan is None:
        return None
    fault = UserError(f"options.plan is {plan!r}; expected widths from 32 with a batch size each, such as {{100: 16}}")
    if not isinstance(plan, dict) or not plan:
        raise fault
    try:
        batches = {int(width): batch for width, batch in plan.items()}
    except ValueError:
        raise fault from None
    if min(batches) < NARROWEST or not all(type(batch) is int and batch >= 1 for batch in batches.values()):
        raise fault
    return batches


def _asked_batches(options: dict[str, Any]) -> dict[int, int]:
    missing = [key for key in ("batch", "width_rule") if key not in options]
    if missing:
        raise UserError(
            f"options: {' and '.join(missing)} missing; outside the workflow name them, or the shapes in options.plan"
        )
    return dict.fromkeys(asked_widths(options["width_rule"]), options["batch"])
