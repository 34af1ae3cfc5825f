"""One run over several NPUs: a process for each, because aclruntime holds Python's lock while its NPU computes.

The processes are fresh interpreters that have the model open as long as the run lasts; images go to them and
log-probabilities come back through a pipe. Not here: what one does with its NPU (`crnn.runtimes.ascend.session`).
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
from crnn.runtimes.device_clock import Transfers, calls_on_device
from crnn.runtimes.devices import DeviceLocks


def open_devices(
    model: Path, facts: dict[str, Any], devices: list[int], calls: int
) -> "AscendSession | MultiDeviceSession":
    """Open a model on the first of `devices` that are free, on `calls` of them at most; waits where none is."""
    infer_session()  # says what is not installed before it waits for a device
    taken, held = DeviceLocks("npu").acquire(devices, calls)
    return (
        MultiDeviceSession(model, facts, taken, held) if len(taken) > 1 else AscendSession(model, facts, taken[0], held)
    )


class MultiDeviceSession:
    """A model on several NPUs. As many threads may call `infer` at a time; each call takes an NPU that is free."""

    def __init__(self, model: Path, facts: dict[str, Any], devices: list[int], held: ExitStack) -> None:
        """`held` is closed with the runtime, and where a device cannot be opened."""
        self.calls, self._facts, self._transfers = len(devices), facts, Transfers()
        self._held = ExitStack()
        self._held.enter_context(held)
        self._free: SimpleQueue[int] = SimpleQueue()
        self._processes = {device: self._process(device) for device in devices}
        try:
            opening = {device: each.submit(_open, model, facts, device) for device, each in self._processes.items()}
            for device, opened in opening.items():
                with _explained(device):
                    opened.result()
                self._free.put(device)
        except BaseException:
            self._held.close()
            raise

    def _process(self, device: int) -> ProcessPoolExecutor:
        process = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=follow_parent)
        self._held.callback(self._end, device)
        return process

    def _end(self, device: int) -> None:
        with suppress(BrokenProcessPool):  # one that has ended already
            self._processes[device].submit(_close)
        self._processes[device].shutdown()

    def _ask(self, device: int, function: Callable[..., Any], *arguments: Any) -> Any:
        with _explained(device):
            return self._processes[device].submit(function, *arguments).result()

    def infer(self, images: Array) -> Array:
        device = self._free.get()
        try:
            output, copied = self._ask(device, _infer, images)
        finally:
            self._free.put(device)
        self._transfers.add(*copied)
        found: Array = output
        return found

    def transfer_seconds(self) -> tuple[float, float]:
        """Seconds of copying to and from all devices since the last call."""
        return self._transfers.take()

    def describe(self) -> dict[str, Any]:
        said = {device: self._ask(device, _describe) for device in self._processes}
        facts, _ = next(iter(said.values()))
        numbers = ", ".join(map(str, said))
        return {
            **facts,
            "device": f"{self._facts['soc_version']}, devices {numbers}",
            **calls_on_device([each for _, executions in said.values() for each in executions]),
        }

    def close(self) -> None:
        self._held.close()


@contextmanager
def _explained(device: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise UserError(f"device {device}: its process has ended; what it said is above, or in dmesg") from error


# The runtime of such a process; there is one, from _open to _close.
_runtime: list[AscendSession] = []


def _open(model: Path, facts: dict[str, Any], device: int) -> None:
    _runtime[:] = [AscendSession(model, facts, device, ExitStack())]


def _infer(images: Array) -> tuple[Array, tuple[float, float]]:
    return _runtime[0].infer(images), _runtime[0].transfer_seconds()


def _describe() -> tuple[dict[str, Any], list[float]]:
    return _runtime[0].describe(), _runtime[0].executions()


def _close() -> None:
    while _runtime:
        _runtime.pop().close()
