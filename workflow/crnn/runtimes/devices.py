"""Devices of a machine that jobs share: which numbers an option names, and which job has which device."""

import fcntl
import os
import re
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.runtimes.runtime import checked_whole

MOST_DEVICES = 256  # ais_bench takes device 0 to 255; no machine has more

# What a scheduler sets where it gives a job some of a machine's devices, which the job then counts from 0.
VISIBLE = {"gpu": "CUDA_VISIBLE_DEVICES", "npu": "ASCEND_RT_VISIBLE_DEVICES"}


def checked_devices(options: dict[str, Any]) -> list[int]:
    """The option `devices`, [0] where it is not given. Raises UserError where it is no list of device numbers."""
    devices = options.get("devices", [0])
    valid = isinstance(devices, list) and all(type(each) is int and 0 <= each < MOST_DEVICES for each in devices)
    if not valid or not devices:
        raise UserError(f"options.devices is {devices!r}; expected a list of device numbers from 0, such as [0, 1]")
    return list(dict.fromkeys(devices))


def checked_device(options: dict[str, Any]) -> int:
    """The option `device`, 0 where it is not given. Raises UserError where it is no device number."""
    return checked_whole(options, "device", 0, MOST_DEVICES - 1)


@dataclass(frozen=True)
class DeviceLocks:
    """Which devices of a kind (`npu`, `gpu`) a process uses: jobs beside each other on a machine have different ones.

    A device lock is one on a file in the folder for temporary files; the system drops it with the process.
    """

    kind: str
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))

    def acquire(self, devices: list[int], most: int = 1) -> tuple[list[int], ExitStack]:
        """The first of `devices` that are free, at most `most`, and what gives them back; waits where none is free."""
        held, taken = ExitStack(), list[int]()
        for device in devices:
            if len(taken) < most and self._lock(device, held, wait=False):
                taken.append(device)
        if not taken:
            LOG.info("every device of %s is taken; waiting for %d", devices, devices[0])
            self._lock(devices[0], held, wait=True)
            taken = devices[:1]
        return taken, held

    def _lock(self, device: int, held: ExitStack, wait: bool) -> bool:
        lock = self._open(device)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        held.callback(lock.close)
        return True

    def _on_machine(self, device: int) -> str:
        """The name that the machine has for a device."""
        given = [each.strip() for each in os.environ.get(VISIBLE[self.kind], "").split(",") if each.strip()]
        return re.sub(r"[^\w-]", "_", given[device]) if device < len(given) else str(device)

    def _open(self, device: int) -> IO[bytes]:
        path = self.folder / f"crnn-{self.kind}-{self._on_machine(device)}.lock"
        if not path.exists():  # another user's can be read, and not be opened for writing
            path.touch()
            path.chmod(0o644)
        return path.open("rb")


def lock_device(kind: str, device: int) -> ExitStack:
    """Wait for one device; closing what is returned gives it back."""
    _, held = DeviceLocks(kind).acquire([device])
    return held
