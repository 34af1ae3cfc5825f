"""What a session counts of its device: seconds of copying, and how long the calls took there. Imports no toolchain."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np


class Transfers:
    """Seconds of copying to and from a device since they were last taken, from any number of threads."""

    def __init__(self) -> None:
        self._lock, self._seconds = Lock(), (0.0, 0.0)

    def add(self, into: float, out: float) -> None:
        with self._lock:
            self._seconds = self._seconds[0] + into, self._seconds[1] + out

    def take(self) -> tuple[float, float]:
        with self._lock:
            taken, self._seconds = self._seconds, (0.0, 0.0)
        return taken


def calls_on_device(milliseconds: Sequence[float]) -> dict[str, Any]:
    """How many calls there were on a device or on several, and how long the middle one took there."""
    median = float(np.median(milliseconds)) if len(milliseconds) else None
    return {"device_calls": len(milliseconds), "device_ms_median": median}


def is_double(api: Any) -> bool:
    """Whether a module that drives a device is a contract double, which says so itself."""
    return bool(getattr(api, "SIMULATED", False))
