"""Planning buckets: which tensor widths, and how many words of each in a call, read given words in the least time.

Known are how many words the finest width rule sends to each width of a lattice; the seconds of a call by width and
batch (`crnn.inference.call_costs`); and how many words are lost in narrower or wider tensors. A bucket is a run of the
lattice's widths whose words all get one width. With a price on a lost word, dynamic programming over runs finds the
buckets that no others beat; another price, other buckets.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.data.widths import HEIGHT, Buckets, WidthRule, width_rule
from crnn.inference.call_costs import Costs

Sizes = npt.NDArray[np.int64]  # [N, 2]: width and height of word images, pixels
Floats = npt.NDArray[np.float64]
# Of a lost word, in mean times of a word: what candidates differ in.
PRICES = (0.0, *(2 ** (half / 2) for half in range(17)))


@dataclass(frozen=True)
class Bounds:
    """What a plan must keep to: its lattice of widths, and the most buckets, distortion and words in a call.

    distortion: by how much a tensor may be wider or narrower than the finest rule makes it, as a share of that.
    """

    stretch: float
    step: int
    min: int
    max: int
    distortion: float
    accuracy_drop: float  # share of the tuning words that may be lost against the finest rule
    batch: int
    buckets: int | None = None
    height: int = HEIGHT  # of tensors, pixels

    @property
    def lattice(self) -> tuple[int, ...]:
        return tuple(range(self.min, self.max + 1, self.step))

    @property
    def finest(self) -> dict[str, Any]:
        """The width rule that a plan is compared with: for every word the nearest width of the lattice."""
        return {"rule": "aspect", **{name: getattr(self, name) for name in ("stretch", "step", "min", "max", "height")}}


@dataclass(frozen=True)
class Bucket:
    """Words of one width. `seconds` is what reading all of them is predicted to take, `batch` of them in a call."""

    width: int
    batch: int
    words: int
    seconds: float


class Span(NamedTuple):
    """A bucket of the words whose finest widths are first, …, last.

    lost: how many of them are predicted to be lost in it; upto: the widest true width, stretched, of a word in it.
    """

    first: int
    last: int
    upto: float
    lost: float
    bucket: Bucket


@dataclass(frozen=True)
class Candidate:
    """The cheapest spans at a price, which is the seconds that one lost word weighs."""

    price: float
    spans: tuple[Span, ...]

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        return tuple(span.bucket for span in self.spans)

    @property
    def seconds(self) -> float:
        return sum(bucket.seconds for bucket in self.buckets)

    @property
    def lost(self) -> float:
        return sum(span.lost for span in self.spans)

    def rule(self, bounds: Bounds) -> dict[str, Any]:
        """The width rule, as an entry of the config's `widths`."""
        widths, upto = [bucket.width for bucket in self.buckets], [span.upto for span in self.spans]
        return {"rule": "buckets", "widths": widths, "upto": upto, "stretch": bounds.stretch, "height": bounds.height}


def true_widths(sizes: Sizes, height: int, stretch: float) -> Floats:
    """Columns that each word should have: its aspect ratio at a height, stretched. As the width rules compute it."""
    ideals: Floats = sizes[:, 0] * height / sizes[:, 1] * stretch
    return ideals


def fill(width: int, words: int, batches: Sequence[int], seconds: Floats) -> Bucket:
    """The bucket of `words` words in the batch size that reads them fastest; the last call has what remains.

    `seconds` are those of a call with each of `batches`; a call between two sizes costs between the two. Of equals, the
    batch that costs least per word, and then the smaller: there may be more words than were counted.
    """

    def total(place: int) -> float:
        whole, rest = divmod(words, batches[place])
        return float(whole * seconds[place] + (np.interp(rest, batches, seconds) if rest else 0.0))

    best = min(range(len(batches)), key=lambda place: (total(place), seconds[place] / batches[place], place))
    return Bucket(width, batches[best], words, total(best))


