"""Planning buckets: which tensor widths, and how many words of each in a call, read given words in the least time.

What is known: the size of every word, the seconds of a call by width and batch (`crnn.costs`), and bounds. A plan is
a set of widths of a lattice, min, min + step, … max, to which `crnn.widths.Buckets` sends the words: each gets the
narrowest that takes no more than `squeeze` off it. So the words of a width follow from the next narrower one alone, and
dynamic programming over pairs of widths finds the cheapest set.

Not here: how much accuracy a plan costs (`crnn.tuning`), how a plan is used (`crnn.buckets`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from crnn.costs import Costs, Seconds
from crnn.errors import UserError
from crnn.widths import HEIGHT, Buckets, WidthRule, width_rule

Sizes = npt.NDArray[np.int64]  # [N, 2]: width and height of word images, pixels
_Way = tuple[float, tuple["Bucket", ...]]  # seconds, and the buckets that take them
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the distortion that is allowed: the bounds that candidates keep
SQUEEZES = (0.0, 0.5, 1.0)  # of the squeezing that is allowed, or of the distortion where that is less


@dataclass(frozen=True)
class Bounds:
    """What a plan must keep to: its lattice of widths, and the most buckets, distortion and words in a call.

    `squeeze` is the part of `distortion` that may be narrowing. It takes time steps from the characters, which words
    that are easy to read forgive and others do not.
    """

    stretch: float
    step: int
    min: int
    max: int
    distortion: float
    squeeze: float
    accuracy_drop: float  # share of the tuning words that may be lost against the finest rule
    batch: int
    buckets: int | None = None

    @property
    def lattice(self) -> tuple[int, ...]:
        return tuple(range(self.min, self.max + 1, self.step))

    @property
    def finest(self) -> dict[str, Any]:
        """The width rule that a plan is compared with: every width of the lattice, and the nearest for every word."""
        return {"rule": "aspect", **{name: getattr(self, name) for name in ("stretch", "step", "min", "max")}}


@dataclass(frozen=True)
class Bucket:
    """Words of one width. `seconds` is what reading all of them is predicted to take, `batch` of them in a call."""

    width: int
    batch: int
    words: int
    seconds: float


@dataclass(frozen=True)
class Candidate:
    """Buckets that are the cheapest for a squeeze and a distortion."""

    squeeze: float
    distortion: float
    buckets: tuple[Bucket, ...]

    @property
    def seconds(self) -> float:
        return sum(bucket.seconds for bucket in self.buckets)

    def rule(self, stretch: float) -> dict[str, Any]:
        """The width rule, as an entry of the config's `widths`."""
        widths = [bucket.width for bucket in self.buckets]
        return {"rule": "buckets", "widths": widths, "stretch": stretch, "squeeze": self.squeeze}


def true_widths(sizes: Sizes, stretch: float) -> npt.NDArray[np.float64]:
    """Columns that each word should have: its aspect ratio at height 32, stretched. As the width rules compute it."""
    ideals: npt.NDArray[np.float64] = sizes[:, 0] * HEIGHT / sizes[:, 1] * stretch
    return ideals


def fill(width: int, words: int, batches: Sequence[int], seconds: npt.NDArray[np.float64]) -> Bucket:
    """The bucket of `words` words in the batch size that reads them fastest; the last call has what remains.

    `seconds` are those of a call with each of `batches`; a call between two sizes costs between the two. Of equals, the
    batch that costs least per word, and then the smaller: there may be more words than were counted.
    """

    def total(place: int) -> float:
        whole, rest = divmod(words, batches[place])
        return float(whole * seconds[place] + (np.interp(rest, batches, seconds) if rest else 0.0))

    best = min(range(len(batches)), key=lambda place: (total(place), seconds[place] / batches[place], place))
    return Bucket(width, batches[best], words, total(best))


