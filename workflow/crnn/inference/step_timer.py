"""Seconds by step of the work on a word, as they pass."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Order of work on one word; also the keys of the report's breakdown.
STEPS = ("read", "decode", "resize", "collate", "transfer_in", "execute", "transfer_out", "ctc")

Steps = dict[str, float]  # step → seconds


@dataclass
class StepTimer:
    """Seconds spent in each step since the last `take`. Wall time, from the monotonic clock."""

    seconds: Steps = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started

    def move(self, name: str, parts: Steps) -> None:
        """Count seconds that were spent inside step `name` under other steps instead."""
        for part, seconds in parts.items():
            self.seconds[part] += seconds
            self.seconds[name] -= seconds

    def take(self) -> Steps:
        """Return the seconds so far and start again from zero."""
        taken, self.seconds = self.seconds, dict.fromkeys(STEPS, 0.0)
        return taken
