"""One simulated GPU per process, which the doubles of pycuda, cuda-python and TensorRT share.

Memory of the GPU is out of the host's reach. A stream only notes what is put into it and does it when something waits
for it, so a result that is read too early, or an input that is overwritten too early, is wrong here as it may be there.
Times are made up: 20 µs a copy in, 10 µs a copy out, 100 µs a network.

Environment: GPU_DOUBLE_COUNT (or `none`, `no driver`), GPU_DOUBLE_NAME, GPU_DOUBLE_CAPABILITY (9.0), GPU_DOUBLE_MEMORY
(bytes), GPU_DOUBLE_CONTEXT (bytes that a context needs to begin), GPU_DOUBLE_FAILS_AFTER=n (the network is refused
after n runs), GPU_DOUBLE_BREAKS_AFTER=n (it is taken, and what waits for it fails), GPU_DOUBLE_SWAPS_AT=n (a batch of
n words comes back with each word's output in its neighbour's place), GPU_DOUBLE_LOG (a file that notes allocations and
runs).
"""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGNMENT = 256  # bytes, of cuMemAlloc
COPY_IN, COPY_OUT, NETWORK = 20e-6, 10e-6, 100e-6
Operation = Callable[[], None]


class NoMemoryError(Exception):
    """The GPU has no room."""


class MisuseError(AssertionError):
    """What a real GPU would answer with wrong results, a slow path or a crash."""


def setting(name: str, default: str) -> str:
    return os.environ.get(f"GPU_DOUBLE_{name}", default)


def note(**event: Any) -> None:
    if "GPU_DOUBLE_LOG" in os.environ:
        with Path(os.environ["GPU_DOUBLE_LOG"]).open("a") as stream:
            stream.write(json.dumps(event) + "\n")


@dataclass
class Stream:
    handle: int
    waiting: list[Operation] = field(default_factory=list)
    captured: list[Operation] | None = None

    def put(self, operation: Operation) -> None:
        (self.waiting if self.captured is None else self.captured).append(operation)

    def synchronize(self) -> None:
        if self.captured is not None:
            raise MisuseError("a stream is waited for while it is captured")
        while self.waiting:
            self.waiting.pop(0)()


@dataclass
class Gpu:
    """Blocks by address, pinned host memory by address, streams by handle."""

    blocks: dict[int, bytearray] = field(default_factory=dict)
    pinned: dict[int, npt.NDArray[Any]] = field(default_factory=dict)
    streams: dict[int, Stream] = field(default_factory=dict)
    clock: float = 0.0
    runs: int = 0
    begun: bool = False  # whether there is a context
    reserved: int = 0  # bytes that engines hold
    next_address: int = 0x7F0000000000
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.local = field(default_factory=threading.local)

    # --- memory ---

    def allocate(self, size: int) -> int:
        if size < 1:
            raise MisuseError("nothing is allocated")
        with self.lock:
            self.check_room(size)
            address = self.next_address
            self.next_address += -(-size // ALIGNMENT) * ALIGNMENT + ALIGNMENT
            self.blocks[address] = bytearray(b"\xff" * size)  # not a number, as float32
        note(event="allocate", size=size)
        return address

    def check_room(self, size: int) -> None:
        if size > self.room_left():
            raise NoMemoryError

    def room_left(self) -> int:
        return int(setting("MEMORY", str(2**33))) - self.reserved - sum(map(len, self.blocks.values()))

    def free(self, address: int) -> None:
        del self.blocks[address]

    def room(self, address: int) -> int:
        """Bytes from an address on, zero where nothing is allocated."""
        return len(self.blocks[address]) if address in self.blocks else 0

    def pin(self, count: int, kind: Any) -> npt.NDArray[Any]:
        values = np.frombuffer(bytearray(b"\xff" * (count * np.dtype(kind).itemsize)), kind)
        self.pinned[values.ctypes.data] = values
        return values

    def unpin(self, address: int) -> None:
        del self.pinned[address]

    def check_pinned(self, array: npt.NDArray[Any]) -> None:
        start = array.ctypes.data
        inside = any(at <= start and start + array.nbytes <= at + each.nbytes for at, each in self.pinned.items())
        if not inside or not array.flags.c_contiguous:
            raise MisuseError("a copy to or from memory that is not pinned, or not contiguous, is no asynchronous one")

    # --- what streams do ---

    def new_stream(self) -> Stream:
        stream = Stream(handle=0x1000 + 16 * len(self.streams))
        self.streams[stream.handle] = stream
        return stream

    def stream(self, handle: int) -> Stream:
        if handle not in self.streams:
            raise MisuseError(f"stream {handle}: no stream of its own, so it would wait for all others")
        return self.streams[handle]

    def copy_in(self, address: int, array: npt.NDArray[Any], stream: Stream) -> None:
        self.check_pinned(array)
        if self.room(address) < array.nbytes:
            raise MisuseError(f"{array.nbytes} bytes into a block of {self.room(address)}")
        stream.put(lambda: self._write(address, array.tobytes(), COPY_IN))

    def copy_out(self, array: npt.NDArray[Any], address: int, stream: Stream) -> None:
        self.check_pinned(array)
        if self.room(address) < array.nbytes:
            raise MisuseError(f"{array.nbytes} bytes out of a block of {self.room(address)}")
        note(event="copy_out", size=array.nbytes)

        def copy() -> None:
            self.clock += COPY_OUT
            array.view(np.uint8)[:] = np.frombuffer(self.blocks[address][: array.nbytes], np.uint8)

        stream.put(copy)

    def _write(self, address: int, data: bytes, seconds: float) -> None:
        self.clock += seconds
        self.blocks[address][: len(data)] = data

    def begin_context(self) -> None:
        if not self.begun:
            self.check_room(int(setting("CONTEXT", "0")))
        self.begun = True

    def check_current(self) -> None:
        if not getattr(self.thread, "current", False):
            raise MisuseError("no context is current in this thread")


GPU = Gpu()
