"""How many labelled words each of several width rules costs: what a bucket plan is held against.

The words are never those of a dataset that is scored. A word's text follows from its width, so each is read once at
every width that a rule gives it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crnn.core.command import counter
from crnn.core.errors import UserError
from crnn.data.buckets import DEFAULT_BATCH
from crnn.data.decode import Pixels
from crnn.data.labels import LabelPolicy
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess, normalise
from crnn.data.tensors import prepare
from crnn.data.widths import WidthRule
from crnn.model.charset import Charset
from crnn.model.decoding import greedy_decode
from crnn.planning.accuracy_model import AccuracyModel
from crnn.planning.optimiser import Candidate
from crnn.runtimes.runtime import Session
from crnn.score.audit import most_lost


@dataclass
class TuningWords:
    """Readable words with a label: images as decoded and the texts to compare with."""

    images: list[Pixels]
    labels: list[str]
    policy: LabelPolicy
    _right: dict[tuple[int, int], bool] = field(default_factory=dict)  # of a word and a width

    @classmethod
    def read(cls, words: Path, preprocess: Preprocess, policy: LabelPolicy) -> "TuningWords":
        """Decode an LMDB as `preprocess` does. Raises UserError where it holds no word to tune on."""
        images, labels = [], []
        with Words(words) as reader:
            for word in reader:
                sample, pixels = prepare(word, preprocess, policy)
                if pixels is not None and word.image and sample.status == "ok":
                    image = preprocess.decode(word.image)
                    if image is not None:
                        images.append(image)
                        labels.append(sample.text)
        if not images:
            raise UserError(f"{words}: holds no readable word with a label; name other words in planning")
        return cls(images, labels, policy)

    def widths(self, rule: WidthRule) -> list[int]:
        """The width that a rule gives each word."""
        return [rule(image.shape[1], image.shape[0]) for image in self.images]

    def right(self, rules: Sequence[Preprocess], session: Session, charset: Charset) -> list[list[bool]]:
        """Of every rule, which words read as their labels."""
        widths = [self.widths(rule.rule) for rule in rules]
        waiting: dict[int, dict[int, Pixels]] = {}
        for rule, given in zip(rules, widths, strict=True):
            for word, width in enumerate(given):
                if (word, width) not in self._right and word not in waiting.setdefault(width, {}):
                    waiting[width][word] = rule.resize(self.images[word])
        with counter(sum(map(len, waiting.values())), "tuning") as bar:
            for width, words in waiting.items():
                self._read(width, words, session, charset)
                bar.update(len(words))
        return [[self._right[word, width] for word, width in enumerate(given)] for given in widths]

    def accuracy_model(
        self, finest: Preprocess, shifted: Sequence[Preprocess], session: Session, charset: Charset
    ) -> AccuracyModel:
        """The curve through what becomes of the words at the widths that the shifted rules give them."""
        own = np.array(self.widths(finest.rule) * len(shifted), np.float64)
        tensors = np.array([self.widths(rule.rule) for rule in shifted], np.float64).ravel()
        return AccuracyModel.fitted(own, tensors, np.array(self.right(shifted, session, charset)).ravel())

    def _read(self, width: int, words: dict[int, Pixels], session: Session, charset: Charset) -> None:
        indices = list(words)
        for start in range(0, len(indices), DEFAULT_BATCH):
            batch = indices[start : start + DEFAULT_BATCH]
            texts, _ = greedy_decode(session.infer(normalise(np.stack([words[i] for i in batch]))), charset)
            for word, text in zip(batch, texts, strict=True):
                self._right[word, width] = self.policy.apply(text)[0] == self.labels[word]


def around(distortion: float) -> tuple[float, ...]:
    """What widths are multiplied with to see what distortion does to words: five factors within the bound."""
    return tuple(1 + distortion * share for share in (-1.0, -0.5, 0.0, 0.5, 1.0))


@dataclass(frozen=True)
class Verdict:
    """A candidate on the tuning words: how many it reads right, and how many unlike the finest rule."""

    candidate: Candidate
    words: int
    correct: int
    lost: int
    gained: int
    most_lost: float  # words, with 95 % confidence
    within: bool  # the accuracy budget

    def facts(self) -> dict[str, Any]:
        chosen = self.candidate
        return {
            **{"price": chosen.price, "seconds": chosen.seconds, "predicted_lost": chosen.lost},
            **{"widths": [bucket.width for bucket in chosen.buckets], "upto": [span.upto for span in chosen.spans]},
            **{name: getattr(self, name) for name in ("correct", "lost", "gained", "most_lost", "within")},
        }


def judged(candidate: Candidate, right: Sequence[bool], finest: Sequence[bool], accuracy_drop: float) -> Verdict:
    """Hold a candidate's words against the finest rule's: with 95 % confidence it may lose `accuracy_drop` of them."""
    lost = sum(other and not own for own, other in zip(right, finest, strict=True))
    gained = sum(own and not other for own, other in zip(right, finest, strict=True))
    most = most_lost(lost, gained)
    return Verdict(candidate, len(right), sum(right), lost, gained, most, most <= accuracy_drop * len(right))


def cheapest_within(verdicts: Sequence[Verdict], accuracy_drop: float) -> Candidate:
    """The cheapest candidate within the accuracy budget. Raises UserError where none is."""
    within = [verdict.candidate for verdict in verdicts if verdict.within]
    if not within:
        best = min(verdicts, key=lambda verdict: verdict.most_lost)
        raise UserError(
            f"no plan surely loses less than {accuracy_drop:.2%} of the {best.words} tuning words; the best loses "
            f"{best.lost} and gains {best.gained}, which is at most {best.most_lost / best.words:.2%} with 95 % "
            f"confidence. Tune on more words, allow more buckets or a larger accuracy_drop"
        )
    return min(within, key=lambda candidate: candidate.seconds)