# --- the cheapest buckets ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Demand:
    """Words on a lattice: what a bucket would hold that takes all words between one width and the next chosen one."""

    lattice: tuple[int, ...]
    batches: tuple[int, ...]
    seconds: Seconds  # of a call, [lattice, batches]
    ideals: npt.NDArray[np.float64]  # ascending
    places: npt.NDArray[np.intp]  # of each word, the narrowest width of the lattice that it may have
    distortion: float

    @classmethod
    def of(cls, sizes: Sizes, costs: Costs, bounds: Bounds, squeeze: float, distortion: float) -> "_Demand":
        ideals = np.sort(true_widths(sizes, bounds.stretch))
        least = ideals * (1 - squeeze)  # as crnn.widths.Buckets has it
        places = np.minimum(np.searchsorted(bounds.lattice, least, side="left"), len(bounds.lattice) - 1)
        return cls(bounds.lattice, costs.batches, costs.at(bounds.lattice), ideals, places, distortion)

    @cached_property
    def _upto(self) -> npt.NDArray[np.intp]:
        """How many words have a place of at most each; one more in front, for the place before the first."""
        counts = np.bincount(self.places, minlength=len(self.lattice))
        return np.concatenate([[0], np.cumsum(counts)])

    @property
    def last(self) -> int:
        """The widest place that a word has. A wider bucket would only cost more."""
        return int(self.places[-1])

    def bucket(self, before: int, place: int) -> Bucket | None:
        """The bucket at `place` when `before` is the next narrower one (-1: none); None where it may not be.

        It may not be empty, nor stretch a word beyond the bound that a width of the lattice would have suited better.
        """
        first, end = int(self._upto[before + 1]), int(self._upto[place + 1])
        width = self.lattice[place]
        if first == end:
            return None
        if self.places[first] < place and width > self.ideals[first] * (1 + self.distortion):
            return None
        return fill(width, end - first, self.batches, self.seconds[place])


def cheapest_by_count(
    sizes: Sizes, costs: Costs, bounds: Bounds, squeeze: float, distortion: float
) -> dict[int, tuple[Bucket, ...]]:
    """The cheapest buckets of every number of them up to the bound's; numbers that cannot be are left out.

    No word is squeezed by more than `squeeze` or stretched by more than `distortion`, both as a share of its true
    width, unless every width of the lattice would.
    """
    demand = _Demand.of(sizes, costs, bounds, squeeze, distortion)
    spans = {
        (before, place): bucket
        for before in range(-1, demand.last)
        for place in range(before + 1, demand.last + 1)
        if (bucket := demand.bucket(before, place)) is not None
    }
    found: dict[int, tuple[Bucket, ...]] = {}
    reached: dict[int, _Way] = {-1: (0.0, ())}  # widest place so far → the cheapest way there
    for count in range(1, min(bounds.buckets or len(bounds.lattice), demand.last + 1) + 1):
        further: dict[int, _Way] = {}
        for (before, place), bucket in spans.items():
            if before in reached:
                seconds, buckets = reached[before]
                if place not in further or seconds + bucket.seconds < further[place][0]:
                    further[place] = (seconds + bucket.seconds, (*buckets, bucket))
        reached = further
        if demand.last in reached:
            found[count] = reached[demand.last][1]
    return found


def candidates(sizes: Sizes, costs: Costs, bounds: Bounds) -> list[Candidate]:
    """The cheapest buckets under each share of the distortion and each of the squeezing; the cheapest first.

    Raises UserError where the bounds allow no plan.
    """
    if not len(sizes):
        raise UserError("there is no word to plan for; none of the datasets has an image that can be read")
    found: dict[tuple[float, tuple[Bucket, ...]], Candidate] = {}
    for distortion in (bounds.distortion * share for share in SHARES):
        for squeeze in (min(distortion, bounds.squeeze) * share for share in SQUEEZES):
            by_count = cheapest_by_count(sizes, costs, bounds, squeeze, distortion)
            for buckets in sorted(by_count.values(), key=_total)[:1]:
                found.setdefault((squeeze, buckets), Candidate(squeeze, distortion, buckets))
    if not found:
        raise UserError(
            f"no {bounds.buckets} widths of {bounds.min}, {bounds.min + bounds.step}, … {bounds.max} keep every word "
            f"within {bounds.distortion:.0%} of its true width, {bounds.squeeze:.0%} where it is narrower; "
            f"{_fewest(sizes, costs, bounds)} do. Allow more buckets, distortion or squeeze"
        )
    return sorted(found.values(), key=lambda candidate: candidate.seconds)


