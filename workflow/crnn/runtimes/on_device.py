"""What sessions on a device have in common: what they hold, and what they count there. Imports no toolchain."""

from collections.abc import Sequence
from contextlib import ExitStack
from threading import Lock
from typing import Any

import numpy as np


class OnDevice:
    """A session that holds something of the machine, and counts the seconds of copying to and from a device."""

    def __init__(self, held: ExitStack) -> None:
        """Take over what `held` closes. Called last: where opening fails, whoever opens the session closes it."""
        self._held = held.pop_all()
        self._lock, self._seconds = Lock(), (0.0, 0.0)

    def _add_transfer(self, into: float, out: float) -> None:
        with self._lock:
            self._seconds = self._seconds[0] + into, self._seconds[1] + out

    def transfer_seconds(self) -> tuple[float, float]:
        """Seconds of copying to and from the device since the last call, of all threads together."""
        with self._lock:
            taken, self._seconds = self._seconds, (0.0, 0.0)
        return taken

    def close(self) -> None:
        """Give the device back."""
        self._held.close()


def calls_on_device(milliseconds: Sequence[float]) -> dict[str, Any]:
    """How many calls there were on a device or on several, and how long the middle one took there."""
    median = float(np.median(milliseconds)) if len(milliseconds) else None
    return {"device_calls": len(milliseconds), "device_ms_median": median}


def is_double(api: Any) -> bool:
    """Whether a module that drives a device is a contract double, which says so itself."""
    return bool(getattr(api, "SIMULATED", False))
