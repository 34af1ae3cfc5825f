"""A GPU as the runtime needs it: memory, copies, streams and events, through pycuda or cuda-python.

cuda-python (`cuda.bindings`) comes as wheels and needs no compiler. It is taken where there is no pycuda, and for CUDA
graphs, which pycuda cannot capture (as of 2026.1). Both work in the primary context of the GPU, which PyTorch and ONNX
Runtime use as well.

Both classes have the same methods. All but `facts` and `close` are called inside `with current():`, in any thread.
Streams and events are the package's own objects. Memory comes with the function that frees it. Copies return at once;
the host's arrays must be pinned and contiguous. Raises OutOfMemoryError where there is no room, and UserError where the
GPU fails.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.runtimes.on_device import is_double
from crnn.runtimes.probe import driver_version

Array = npt.NDArray[np.float32]
Free = Callable[[], None]
Launch = Callable[[], None]
BYTES = 4  # of a float32


class OutOfMemoryError(Exception):
    """The GPU, or the pinned part of the host, has no room left."""


@dataclass(frozen=True)
class GpuFacts:
    """What a GPU is: its name, compute capability (as 9.0) and driver, and the CUDA version that the driver serves."""

    name: str
    compute_capability: str
    driver: str
    cuda: str

    @classmethod
    def of(cls, name: str, capability: Iterable[int], cuda: int) -> "GpuFacts":
        """`cuda` as CUDA counts its versions, 13000 for 13.0."""
        version = f"{cuda // 1000}.{cuda % 1000 // 10}"
        return cls(name, ".".join(map(str, capability)), driver_version() or "unknown", version)


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
        check_number(index, count)
        self._device = cuda.Device(index)
        self._context: Any = None

    def facts(self) -> GpuFacts:
        return GpuFacts.of(self._device.name(), self._device.compute_capability(), self._cuda.get_driver_version())

    @contextmanager
    def current(self) -> Iterator[None]:
        """Makes the primary context the calling thread's while it lasts."""
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

    def room(self) -> int:
        """Bytes of the GPU's memory that nobody holds."""
        return int(self._cuda.mem_get_info()[0])

    def allocate(self, size: int) -> tuple[int, Free]:
        """The address of `size` bytes on the GPU, aligned to 256."""
        with self._translated():
            owner = self._cuda.mem_alloc(size)
        return int(owner), owner.free

    def pinned(self, count: int) -> tuple[Array, Free]:
        """Pinned memory of the host: float32 [count]."""
        with self._translated():
            array = self._cuda.pagelocked_empty(count, np.float32)
        return array, array.base.free

    def stream(self) -> Any:
        """A new stream, never the default one."""
        return self._cuda.Stream()

    def handle(self, stream: Any) -> int:
        return int(stream.handle)

    def synchronize(self, stream: Any) -> None:
        stream.synchronize()

    def copy_in(self, address: int, array: Array, stream: Any) -> None:
        self._cuda.memcpy_htod_async(address, array, stream)

    def copy_out(self, array: Array, address: int, stream: Any) -> None:
        self._cuda.memcpy_dtoh_async(array, address, stream)

    def event(self) -> Any:
        return self._cuda.Event()

    def record(self, event: Any, stream: Any) -> None:
        event.record(stream)

    def seconds(self, start: Any, end: Any) -> float:
        """Between two recorded events that have been reached."""
        return float(end.time_since(start)) / 1e3

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Launch | None:  # noqa: ARG002
        """Capture what `enqueue` puts into the stream, without running it: what launches it; None where that fails."""
        return None

    def close(self) -> None:
        if self._context is not None:
            self._context.detach()
            self._context = None