def _total(buckets: tuple[Bucket, ...]) -> tuple[float, int]:
    return sum(bucket.seconds for bucket in buckets), len(buckets)


def _fewest(sizes: Sizes, costs: Costs, bounds: Bounds) -> int:
    unbounded = replace(bounds, buckets=None)
    return min(
        count
        for share in SQUEEZES
        for count in cheapest_by_count(sizes, costs, unbounded, bounds.squeeze * share, bounds.distortion)
    )


# --- what a plan is compared with --------------------------------------------------------------------------


def widths_by(rule: WidthRule, sizes: Sizes) -> npt.NDArray[np.int64]:
    """The width that a rule gives each word."""
    return np.array([rule(width, height) for width, height in sizes.tolist()], np.int64)


def filled(widths: npt.NDArray[np.int64], costs: Costs) -> tuple[Bucket, ...]:
    """The buckets of words that have these widths, each in its best batch size."""
    met, counts = np.unique(widths, return_counts=True)
    seconds = costs.at(met.tolist())
    return tuple(
        fill(width, words, costs.batches, row)
        for width, words, row in zip(met.tolist(), counts.tolist(), seconds, strict=True)
    )


def evenly_spaced(sizes: Sizes, bounds: Bounds, squeeze: float, count: int) -> Buckets:
    """`count` widths of the lattice at equal distances, the last of them the one that the widest word needs."""
    least = true_widths(sizes, bounds.stretch) * (1 - squeeze)
    needed = min(int(np.searchsorted(bounds.lattice, least.max(), side="left")), len(bounds.lattice) - 1) + 1
    places = sorted({-(-needed * (number + 1) // count) - 1 for number in range(count)})
    return Buckets(tuple(bounds.lattice[place] for place in places), bounds.stretch, squeeze)


# --- the plan ----------------------------------------------------------------------------------------------


def plan_content(chosen: Candidate, sizes: Sizes, costs: Costs, bounds: Bounds) -> dict[str, Any]:
    """What plan.json says of the chosen buckets: the width rule, what they were made from and are predicted to take."""
    rule = chosen.rule(bounds.stretch)
    even = evenly_spaced(sizes, bounds, chosen.squeeze, len(chosen.buckets))
    finest = widths_by(width_rule(bounds.finest), sizes)
    own = widths_by(width_rule(bounds.finest | {"step": 1}), sizes)
    met, counts = np.unique(finest, return_counts=True)
    return {
        "rule": rule,
        "buckets": [vars(bucket) for bucket in chosen.buckets],
        "bounds": vars(bounds),
        "words": {
            "counted": len(sizes),
            "sha256": hashlib.sha256(np.sort(true_widths(sizes, 1.0)).tobytes()).hexdigest(),
            "nearest_width": dict(zip(map(str, met.tolist()), counts.tolist(), strict=True)),
            **_distortions(widths_by(width_rule(rule), sizes), sizes, bounds),
        },
        "seconds": {
            "planned": chosen.seconds,
            "evenly_spaced": _total(filled(widths_by(even, sizes), costs))[0],
            "finest": _total(filled(finest, costs))[0],
            "own_width": _total(filled(own, costs))[0],
        },
        "evenly_spaced": list(even.widths),
    }


def _distortions(widths: npt.NDArray[np.int64], sizes: Sizes, bounds: Bounds) -> dict[str, Any]:
    """How far words are from their true width, as a share of it, and how many are further than the bound."""
    off = widths / true_widths(sizes, bounds.stretch) - 1
    beyond = (off > bounds.distortion + 1e-9) | (off < -bounds.squeeze - 1e-9)
    return {
        "largest_stretch": max(0.0, float(off.max())),
        "largest_squeeze": max(0.0, float(-off.min())),
        "mean_width": float(widths.mean()),
        "beyond": int(beyond.sum()),
    }
