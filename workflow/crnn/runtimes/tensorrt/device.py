"""A GPU as the runtime needs it: memory, copies, streams and events, whichever Python package provides them.

Two packages do: pycuda, and cuda-python (`cuda.bindings`) where pycuda cannot be built. Both work in the primary
context of the GPU, which PyTorch and ONNX Runtime use as well. Not here: TensorRT.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError

Array = npt.NDArray[np.float32]
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


class Block(Protocol):
    """Memory of the GPU."""

    address: int

    def free(self) -> None: ...


class Graph(Protocol):
    """Work that was captured from a stream, to be launched in one call."""

    def launch(self, stream: Any) -> None: ...


class DeviceMemory(Protocol):
    """One GPU. Everything but `close` is called inside `with current():`, in whatever thread.

    Streams and events are the package's own objects. Copies return at once; the host's arrays must be pinned and
    contiguous. OutOfMemoryError where there is no room, UserError where the GPU fails.
    """

    package: str  # which provides it
    simulated: bool  # True for a contract double

    def facts(self) -> GpuFacts: ...

    def current(self) -> AbstractContextManager[None]:
        """Makes the primary context the calling thread's while it lasts."""
        ...

    def allocate(self, size: int) -> Block:
        """`size` bytes on the GPU, aligned to 256."""
        ...

    def pinned(self, count: int) -> Array:
        """Pinned memory of the host: float32 [count]."""
        ...

    def free_pinned(self, array: Array) -> None: ...

    def stream(self) -> Any:
        """A new stream, never the default one."""
        ...

    def handle(self, stream: Any) -> int: ...

    def synchronize(self, stream: Any) -> None: ...

    def copy_in(self, block: Block, array: Array, stream: Any) -> None: ...

    def copy_out(self, array: Array, block: Block, stream: Any) -> None: ...

    def event(self) -> Any: ...

    def record(self, event: Any, stream: Any) -> None: ...

    def seconds(self, start: Any, end: Any) -> float:
        """Between two recorded events that have been reached."""
        ...

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Graph | None:
        """What `enqueue` puts into the stream, captured and not run; None where that cannot be captured."""
        ...

    def close(self) -> None: ...


def no_driver(said: str) -> UserError:
    """For a machine whose NVIDIA driver cannot be reached."""
    return UserError(
        f"runtime tensorrt: the NVIDIA driver cannot be used ({said}); check `nvidia-smi`, and in a container that it "
        f"was given the GPU, or take what another machine made: copy its results/ here (docs/nvidia.md)"
    )


def no_such_gpu(index: int, count: int) -> UserError:
    """For a machine that has fewer GPUs than the options ask for."""
    if count == 0:
        return UserError(
            "runtime tensorrt: no NVIDIA GPU here; run on the machine that has it, or take what it made: copy its "
            "results/ here (docs/nvidia.md)"
        )
    return UserError(f"options.device is {index}; this machine has {count} NVIDIA GPUs, numbered from 0")


def cuda_version(number: int) -> str:
    """13000 as 13.0."""
    return f"{number // 1000}.{number % 1000 // 10}"