class CudartDevice:
    """Every call of the CUDA runtime returns its status first, which `_call` looks at.

    It works in the primary context by itself; a thread only names its GPU.
    """

    package = "cuda-bindings"

    def __init__(self, index: int) -> None:
        from cuda.bindings import runtime as cudart

        self._cudart, self._index = cudart, index
        self.simulated = is_double(cudart)
        status, count = cudart.cudaGetDeviceCount()
        if status not in (cudart.cudaError_t.cudaSuccess, cudart.cudaError_t.cudaErrorNoDevice):
            raise no_driver(status.name)
        check_number(index, count or 0)

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
        capability = [self._call(self._cudart.cudaDeviceGetAttribute, each, self._index) for each in wanted]
        cuda = self._call(self._cudart.cudaDriverGetVersion)
        return GpuFacts.of(name.rstrip(b"\0").decode(), capability, cuda)

    @contextmanager
    def current(self) -> Iterator[None]:
        self._call(self._cudart.cudaSetDevice, self._index)
        yield

    def room(self) -> int:
        return int(self._call(self._cudart.cudaMemGetInfo))

    def allocate(self, size: int) -> tuple[int, Free]:
        address = int(self._call(self._cudart.cudaMalloc, size))
        return address, partial(self._call, self._cudart.cudaFree, address)

    def pinned(self, count: int) -> tuple[Array, Free]:
        address = int(self._call(self._cudart.cudaMallocHost, count * BYTES))
        array = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
        return array, partial(self._call, self._cudart.cudaFreeHost, address)

    def stream(self) -> Any:
        return self._call(self._cudart.cudaStreamCreateWithFlags, self._cudart.cudaStreamNonBlocking)

    def handle(self, stream: Any) -> int:
        return int(stream)

    def synchronize(self, stream: Any) -> None:
        self._call(self._cudart.cudaStreamSynchronize, stream)

    def copy_in(self, address: int, array: Array, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(self._cudart.cudaMemcpyAsync, address, array.ctypes.data, array.nbytes, kind, stream)

    def copy_out(self, array: Array, address: int, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(self._cudart.cudaMemcpyAsync, array.ctypes.data, address, array.nbytes, kind, stream)

    def event(self) -> Any:
        return self._call(self._cudart.cudaEventCreate)

    def record(self, event: Any, stream: Any) -> None:
        self._call(self._cudart.cudaEventRecord, event, stream)

    def seconds(self, start: Any, end: Any) -> float:
        return float(self._call(self._cudart.cudaEventElapsedTime, start, end)) / 1e3

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Launch | None:
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
        return partial(self._call, self._cudart.cudaGraphLaunch, instance, stream)

    def close(self) -> None:
        """The primary context is the process's and stays."""


Gpu = PycudaDevice | CudartDevice


def open_gpu(index: int, graphs: bool = False) -> Gpu:
    """The GPU with CUDA's number `index`. `graphs` asks for one whose work can be captured.

    Raises UserError that says what is missing.
    """
    absent = []
    for adapter in (CudartDevice,) if graphs else (PycudaDevice, CudartDevice):
        try:
            return adapter(index)
        except ModuleNotFoundError as error:
            absent.append(error.name)
        except ImportError as error:
            raise no_driver(str(error)) from error
    purpose = "options.cuda_graphs needs cuda-python: " if graphs else ""
    remedy = "install cuda-bindings" if graphs else "install pycuda, or cuda-bindings"
    raise UserError(
        f"runtime tensorrt: {purpose}the Python package {' or '.join(map(repr, absent))} is not installed here; "
        f"{remedy} (docs/nvidia.md)"
    )


def no_driver(said: str) -> UserError:
    """For a machine whose NVIDIA driver cannot be reached."""
    return UserError(
        f"runtime tensorrt: the NVIDIA driver cannot be used ({said}); check `nvidia-smi`, and in a container that it "
        f"was given the GPU, or take what another machine made: copy its results/ here (docs/nvidia.md)"
    )


def check_number(index: int, count: int) -> None:
    """Raise UserError where a machine has fewer GPUs than the options ask for."""
    if count == 0:
        raise UserError(
            "runtime tensorrt: no NVIDIA GPU here; run on the machine that has it, or take what it made: copy its "
            "results/ here (docs/nvidia.md)"
        )
    if index >= count:
        raise UserError(f"options.device is {index}; this machine has {count} NVIDIA GPUs, numbered from 0")
