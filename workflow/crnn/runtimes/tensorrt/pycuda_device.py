"""A GPU through pycuda. It cannot capture CUDA graphs (as of 2026.1)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from crnn.core.errors import UserError
from crnn.runtimes.device_clock import is_double
from crnn.runtimes.nvidia_driver import driver_version
from crnn.runtimes.tensorrt.device import (
    Array,
    Block,
    GpuFacts,
    Graph,
    OutOfMemoryError,
    cuda_version,
    no_driver,
    no_such_gpu,
)


@dataclass
class _Allocation:
    address: int
    owner: Any

    def free(self) -> None:
        self.owner.free()


class PycudaDevice:
    """The primary context is retained, and made current for each call: `pycuda.autoinit` would make another one."""

    package = "pycuda"

    def __init__(self, index: int) -> None:
        import pycuda.driver as cuda

        self._cuda = cuda
        self.simulated = is_double(cuda)
        try:
            cuda.init()
            count = cuda.Device.count()
        except cuda.Error as error:
            raise no_driver(str(error)) from error
        if index >= count:
            raise no_such_gpu(index, count)
        self._device = cuda.Device(index)
        self._context: Any = None

    def facts(self) -> GpuFacts:
        capability = ".".join(map(str, self._device.compute_capability()))
        driver, cuda = driver_version() or "unknown", cuda_version(self._cuda.get_driver_version())
        return GpuFacts(self._device.name(), capability, driver, cuda)

    @contextmanager
    def current(self) -> Iterator[None]:
        with self._translated():
            if self._context is None:
                self._context = self._device.retain_primary_context()
            self._context.push()
            try:
                yield
            finally:
                self._cuda.Context.pop()  # pycuda ends the process where a thread ends with one

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._cuda.MemoryError as error:
            raise OutOfMemoryError(str(error)) from error
        except self._cuda.Error as error:
            raise UserError(f"the GPU failed ({error}); check it with `nvidia-smi`") from error

    def allocate(self, size: int) -> Block:
        with self._translated():
            owner = self._cuda.mem_alloc(size)
        return _Allocation(int(owner), owner)

    def pinned(self, count: int) -> Array:
        with self._translated():
            array: Array = self._cuda.pagelocked_empty(count, np.float32)
        return array

    def free_pinned(self, array: Array) -> None:
        array.base.free()  # type: ignore[union-attr]  # pycuda's allocation

    def stream(self) -> Any:
        return self._cuda.Stream()

    def handle(self, stream: Any) -> int:
        return int(stream.handle)

    def synchronize(self, stream: Any) -> None:
        stream.synchronize()

    def copy_in(self, block: Block, array: Array, stream: Any) -> None:
        self._cuda.memcpy_htod_async(block.address, array, stream)

    def copy_out(self, array: Array, block: Block, stream: Any) -> None:
        self._cuda.memcpy_dtoh_async(array, block.address, stream)

    def event(self) -> Any:
        return self._cuda.Event()

    def record(self, event: Any, stream: Any) -> None:
        event.record(stream)

    def seconds(self, start: Any, end: Any) -> float:
        return float(end.time_since(start)) / 1e3

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Graph | None:  # noqa: ARG002
        return None

    def close(self) -> None:
        if self._context is not None:
            self._context.detach()
            self._context = None
