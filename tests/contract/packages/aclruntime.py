"""A double of the extension module aclruntime 0.0.2: runs the .om of atc's double with ONNX Runtime on the CPU.

What it checks, and the texts of its errors, are those of the C++ sources (PyInferenceSession.cpp,
ModelInferenceProcessor.cpp, ErrorCode.cpp of 2025-12). Only what ais_bench's `infer` calls is here.

ACLRUNTIME_FAILS_AFTER=n makes every session fail in its call n + 1; ACLRUNTIME_LOG=file notes what was opened, called
(output buffer in bytes) and freed.
"""

import ctypes
import json
import os
import re
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

SIMULATED = True
MAGIC = b"contract double of an .om\n"
GENERAL_FAILURE, INVALID_PARAMETER = "[-1][ACL: general failure] ", "[1][ACL: invalid parameter] "
DYNAMIC_TEXT = re.compile(r"[_A-Za-z0-9/.-]+:[1-9]\d{0,4}(,[1-9]\d{0,4}){0,6}")
CUSTOM_MOST = 16 * 2**30
ALLOCATION = 512  # device memory comes in pieces of this many bytes


def _note(**event: Any) -> None:
    if "ACLRUNTIME_LOG" in os.environ:
        with Path(os.environ["ACLRUNTIME_LOG"]).open("a") as stream:
            stream.write(json.dumps(event) + "\n")


class MemorySummary:
    """Times of copies in milliseconds, of all sessions."""

    H2D_time_list: list[float] = []  # noqa: RUF012 - of the process, as the real one's
    D2H_time_list: list[float] = []  # noqa: RUF012

    def reset(self) -> None:
        self.H2D_time_list.clear()
        self.D2H_time_list.clear()


@dataclass
class session_options:  # noqa: N801 - the real name
    log_level: int = 2
    loop: int = 1
    acl_json_path: str = ""


@dataclass
class tensor_desc:  # noqa: N801
    name: str
    shape: list[int]
    size: int
    realsize: int
    datatype: str = "float32"
    format: str = "ND"


@dataclass
class sumary:  # noqa: N801
    exec_time_list: list[Any] = field(default_factory=list)


class BaseTensor:
    """Memory of the host by address."""

    def __init__(self, pointer: int, size: int) -> None:
        self.data = bytes((ctypes.c_char * size).from_address(pointer))


class Tensor:
    """Memory of the device, until it is copied to the host."""

    def __init__(self, values: npt.NDArray[Any], on_device: bool = False) -> None:
        self._values, self._on_device = values, on_device
        self.shape = list(values.shape)

    def to_host(self) -> None:
        MemorySummary.D2H_time_list.append(0.01)
        self._on_device = False

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if self._on_device:
            raise RuntimeError("tensor is in npu. can't convert to numpy array")
        return self._values if dtype is None else self._values.astype(dtype)