@dataclass(frozen=True)
class Demand:
    """The words to plan for, by their finest width, and everything that a bucket of them would cost.

    met: the widths that there are words of, ascending; counts: how many; lost: share of the words of met[i] that are
    lost in tensors of lattice[j], [i, j]; seconds: of a call at each width of the lattice, [lattice, batches].
    """

    bounds: Bounds
    batches: tuple[int, ...]
    met: tuple[int, ...]
    counts: npt.NDArray[np.int64]
    lost: Floats
    seconds: Floats

    @classmethod
    def of(cls, sizes: Sizes, costs: Costs, lost: Floats, bounds: Bounds) -> "Demand":
        """`lost` is [lattice, lattice]. Raises UserError where there is no word."""
        if not len(sizes):
            raise UserError("there is no word to plan for; none of the datasets has an image that can be read")
        met, counts = np.unique(widths_by(width_rule(bounds.finest), sizes), return_counts=True)
        rows = lost[np.searchsorted(bounds.lattice, met)]
        return cls(bounds, costs.batches, tuple(met.tolist()), counts, rows, costs.at(bounds.lattice))

    @property
    def word_seconds(self) -> float:
        """Mean time of a word at its finest width: what prices are counted in."""
        own = [span for span in self.spans if self.met[span.first] == self.met[span.last] == span.bucket.width]
        return sum(span.bucket.seconds for span in own) / int(self.counts.sum())

    @cached_property
    def spans(self) -> list[Span]:
        """Every bucket that the distortion allows: any run of widths, and for it any width near enough to all."""
        most = self.bounds.distortion
        lost = np.concatenate([np.zeros((1, len(self.bounds.lattice))), np.cumsum(self.lost * self.counts[:, None], 0)])
        words = np.concatenate([[0], np.cumsum(self.counts)])
        return [
            Span(
                first,
                last,
                self.met[last] + self.bounds.step / 2,
                float(lost[last + 1, place] - lost[first, place]),
                fill(width, int(words[last + 1] - words[first]), self.batches, self.seconds[place]),
            )
            for first in range(len(self.met))
            for last in range(first, len(self.met))
            for place, width in enumerate(self.bounds.lattice)
            if self.met[last] * (1 - most) <= width <= self.met[first] * (1 + most)
            or width == self.met[first] == self.met[last]
        ]


def cheapest_by_count(demand: Demand, price: float, most: int) -> dict[int, tuple[Span, ...]]:
    """The cheapest spans of every number of them up to `most`, by seconds and `price` seconds for every lost word.

    Every word is in one of them, and wider words are in wider buckets. Numbers that cannot be are left out.
    """
    found: dict[int, tuple[Span, ...]] = {}
    reached = {(-1, 0): _Way(0.0, ())}
    for count in range(1, min(most, len(demand.met)) + 1):
        reached = _further(demand, price, reached)
        if whole := [way for (last, _), way in reached.items() if last == len(demand.met) - 1]:
            found[count] = min(whole, key=lambda way: way.total).spans
    return found


class _Way(NamedTuple):
    total: float
    spans: tuple[Span, ...]


def _further(demand: Demand, price: float, reached: dict[tuple[int, int], _Way]) -> dict[tuple[int, int], _Way]:
    """The cheapest ways of one span more, by the last width that they serve and the width of its tensors."""
    before: dict[int, tuple[list[int], list[_Way]]] = {}  # last width served → tensor widths, cheapest way up to each
    for (last, width), way in sorted(reached.items(), key=lambda item: item[0]):
        widths, cheapest = before.setdefault(last, ([], []))
        widths.append(width)
        cheapest.append(min([way, *cheapest[-1:]], key=lambda each: each.total))
    further: dict[tuple[int, int], _Way] = {}
    for span in demand.spans:
        widths, cheapest = before.get(span.first - 1, ([], []))
        narrower = bisect_left(widths, span.bucket.width)
        if narrower:
            way = cheapest[narrower - 1]
            total = way.total + span.bucket.seconds + price * span.lost
            end = (span.last, span.bucket.width)
            if end not in further or total < further[end].total:
                further[end] = _Way(total, (*way.spans, span))
    return further


