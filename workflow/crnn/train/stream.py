"""Rendered words as batches of equal width, in an order that a killed run finds again.

Word k of a run is a function of the settings and k, so a place in the stream is a few numbers: the next word, and
which words wait in buckets that are not full yet. Workers may finish in any order; words are taken in theirs.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np

from crnn.core.workers import WorkerProcesses
from crnn.data.decode import Pixels
from crnn.data.labels import Case, LabelPolicy
from crnn.data.preprocess import RESAMPLERS, Preprocess
from crnn.data.render.sample import Renderer
from crnn.data.widths import Aspect, WidthRule
from crnn.model.charset import Charset, steps_needed
from crnn.model.contract import Steps

CHUNK = 128  # words that a worker renders at a time
WIDTH_STREAM = 1  # tells the generator that draws widths from the one that draws words


@dataclass(frozen=True)
class Prepared:
    """Word `index` as the network sees it. pixels: uint8 [32, W]; classes: of its label."""

    index: int
    pixels: Pixels
    classes: list[int]


@dataclass(frozen=True)
class Preparation:
    """Renders word k and fits it to the network: width, pixels, classes."""

    renderer: Renderer
    preprocess: Preprocess
    jitter: tuple[float, float]
    charset: Charset
    policy: LabelPolicy
    seed: int

    def __call__(self, index: int) -> Prepared | None:
        """Word `index`; None where its label is empty, or too long for the widest tensor."""
        gray, shown = self.renderer.draw(index)
        text, _ = self.policy.apply(shown)
        height, width = gray.shape
        rng = np.random.default_rng([self.seed, index, WIDTH_STREAM])
        tensor_width = fitting_width(jittered(self.preprocess.rule, rng.uniform(*self.jitter)), width, height, text)
        if not text or tensor_width is None:
            return None
        pixels = RESAMPLERS[self.preprocess.resampler](gray, tensor_width, self.preprocess.rule.height)
        return Prepared(index, pixels, self.charset.encode(text))

    def all(self, indices: Sequence[int]) -> list[Prepared]:
        """The words of `indices` that can be learned from."""
        return [word for word in map(self, indices) if word is not None]


def jittered(rule: WidthRule, factor: float) -> WidthRule:
    """The rule, stretched by `factor` where it has a stretch."""
    return replace(rule, stretch=rule.stretch * factor) if isinstance(rule, Aspect) else rule


def fitting_width(rule: WidthRule, width: int, height: int, text: str) -> int | None:
    """The rule's width for an image, or the next one with time steps enough to spell `text`; None if there is none."""
    chosen = rule(width, height)
    needed = Steps().narrowest(steps_needed(text))
    if chosen >= needed:
        return chosen
    if not isinstance(rule, Aspect) or needed > rule.max:
        return None
    return rule.min + -(-(needed - rule.min) // rule.step) * rule.step


def training_policy(charset: Charset) -> LabelPolicy:
    """How a rendered text becomes a label: what the charset can say, in the letter case that it has."""
    characters = "".join(charset.characters)
    small, capital = (any(test(c) for c in characters) for test in (str.islower, str.isupper))
    case: Case = "keep" if small == capital else "lower" if small else "upper"
    return LabelPolicy(characters, case, "nfkd-ascii" if characters.isascii() else "nfc")


@dataclass(frozen=True)
class Place:
    """Where a stream is: the index of the next word, and the words that wait, by width."""

    next: int = 0
    waiting: dict[int, list[int]] = field(default_factory=dict)


class Batch(NamedTuple):
    """Words of one width. pixels: array uint8 [N, 32, W], or tensor float32 in [-1, 1] on the learner's device.
    classes: N labels. after: the place behind this batch."""

    pixels: Any  # the tensor has no name here: worker processes start without PyTorch
    classes: list[list[int]]
    after: Place


def batches(prepare: Preparation, size: int, start: Place, processes: int) -> Generator[Batch, None, None]:
    """Yield batches of `size` words for ever, beginning at `start`; what was yielded before is not seen again."""
    with WorkerProcesses(prepare.all, processes) as workers:
        waiting = dict(zip(start.waiting, workers.map(start.waiting.values()), strict=True))
        chunks = (range(first, first + CHUNK) for first in count(start.next, CHUNK))
        for word in chain.from_iterable(workers.map(chunks)):
            bucket = waiting.setdefault(word.pixels.shape[1], [])
            bucket.append(word)
            if len(bucket) == size:
                del waiting[word.pixels.shape[1]]
                place = Place(word.index + 1, {width: [w.index for w in words] for width, words in waiting.items()})
                yield Batch(np.stack([w.pixels for w in bucket]), [w.classes for w in bucket], place)
