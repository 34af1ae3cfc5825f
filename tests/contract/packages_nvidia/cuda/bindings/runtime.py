"""A double of cuda.bindings.runtime 13: what the runtime calls, on the simulated GPU. A call gives its status first."""

# ruff: noqa: N801, N803, N815, N816 - the real names

import ctypes
import enum
from typing import Any

import numpy as np
from gpu_double import GPU, NoMemoryError, Operation, Stream, setting

SIMULATED = True
cudaStreamNonBlocking = 1


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorNotReady = 600
    cudaErrorLaunchFailure = 719
    cudaErrorStreamCaptureUnsupported = 900


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaDeviceAttr(enum.IntEnum):
    cudaDevAttrComputeCapabilityMajor = 75
    cudaDevAttrComputeCapabilityMinor = 76


class cudaStreamCaptureMode(enum.IntEnum):
    cudaStreamCaptureModeThreadLocal = 1


OK = (cudaError_t.cudaSuccess,)


class _Properties:
    name = setting("NAME", "Simulated GPU").encode() + b"\0" * 8


def cudaGetDeviceCount() -> tuple[Any, ...]:
    count = setting("COUNT", "1")
    if count == "no driver":
        return (cudaError_t.cudaErrorInsufficientDriver, None)
    return (cudaError_t.cudaErrorNoDevice, None) if count == "none" else (*OK, int(count))


def cudaGetDeviceProperties(device: int) -> tuple[Any, ...]:
    return (*OK, _Properties)


def cudaDeviceGetAttribute(attr: cudaDeviceAttr, device: int) -> tuple[Any, ...]:
    return (*OK, int(setting("CAPABILITY", "9.0").split(".")[attr - 75]))


def cudaDriverGetVersion() -> tuple[Any, ...]:
    return (*OK, 13000)


def cudaSetDevice(device: int) -> tuple[Any, ...]:
    try:
        GPU.begin_context()
    except NoMemoryError:
        return (cudaError_t.cudaErrorMemoryAllocation,)
    GPU.thread.current = True
    return OK


def cudaMemGetInfo() -> tuple[Any, ...]:
    GPU.check_current()
    return (*OK, GPU.room_left(), int(setting("MEMORY", str(2**33))))


def cudaMalloc(size: int) -> tuple[Any, ...]:
    GPU.check_current()
    try:
        return (*OK, GPU.allocate(size))
    except NoMemoryError:
        return (cudaError_t.cudaErrorMemoryAllocation, None)


def cudaFree(devPtr: int) -> tuple[Any, ...]:
    GPU.free(devPtr)
    return OK


def cudaMallocHost(size: int) -> tuple[Any, ...]:
    return (*OK, GPU.pin(size, np.uint8).ctypes.data)


def cudaFreeHost(ptr: int) -> tuple[Any, ...]:
    GPU.unpin(ptr)
    return OK


def cudaMemcpyAsync(dst: int, src: int, count: int, kind: cudaMemcpyKind, stream: "cudaStream_t") -> tuple[Any, ...]:
    host = src if kind == cudaMemcpyKind.cudaMemcpyHostToDevice else dst
    array = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(host))
    if kind == cudaMemcpyKind.cudaMemcpyHostToDevice:
        GPU.copy_in(dst, array, stream.of)
    else:
        GPU.copy_out(array, src, stream.of)
    return OK


class cudaStream_t:
    def __init__(self, of: Stream) -> None:
        self.of = of

    def __int__(self) -> int:
        return self.of.handle


def cudaStreamCreateWithFlags(flags: int) -> tuple[Any, ...]:
    GPU.check_current()
    return (*OK, cudaStream_t(GPU.new_stream()))


def cudaStreamSynchronize(stream: cudaStream_t) -> tuple[Any, ...]:
    try:
        stream.of.synchronize()
    except OSError:
        return (cudaError_t.cudaErrorLaunchFailure,)
    return OK


class _Event:
    time: float | None = None


def cudaEventCreate() -> tuple[Any, ...]:
    return (*OK, _Event())


def cudaEventRecord(event: _Event, stream: cudaStream_t) -> tuple[Any, ...]:
    event.time = None
    stream.of.put(lambda: setattr(event, "time", GPU.clock))
    return OK


def cudaEventElapsedTime(start: _Event, end: _Event) -> tuple[Any, ...]:
    if start.time is None or end.time is None:
        return (cudaError_t.cudaErrorNotReady, None)
    return (*OK, 1e3 * (end.time - start.time))


def cudaStreamBeginCapture(stream: cudaStream_t, mode: cudaStreamCaptureMode) -> tuple[Any, ...]:
    stream.of.captured = []
    return OK


def cudaStreamEndCapture(stream: cudaStream_t) -> tuple[Any, ...]:
    captured, stream.of.captured = stream.of.captured, None
    if setting("CAPTURES", "yes") == "no":
        return (cudaError_t.cudaErrorStreamCaptureUnsupported, None)
    return (*OK, captured)


def cudaGraphInstantiate(graph: list[Operation], flags: int) -> tuple[Any, ...]:
    return (*OK, list(graph))


def cudaGraphDestroy(graph: list[Operation]) -> tuple[Any, ...]:
    graph.clear()
    return OK


def cudaGraphLaunch(graphExec: list[Operation], stream: cudaStream_t) -> tuple[Any, ...]:
    for operation in graphExec:
        stream.of.put(operation)
    return OK
