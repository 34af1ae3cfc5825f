"""A double of pycuda.driver 2026.1: what the runtime calls, on the simulated GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from gpu_double import GPU, NoMemoryError, setting

SIMULATED = True


class Error(Exception): ...


class MemoryError(Error): ...


class LogicError(Error): ...


_started = False


def _check_current() -> None:
    if not getattr(GPU.thread, "stack", []):
        raise LogicError("explicit_context_dependent failed: invalid device context - no currently active context?")


def init() -> None:
    global _started
    if setting("COUNT", "1") in ("none", "no driver"):
        raise LogicError("cuInit failed: no CUDA-capable device is detected")
    _started = True


def get_driver_version() -> int:
    return 13000


class Context:
    """The primary context; `pop` is of whichever is current."""

    def __init__(self, device: "Device") -> None:
        self._device = device

    def push(self) -> None:
        GPU.thread.stack = [*getattr(GPU.thread, "stack", []), self]
        GPU.thread.current = True

    @staticmethod
    def pop() -> None:
        if not getattr(GPU.thread, "stack", []):
            raise LogicError("context::pop failed: invalid device context - cannot pop non-current context")
        GPU.thread.stack = GPU.thread.stack[:-1]
        GPU.thread.current = bool(GPU.thread.stack)

    def detach(self) -> None: ...


class Device:
    def __init__(self, number: int) -> None:
        if not _started:
            raise LogicError("cuDeviceGet failed: initialization error")
        if number >= self.count():
            raise LogicError("cuDeviceGet failed: invalid device ordinal")

    @staticmethod
    def count() -> int:
        return int(setting("COUNT", "1"))

    def name(self) -> str:
        return setting("NAME", "Simulated GPU")

    def compute_capability(self) -> tuple[int, int]:
        major, minor = map(int, setting("CAPABILITY", "9.0").split("."))
        return major, minor

    def retain_primary_context(self) -> Context:
        with _errors():
            GPU.begin_context()
        return Context(self)


class Stream:
    def __init__(self, flags: int = 0) -> None:
        _check_current()
        self._stream = GPU.new_stream()

    @property
    def handle(self) -> int:
        return self._stream.handle

    def synchronize(self) -> None:
        _check_current()
        with _errors():
            self._stream.synchronize()


class Event:
    def __init__(self, flags: int = 0) -> None:
        _check_current()
        self._time: float | None = None

    def record(self, stream: Stream) -> "Event":
        self._time = None
        stream._stream.put(self._reach)
        return self

    def _reach(self) -> None:
        self._time = GPU.clock

    def time_since(self, earlier: "Event") -> float:
        """Milliseconds."""
        if self._time is None or earlier._time is None:
            raise LogicError("cuEventElapsedTime failed: device not ready")
        return 1e3 * (self._time - earlier._time)


class DeviceAllocation:
    def __init__(self, address: int) -> None:
        self._address = address

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        _check_current()
        GPU.free(self._address)


class PagelockedHostAllocation:
    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._values = values
        self.__array_interface__ = values.__array_interface__

    def free(self) -> None:
        _check_current()
        GPU.unpin(self._values.ctypes.data)


def mem_get_info() -> tuple[int, int]:
    _check_current()
    return GPU.room_left(), int(setting("MEMORY", str(2**33)))


def mem_alloc(bytes: int) -> DeviceAllocation:
    _check_current()
    with _errors():
        return DeviceAllocation(GPU.allocate(bytes))


def pagelocked_empty(shape: int, dtype: Any, order: str = "C", mem_flags: int = 0) -> npt.NDArray[Any]:
    _check_current()
    return np.asarray(PagelockedHostAllocation(GPU.pin(shape, dtype)))


def memcpy_htod_async(dest: int, src: npt.NDArray[Any], stream: Stream) -> None:
    _check_current()
    GPU.copy_in(int(dest), src, stream._stream)


def memcpy_dtoh_async(dest: npt.NDArray[Any], src: int, stream: Stream) -> None:
    _check_current()
    GPU.copy_out(dest, int(src), stream._stream)


@contextmanager
def _errors() -> Iterator[None]:
    """Errors of the GPU as pycuda raises them."""
    try:
        yield
    except NoMemoryError:
        raise MemoryError("out of memory") from None
    except OSError as error:
        raise LogicError(f"cuStreamSynchronize failed: {error}") from None
