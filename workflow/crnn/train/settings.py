"""What a person decides about a training run."""

import math
from dataclasses import dataclass

from crnn.core.errors import UserError


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a run; together with the fonts, the word lists and the code they decide every batch.

    words: rendered words to learn from, each seen once. minutes: how long to learn instead, from words that are seen
    again in another look until `shelf` newer ones of their width have come (`crnn.train.pool`). batch: words per step.
    learning_rate: the highest of a one-cycle schedule (Smith and Topin, arXiv:1708.07120) that rises over the share
    `warmup` of the run and falls along a cosine. weight_decay: of AdamW (Loshchilov and Hutter, arXiv:1711.05101), for
    matrices alone. clip: the largest norm of a gradient. average: decay per step of the moving average of the weights,
    which is what is kept in the end. jitter: by how much a word's width may differ from the width rule's, as factors.
    validate_words: words between two validations.
    """

    seed: int = 0
    words: int = 2_000_000
    minutes: float | None = None
    shelf: int = 50_000
    batch: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 1e-4
    clip: float = 5.0
    average: float = 0.999
    jitter: tuple[float, float] = (0.75, 1.25)
    validate_words: int = 50_000

    def __post_init__(self) -> None:
        """Check what the schema of the config cannot. Raises UserError."""
        object.__setattr__(self, "jitter", tuple(self.jitter))
        narrowest, widest = self.jitter
        if narrowest > widest:
            raise UserError(f"training: jitter is {list(self.jitter)}; expected two factors, the smaller one first")
        if self.batch > self.words:
            raise UserError(f"training: batch is {self.batch} and words {self.words}; expected batch <= words")

    def share(self, seen: int, seconds: float) -> float:
        """How much of the run is over after `seen` words and so many seconds; 1 or more where no batch is left."""
        if self.minutes is not None:
            return seconds / (60 * self.minutes)
        return seen / (self.words // self.batch * self.batch)

    def rate(self, share: float) -> float:
        """The learning rate after a share of the run: up along a cosine from a 25th, and down to nothing."""
        if share < self.warmup:
            return self.learning_rate * (1 - 24 / 25 * _falling(share / self.warmup))
        return self.learning_rate * _falling(min(1.0, (share - self.warmup) / (1 - self.warmup)))


def _falling(share: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * share)) / 2