def candidates(demand: Demand) -> list[Candidate]:
    """The cheapest buckets at every price; the cheapest first. Raises UserError where the bounds allow no plan."""
    bounds, unit = demand.bounds, demand.word_seconds
    found: dict[tuple[Span, ...], Candidate] = {}
    for price in (unit * each for each in PRICES):
        by_count = cheapest_by_count(demand, price, bounds.buckets or len(bounds.lattice))
        if not by_count:
            fewest = min(cheapest_by_count(demand, 0.0, len(bounds.lattice)))
            raise UserError(
                f"no {bounds.buckets} widths of {bounds.min}, {bounds.min + bounds.step}, … {bounds.max} keep every "
                f"word within {bounds.distortion:.0%} of its width; {fewest} do. Allow more buckets or distortion"
            )
        each = [Candidate(price, spans) for spans in by_count.values()]
        best = min(each, key=lambda candidate: candidate.seconds + price * candidate.lost)
        found.setdefault(best.spans, best)
    return sorted(found.values(), key=lambda candidate: candidate.seconds)


def widths_by(rule: WidthRule, sizes: Sizes) -> npt.NDArray[np.int64]:
    """The width that a rule gives each word."""
    return np.array([rule(width, height) for width, height in sizes.tolist()], np.int64)


def filled(widths: npt.NDArray[np.int64], costs: Costs) -> tuple[Bucket, ...]:
    """The buckets of words that have these widths, each in its best batch size."""
    met, counts = (each.tolist() for each in np.unique(widths, return_counts=True))
    counted = zip(met, counts, costs.at(met), strict=True)
    return tuple(fill(width, words, costs.batches, seconds) for width, words, seconds in counted)


def evenly_spaced(demand: Demand, count: int) -> Buckets:
    """`count` widths of the lattice at equal distances up to the widest that a word has, and the nearest for each."""
    bounds = demand.bounds
    needed = bounds.lattice.index(demand.met[-1]) + 1
    places = sorted({-(-needed * (number + 1) // count) - 1 for number in range(count)})
    widths = [bounds.lattice[place] for place in places]
    upto = [(narrow + wide) / 2 for narrow, wide in zip(widths, [*widths[1:], widths[-1] + bounds.step], strict=True)]
    return Buckets(tuple(widths), bounds.stretch, tuple(upto), bounds.height)


def plan_content(chosen: Candidate, demand: Demand, sizes: Sizes, costs: Costs) -> dict[str, Any]:
    """What plan.json says of the chosen buckets: the width rule, what they were made from and are predicted to take."""
    bounds = demand.bounds
    rule, even = chosen.rule(bounds), evenly_spaced(demand, len(chosen.buckets))
    own_width = width_rule(bounds.finest | {"step": 1})
    compared = {"evenly_spaced": even, "finest": width_rule(bounds.finest), "own_width": own_width}
    widths = {name: widths_by(each, sizes) for name, each in {"planned": width_rule(rule), **compared}.items()}
    off = widths["planned"] / true_widths(sizes, bounds.height, bounds.stretch) - 1
    return {
        "rule": rule,
        "buckets": [vars(bucket) for bucket in chosen.buckets],
        "bounds": vars(bounds),
        "words": {
            "counted": len(sizes),
            "sha256": hashlib.sha256(np.sort(true_widths(sizes, bounds.height, 1.0)).tobytes()).hexdigest(),
            "nearest_width": dict(zip(map(str, demand.met), demand.counts.tolist(), strict=True)),
            "largest_stretch": max(0.0, float(off.max())),
            "largest_squeeze": max(0.0, float(-off.min())),
            "predicted_lost": chosen.lost,
        },
        "mean_width": {name: float(each.mean()) for name, each in widths.items()},
        "seconds": {name: sum(bucket.seconds for bucket in filled(each, costs)) for name, each in widths.items()},
        "evenly_spaced": list(even.widths),
    }
