"""A GPU through cuda-python's bindings of the CUDA runtime, which come as wheels and need no compiler.

The CUDA runtime works in the primary context by itself; a thread only names its GPU.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.runtimes.device_clock import is_double
from crnn.runtimes.nvidia_driver import driver_version
from crnn.runtimes.tensorrt.device import (
    BYTES,
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
    call: Callable[..., Any]
    cudart: Any

    def free(self) -> None:
        self.call(self.cudart.cudaFree, self.address)


@dataclass
class _Captured:
    graph: Any
    call: Callable[..., Any]
    cudart: Any

    def launch(self, stream: Any) -> None:
        self.call(self.cudart.cudaGraphLaunch, self.graph, stream)


class CudartDevice:
    """Every call of the CUDA runtime returns its status first, which `_call` looks at."""

    package = "cuda-bindings"

    def __init__(self, index: int) -> None:
        from cuda.bindings import runtime as cudart

        self._cudart, self._index = cudart, index
        self.simulated = is_double(cudart)
        status, count = cudart.cudaGetDeviceCount()
        if status not in (cudart.cudaError_t.cudaSuccess, cudart.cudaError_t.cudaErrorNoDevice):
            raise no_driver(status.name)
        if index >= (count or 0):
            raise no_such_gpu(index, count or 0)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a call, if it has one. Raises by its status."""
        status, *result = function(*arguments)
        if status == self._cudart.cudaError_t.cudaErrorMemoryAllocation:
            raise OutOfMemoryError(status.name)
        if status != self._cudart.cudaError_t.cudaSuccess:
            raise UserError(f"the GPU failed ({status.name}); check it with `nvidia-smi`")
        return result[0] if result else None

    def facts(self) -> GpuFacts:
        name = self._call(self._cudart.cudaGetDeviceProperties, self._index).name
        attributes = self._cudart.cudaDeviceAttr
        wanted = (attributes.cudaDevAttrComputeCapabilityMajor, attributes.cudaDevAttrComputeCapabilityMinor)
        capability = [str(self._call(self._cudart.cudaDeviceGetAttribute, each, self._index)) for each in wanted]
        version = cuda_version(self._call(self._cudart.cudaDriverGetVersion))
        driver = driver_version() or "unknown"
        return GpuFacts(name.rstrip(b"\0").decode(), ".".join(capability), driver, version)

    @contextmanager
    def current(self) -> Iterator[None]:
        self._call(self._cudart.cudaSetDevice, self._index)
        yield

    def allocate(self, size: int) -> Block:
        return _Allocation(int(self._call(self._cudart.cudaMalloc, size)), self._call, self._cudart)

    def pinned(self, count: int) -> Array:
        address = int(self._call(self._cudart.cudaMallocHost, count * BYTES))
        return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))

    def free_pinned(self, array: Array) -> None:
        self._call(self._cudart.cudaFreeHost, array.ctypes.data)

    def stream(self) -> Any:
        return self._call(self._cudart.cudaStreamCreateWithFlags, self._cudart.cudaStreamNonBlocking)

    def handle(self, stream: Any) -> int:
        return int(stream)

    def synchronize(self, stream: Any) -> None:
        self._call(self._cudart.cudaStreamSynchronize, stream)

    def copy_in(self, block: Block, array: Array, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(self._cudart.cudaMemcpyAsync, block.address, array.ctypes.data, array.nbytes, kind, stream)

    def copy_out(self, array: Array, block: Block, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(self._cudart.cudaMemcpyAsync, array.ctypes.data, block.address, array.nbytes, kind, stream)

    def event(self) -> Any:
        return self._call(self._cudart.cudaEventCreate)

    def record(self, event: Any, stream: Any) -> None:
        self._call(self._cudart.cudaEventRecord, event, stream)

    def seconds(self, start: Any, end: Any) -> float:
        return float(self._call(self._cudart.cudaEventElapsedTime, start, end)) / 1e3

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Graph | None:
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call(self._cudart.cudaStreamBeginCapture, stream, mode)
        try:
            enqueue()
        except UserError as error:
            LOG.warning("no CUDA graph: %s", error)
            self._cudart.cudaStreamEndCapture(stream)  # which fails, and takes the stream out of capturing
            return None
        status, graph = self._cudart.cudaStreamEndCapture(stream)
        if status != self._cudart.cudaError_t.cudaSuccess:
            LOG.warning("no CUDA graph: the work of a call cannot be captured (%s)", status.name)
            return None
        instance = self._call(self._cudart.cudaGraphInstantiate, graph, 0)
        self._call(self._cudart.cudaGraphDestroy, graph)
        return _Captured(instance, self._call, self._cudart)

    def close(self) -> None:
        """The primary context is the process's and stays."""
