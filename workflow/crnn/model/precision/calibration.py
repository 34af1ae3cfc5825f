"""Ranges of activations, and which convolutions stay in float32 because quantising them changes too many words.

A range is where the mean squared error of the codes is smallest over the calibration words: the largest value would
leave the common ones too few codes. Then the model is read with every convolution quantised. While it loses more than
the budgets allow, the convolution that turns the most words for its multiplications is given back its numbers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.model.precision import QUANTISED, VARIANTS
from crnn.model.precision.quantise import SIGNED, UNSIGNED, Ranges, codes

Array = npt.NDArray[np.float32]
BINS = 4096
CLIPS = np.linspace(0.2, 1, 81)  # shares of the largest magnitude that are tried
FAR = 4  # times a budget: one convolution at a time would take many readings


@dataclass(frozen=True)
class Calibration:
    """What quantising needs to know of a model: how large its activations get, and which convolutions stay whole.

    `ranges`: variant → tensor → what its codes stand for. `multiplications`: of each node that multiplies, for an
    image.
    """

    ranges: dict[str, Ranges]
    whole: tuple[str, ...]
    multiplications: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, path: Path) -> "Calibration":
        """Read what calibrate_model wrote. Raises UserError where it is missing."""
        content = read_json(path)
        return cls(content["ranges"], tuple(content["whole"]), content["multiplications"])


@dataclass
class Values:
    """How often a tensor has which value. The histogram grows by whole factors of two, so no word is read twice."""

    low: float = 0.0
    high: float = 0.0
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(2 * BINS, np.int64))
    _reach: float = 0.0

    @property
    def largest(self) -> float:
        return max(-self.low, self.high)

    def add(self, values: Array) -> None:
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self._reach = self._reach or self.largest
        while self.largest > self._reach > 0:
            self._reach *= 2
            self.counts = np.pad(self.counts.reshape(-1, 2).sum(1), BINS // 2)
        if self._reach > 0:
            self.counts += np.histogram(values, 2 * BINS, (-self._reach, self._reach))[0]

    def best_range(self, *, symmetric: bool) -> list[float]:
        """The range whose codes have the least squared error; -1 to 1 for a tensor that is always 0."""
        if self._reach == 0:
            return [-1.0, 1.0]
        reaches = (float(clip) * self.largest for clip in CLIPS)
        ranges = [[-to, to] if symmetric else [max(self.low, -to), min(self.high, to)] for to in reaches]
        centres = (np.arange(2 * BINS, dtype=np.float64) + 0.5 - BINS) * (self._reach / BINS)
        return min(ranges, key=lambda ends: self._error(centres, *ends))

    def _error(self, centres: npt.NDArray[np.float64], low: float, high: float) -> float:
        scale, zero, kind = codes(low, high)
        smallest, largest = (0, UNSIGNED) if kind is np.uint8 else (-SIGNED, SIGNED)
        coded = (np.clip(np.rint(centres / scale) + zero, smallest, largest) - zero) * scale
        return float((self.counts * (centres - coded) ** 2).sum())


def measure_ranges(observed: Iterable[dict[str, Array]]) -> dict[str, Ranges]:
    """Variant → tensor → range, from batches of activations by tensor. Raises UserError where there is no batch."""
    seen: dict[str, Values] = {}
    for batch in observed:
        for name, values in batch.items():
            seen.setdefault(name, Values()).add(values)
    if not seen:
        raise UserError("calibration: none of its words has a readable image")
    return {
        variant: {name: each.best_range(symmetric=VARIANTS[variant].symmetric) for name, each in seen.items()}
        for variant in QUANTISED
    }


@dataclass(frozen=True)
class Reading:
    """What a candidate reads of the labelled calibration words, and how far its outputs are from the original's.

    `divergence`: mean over batches of `divergence`, nats.
    """

    words: int
    correct: int
    flipped: int
    divergence: float

    def losses(self, original: "Reading") -> tuple[float, float]:
        """Shares of the words: how many fewer are right than with the original, and how many read otherwise."""
        return (original.correct - self.correct) / original.words, self.flipped / original.words


@dataclass(frozen=True)
class Budget:
    """What quantising may lose on the calibration words, as shares of them."""

    accuracy_drop: float
    flipped: float

    def holds(self, original: Reading, candidate: Reading, times: int = 1) -> bool:
        """Whether a candidate loses no more than this, or than so many times this."""
        lost, flipped = candidate.losses(original)
        return lost <= times * self.accuracy_drop and flipped <= times * self.flipped


Read = Callable[[list[str]], Reading]


def choose_whole(
    layers: dict[str, int],
    read: Read,
    blame: Callable[[list[str]], Mapping[str, int]],
    original: Reading,
    budget: Budget,
) -> tuple[list[str], dict[str, Any]]:
    """The convolutions that stay whole, and how that was found.

    `layers`: convolution → multiplications per word. `read`: with these whole. `blame`: convolution → words that it
    turns, with these whole; asked only where that is too much. The one that turns the most words for its
    multiplications is next, and the cheapest where none is to blame. Far over the budget there are twice as many at
    every step, and at most half of those left. Raises UserError where none can be quantised.
    """
    whole, count = list[str](), 1
    reading = first = read(whole)
    steps: list[dict[str, Any]] = [{"whole": whole, **asdict(reading)}]
    while not budget.holds(original, reading):
        turned = blame(whole)
        left = sorted(
            (name for name in layers if name not in whole),
            key=lambda name: (turned.get(name, 0) / layers[name], -layers[name]),
            reverse=True,
        )
        if len(left) <= count:
            raise UserError(_refusal(original, first))
        whole = [*whole, *left[:count]]
        reading = read(whole)
        steps[-1]["turned"] = dict(turned)
        steps.append({"whole": whole, **asdict(reading)})
        far = not budget.holds(original, reading, times=FAR)
        count = max(1, min(2 * count, (len(left) - count) // 2)) if far else 1
    return whole, {"original": asdict(original), "steps": steps}


def _refusal(original: Reading, first: Reading) -> str:
    lost, flipped = first.losses(original)
    return (
        "no convolution can compute in 8 bits within calibration.flipped and calibration.accuracy_drop: all of them "
        f"turn {flipped:.1%} of the {original.words} calibration words and lose {max(lost, 0):.1%}. Allow that, or "
        "take another precision"
    )


def divergence(original: Array, candidate: Array) -> float:
    """Mean Kullback-Leibler divergence of log-probabilities [T, N, classes] over steps and words, nats."""
    return float((np.exp(original) * (original - candidate)).sum(axis=2).mean())
