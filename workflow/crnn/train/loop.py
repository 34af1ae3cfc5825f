"""A training run from its first word, or from where it was killed, to its last."""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from crnn.core.command import LOG
from crnn.core.files import atomic_path
from crnn.model.charset import Charset
from crnn.train.settings import TrainingSettings
from crnn.train.state import Progress, load_state, save_state
from crnn.train.steps import Learner
from crnn.train.stream import Batch, Place
from crnn.train.validate import ValidationSet

REPORT_SECONDS = 10.0  # between two lines of the log
SMOOTHING = 0.98  # decay per step of the loss that is shown; single batches jump


@dataclass
class Run:
    """One training run. `state` is where it saves itself, every `save_seconds`; `identity` and `code` are in it.

    identity: of the settings and the data, which a state must match; code: of the modules that make words and steps.
    """

    settings: TrainingSettings
    learner: Learner
    stream: Callable[[Place], Generator[Batch, None, None]]
    validation: Mapping[str, ValidationSet]
    charset: Charset
    state: Path
    identity: str
    code: str
    save_seconds: float = 300.0

    def train(self) -> Progress:
        """Run to the end; returns the progress with its history. The learner holds the weights."""
        progress = self._resume()
        with closing(self.stream(progress.place)) as batches:
            saved = time.monotonic()
            started = saved - progress.seconds
            share = self.settings.share(progress.seen, progress.seconds)
            meter = _Meter(progress.seen, share)
            while share < 1:
                batch = next(batches)
                progress.loss = _smoothed(progress.loss, self.learner.learn(batch, share))
                before, progress.seen = progress.seen, progress.seen + len(batch.classes)
                progress.place, progress.seconds = batch.after, time.monotonic() - started
                share = self.settings.share(progress.seen, progress.seconds)
                every = self.settings.validate_words
                if share >= 1 or before // every < progress.seen // every:
                    progress.history.append(self._entry(progress, progress.loss))
                    LOG.info("%s", json.dumps(progress.history[-1]))
                meter.show(progress.seen, progress.place.next, share, progress.loss, self.learner.learning_rate)
                if share >= 1 or time.monotonic() - saved >= self.save_seconds:
                    saved = time.monotonic()
                    save_state(self.state, self.identity, progress, self.learner.state_dict())
        return progress

    def _resume(self) -> Progress:
        found = load_state(self.state, self.identity)
        if found is None:
            return Progress(code=[(0, self.code)])
        progress, learner = found
        self.learner.load_state_dict(learner)
        LOG.info("going on after word %d (%s)", progress.seen, self.state)
        if progress.code[-1][1] != self.code:
            LOG.warning("the code has changed since this run began; the record says from which word on")
            progress.code.append((progress.seen, self.code))
        return progress

    def _entry(self, progress: Progress, loss: float) -> dict[str, Any]:
        """A line of the log: words, loss, learning rate, seconds, accuracy of every validation set."""
        accuracies = {
            name: round(words.accuracy(self.learner.averaged, self.charset, self.learner.device), 4)
            for name, words in self.validation.items()
        }
        return {
            "words": progress.seen,
            "loss": round(loss, 4),
            "learning_rate": self.learner.learning_rate,
            "seconds": round(progress.seconds, 1),
            "accuracy": accuracies,
        }


def write_log(history: list[dict[str, Any]], path: Path) -> None:
    """Write the log's entries as JSON Lines."""
    with atomic_path(path) as temporary:
        temporary.write_text("".join(json.dumps(entry) + "\n" for entry in history), encoding="utf-8")


def _smoothed(loss: float | None, latest: float) -> float:
    return latest if loss is None else SMOOTHING * loss + (1 - SMOOTHING) * latest


class _Meter:
    """A line every few seconds: words, loss, learning rate, words per second, time left."""

    def __init__(self, seen: int, share: float) -> None:
        self._seen, self._share, self._shown = seen, share, time.monotonic()

    def show(self, seen: int, rendered: int, share: float, loss: float, learning_rate: float) -> None:
        passed = time.monotonic() - self._shown
        if passed < REPORT_SECONDS:
            return
        rate = (seen - self._seen) / passed
        left = tqdm.format_interval(max(0.0, 1 - share) * passed / (share - self._share))
        self._seen, self._share, self._shown = seen, share, time.monotonic()
        LOG.info(
            "%d words (%.1f %%) of %d rendered, loss %.3f, learning rate %.1e, %.0f words/s, %s left",
            *(seen, 100 * share, rendered, loss, learning_rate, rate, left),
        )
