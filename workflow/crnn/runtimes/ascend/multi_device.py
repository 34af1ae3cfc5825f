"""One run over several NPUs: a process for each, because aclruntime holds Python's lock while its NPU computes.

The processes are fresh interpreters that have the model open as long as the run lasts; images go to them and
log-probabilities come back through a pipe.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from crnn.core.errors import UserError
from crnn.core.workers import follow_parent
from crnn.runtimes.ascend.session import Array, AscendSession, infer_session
from crnn.runtimes.devices import DeviceLocks
from crnn.runtimes.on_device import OnDevice, calls_on_device


def open_devices(
    model: Path, facts: dict[str, Any], devices: list[int], calls: int
) -> "AscendSession | MultiDeviceSession":
    """Open a model on the first of `devices` that are free, on `calls` of them at most; waits where none is."""
    infer_session()  # says what is not installed before it waits for a device
    taken, held = DeviceLocks("npu").acquire(devices, calls)
    with held:
        if len(taken) > 1:
            return MultiDeviceSession(model, facts, taken, held)
        return AscendSession(model, facts, taken[0], held)


class MultiDeviceSession(OnDevice):
    """A model on several NPUs. As many threads may call `infer` at a time; each call takes an NPU that is free."""

    def __init__(self, model: Path, facts: dict[str, Any], devices: list[int], held: ExitStack) -> None:
        """`held` ends the processes."""
        self.calls, self._facts = len(devices), facts
        self._free: SimpleQueue[int] = SimpleQueue()
        self._processes = {device: _process(held) for device in devices}
        opening = {device: each.submit(_open, model, facts, device) for device, each in self._processes.items()}
        for device, opened in opening.items():
            with _explained(device):
                opened.result()
            self._free.put(device)
        super().__init__(held)

    def _ask(self, device: int, function: Callable[..., Any], *arguments: Any) -> Any:
        with _explained(device):
            return self._processes[device].submit(function, *arguments).result()

    def infer(self, images: Array) -> Array:
        device = self._free.get()
        try:
            output, copied = self._ask(device, _infer, images)
        finally:
            self._free.put(device)
        self._add_transfer(*copied)
        found: Array = output
        return found

    def describe(self) -> dict[str, Any]:
        said = {device: self._ask(device, _describe) for device in self._processes}
        facts, _ = next(iter(said.values()))
        numbers = ", ".join(map(str, said))
        return {
            **facts,
            "device": f"{self._facts['soc_version']}, devices {numbers}",
            **calls_on_device([each for _, executions in said.values() for each in executions]),
        }


def _process(held: ExitStack) -> ProcessPoolExecutor:
    """A process for one device, which `held` ends."""
    process = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=follow_parent)
    held.callback(_end, process)
    return process


def _end(process: ProcessPoolExecutor) -> None:
    with suppress(BrokenProcessPool):  # one that has ended already
        process.submit(_close)
    process.shutdown()


@contextmanager
def _explained(device: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise UserError(f"device {device}: its process has ended; what it said is above, or in dmesg") from error


# The runtime of such a process; there is one, from _open to _close.
_runtime: list[AscendSession] = []


def _open(model: Path, facts: dict[str, Any], device: int) -> None:
    with ExitStack() as held:
        _runtime[:] = [AscendSession(model, facts, device, held)]


def _infer(images: Array) -> tuple[Array, tuple[float, float]]:
    return _runtime[0].infer(images), _runtime[0].transfer_seconds()


def _describe() -> tuple[dict[str, Any], list[float]]:
    return _runtime[0].describe(), _runtime[0].executions()


def _close() -> None:
    while _runtime:
        _runtime.pop().close()
