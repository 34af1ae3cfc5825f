"""A double of ais_bench.infer.interface 0.0.2 as it is since 2024: `infer` and what it checks before the device does.

The real package is plain Python and cannot be installed from an index. Only what the runtime calls is here.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any

import aclruntime
import numpy as np
import numpy.typing as npt

MODES = ("static", "dymbatch", "dymhw", "dymdims", "dymshape")
CUSTOM_MOST = 16 * 2**30


def _check_path(path: str) -> None:
    absolute = str(Path(path).absolute())
    if re.search(r"[^_A-Za-z0-9/.-]", absolute):
        raise ValueError(f"The path:{path} is illegal.")
    if not Path(path).is_file():
        raise ValueError(f"The path:{path} is not a file.")
    facts = os.stat(path)  # noqa: PTH116 - of what a link leads to
    if Path(path).is_symlink() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or not path.endswith(".om"):
        raise ValueError(f"The path:{path} is not permitted.")


def _check_size(size: Any) -> None:
    if not isinstance(size, int):
        raise TypeError(f"value:{size} is not a integer!")
    if not 0 < size <= CUSTOM_MOST:
        raise ValueError(f"custom size value:{size} is out of range. Please check.")


class InferSession:
    """A model on a device."""

    def __init__(
        self, device_id: int, model_path: str, acl_json_path: str | None = None, debug: bool = False, loop: int = 1
    ) -> None:
        _check_path(model_path)
        if not isinstance(device_id, int):
            raise TypeError(f"device:{device_id} is not a integer!")
        if not 0 <= device_id <= 255:
            raise ValueError(f"device:{device_id} is illegal. legal value range is [0, 255]")
        options = aclruntime.session_options(log_level=1 if debug else 2, loop=loop)
        self.session = aclruntime.InferenceSession(model_path, device_id, options)

    def get_inputs(self) -> list[aclruntime.tensor_desc]:
        return self.session.get_inputs()

    def get_outputs(self) -> list[aclruntime.tensor_desc]:
        return self.session.get_outputs()

    def infer(
        self, feeds: list[npt.NDArray[Any]], mode: str = "static", custom_sizes: int = 100000, out_array: bool = True
    ) -> list[npt.NDArray[Any]]:
        if not isinstance(feeds, list):
            raise ValueError("the list be checked is not a list!")
        if mode not in MODES:
            raise ValueError("infer mode is illegal, Please check.")
        _check_size(custom_sizes)
        contiguous = [np.ascontiguousarray(feed) for feed in feeds]
        text = ";".join(
            f"{taken.name}:{','.join(map(str, feed.shape))}"
            for taken, feed in zip(self.get_inputs(), contiguous, strict=True)
        )
        if mode == "dymshape":
            self.session.set_dynamic_shape(text)
            self.session.set_custom_outsize([custom_sizes] * len(self.get_outputs()))
        elif mode == "dymdims":
            self.session.set_dynamic_dims(text)
        elif mode == "dymbatch":
            self._set_batchsize(contiguous[0].shape)
        else:
            self.session.set_staticbatch()
        given = [aclruntime.BaseTensor(feed.__array_interface__["data"][0], feed.nbytes) for feed in contiguous]
        outputs = self.session.run([meta.name for meta in self.get_outputs()], given)
        for output in outputs:
            output.to_host()
        return [np.array(output) for output in outputs]

    def _set_batchsize(self, shape: tuple[int, ...]) -> None:
        for taken, given in zip(self.get_inputs()[0].shape, shape, strict=True):
            if taken < 0:
                self.set_dynamic_batchsize(given)
                return
            if taken != given:
                raise RuntimeError("input datas and intensors dim not matched!")
        raise RuntimeError("not a dymbatch model!")

    def set_dynamic_batchsize(self, dym_batch: int) -> None:
        self.session.set_dynamic_batchsize(dym_batch)

    def summary(self) -> aclruntime.sumary:
        return self.session.sumary()

    def reset_summaryinfo(self) -> None:
        self.session.reset_sumaryinfo()

    def free_resource(self) -> None:
        self.session.free_resource()


class MemorySummary:
    """Times of copies in milliseconds."""

    @staticmethod
    def get_h2d_time_list() -> list[float]:
        return aclruntime.MemorySummary().H2D_time_list

    @staticmethod
    def get_d2h_time_list() -> list[float]:
        return aclruntime.MemorySummary().D2H_time_list

    @staticmethod
    def reset() -> None:
        aclruntime.MemorySummary().reset()