class InferenceSession:
    """One model on one device."""

    def __init__(self, path: str, device_id: int, options: session_options) -> None:
        if not 0 <= device_id <= 255:
            raise RuntimeError("device id is out of range")
        if device_id >= int(os.environ.get("ACLRUNTIME_DEVICES", "8")):
            raise RuntimeError("[107001][Error code unknown] ")
        mode = Path(path).stat().st_mode
        if Path(path).is_symlink() or mode & (stat.S_IWGRP | stat.S_IWOTH) or not path.endswith(".om"):
            raise RuntimeError("please check model path")
        content = Path(path).read_bytes()
        if not content.startswith(MAGIC):
            raise RuntimeError(GENERAL_FAILURE)
        header, _, model = content.removeprefix(MAGIC).partition(b"\n")
        self._facts, self._device, self._options = json.loads(header), device_id, options
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        self._shape: list[int] | None = None
        self._custom: list[int] = []
        self._summary, self._calls, self._started = sumary(), 0, time.perf_counter()
        _note(event="open", device=device_id)

    # --- what the model is ---

    def _sizes(self) -> list[int]:
        return [-1 if "~" in part else int(part) for part in self._facts["shape"]]

    def _largest(self) -> list[int]:
        """The shape that static memory is for: of a gears model the largest gear."""
        gear = iter(max(self._facts["gears"], key=np.prod) if self._facts["gears"] else ())
        return [next(gear, -1) if size < 0 else size for size in self._sizes()]

    def get_inputs(self) -> list[tensor_desc]:
        size = 0 if self._facts["ranged"] else 4 * int(np.prod(self._largest()))
        return [tensor_desc(self._network.get_inputs()[0].name, self._sizes(), size, self._needed() or size)]

    def get_outputs(self) -> list[tensor_desc]:
        sizes = self._sizes()
        classes = self._network.get_outputs()[0].shape[2]
        steps = -1 if sizes[3] < 0 else sizes[3] // 4 + 1
        whole = [self._largest()[3] // 4 + 1, self._largest()[0], classes]
        size = 0 if self._facts["ranged"] else 4 * int(np.prod(whole))
        return [tensor_desc(self._network.get_outputs()[0].name, [steps, sizes[0], classes], size, size)]

    def _needed(self) -> int:
        return 0 if self._shape is None else 4 * int(np.prod(self._shape))

    # --- how it will be called ---

    def set_staticbatch(self) -> None:
        self._shape = None

    def set_dynamic_batchsize(self, size: int) -> None:
        if size <= 0:
            raise RuntimeError("dynamic batchsize out of range. Please check.")
        if self._facts["gear_option"] != "dynamic_batch_size" or [size] not in self._facts["gears"]:
            raise RuntimeError(INVALID_PARAMETER)
        self._shape = [size, *self._sizes()[1:]]

    def set_dynamic_dims(self, text: str) -> None:
        shape = self._parsed(text, "dims")
        free = [size for size, taken in zip(shape, self._sizes(), strict=True) if taken < 0]
        fixed = [taken in (-1, size) for size, taken in zip(shape, self._sizes(), strict=True)]
        of_dims = self._facts["gear_option"] == "dynamic_dims"
        if not of_dims or free not in self._facts["gears"] or not all(fixed):
            raise RuntimeError(INVALID_PARAMETER)
        self._shape = shape

    def set_dynamic_shape(self, text: str) -> None:
        self._shape = self._parsed(text, "shape")

    def _parsed(self, text: str, what: str) -> list[int]:
        if not DYNAMIC_TEXT.fullmatch(text):
            raise RuntimeError(f"the format of dynamic {what} string is illegal, please check")
        return [int(size) for size in text.partition(":")[2].split(",")]

    def set_custom_outsize(self, sizes: list[int]) -> None:
        if not all(0 < size <= CUSTOM_MOST for size in sizes):
            raise RuntimeError("custom size num out of range. Please check.")
        self._custom = sizes

    # --- calls ---

    def run(self, names: list[str], feeds: list[BaseTensor]) -> list[Tensor]:
        self._calls += 1
        if self._calls > float(os.environ.get("ACLRUNTIME_FAILS_AFTER", "inf")):
            raise RuntimeError(GENERAL_FAILURE)
        (data,) = (feed.data for feed in feeds)
        MemorySummary.H2D_time_list.append(0.02)
        shape = self._shape or self._sizes()
        if self._facts["ranged"] != (self._shape is not None and not self._facts["gears"]):
            raise RuntimeError(GENERAL_FAILURE)
        if self._facts["gears"] and self._shape is None:
            raise RuntimeError(GENERAL_FAILURE)
        if len(data) != 4 * int(np.prod(shape)) or not self._in_range(shape):
            raise RuntimeError(GENERAL_FAILURE)
        output = self._executed(np.frombuffer(data, np.float32).reshape(shape))
        buffer = self._custom[0] if self._custom else self.get_outputs()[0].size
        _note(event="run", shape=shape, buffer=buffer, needed=output.nbytes, device=self._device)
        if buffer == 0:
            raise RuntimeError("[3011][Infer: outputsize is zero] ")
        if buffer < output.nbytes:
            raise RuntimeError(GENERAL_FAILURE)
        return [Tensor(output, on_device=True)]

    def _in_range(self, shape: list[int]) -> bool:
        if not self._facts["ranged"]:
            return True
        limits = (part.partition("~") for part in self._facts["shape"])
        return all(int(low) <= size <= int(high or low) for size, (low, _, high) in zip(shape, limits, strict=True))

    def _executed(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        start = time.perf_counter()
        (output,) = self._network.run(None, {self._network.get_inputs()[0].name: images})
        end = time.perf_counter()
        pair = (1e3 * (start - self._started), 1e3 * (end - self._started))
        # The older extension measured one number, the newer one the beginning and the end.
        self._summary.exec_time_list.append(pair[1] - pair[0] if os.environ.get("ACLRUNTIME_OLD") else pair)
        found: npt.NDArray[np.float32] = output
        return found

    # --- the rest ---

    def sumary(self) -> sumary:
        return self._summary

    def reset_sumaryinfo(self) -> None:
        self._summary.exec_time_list.clear()

    def options(self) -> session_options:
        return self._options

    def free_resource(self) -> None:
        _note(event="free", device=self._device)
