"""A double of ais_bench.infer.interface as it was until 2023: no checks, two dynamic modes, `sumary`, other names.

Only what the runtime calls is here. Put its folder before `packages`; ACLRUNTIME_OLD=1 gives that extension's times.
"""

from typing import Any

import aclruntime
import numpy as np
import numpy.typing as npt


class InferSession:
    """A model on a device."""

    def __init__(
        self, device_id: int, model_path: str, acl_json_path: str | None = None, debug: bool = False, loop: int = 1
    ) -> None:
        options = aclruntime.session_options(log_level=1 if debug else 2, loop=loop)
        self.session = aclruntime.InferenceSession(model_path, device_id, options)

    def get_inputs(self) -> list[aclruntime.tensor_desc]:
        return self.session.get_inputs()

    def get_outputs(self) -> list[aclruntime.tensor_desc]:
        return self.session.get_outputs()

    def infer(
        self, feeds: list[npt.NDArray[Any]], mode: str = "static", custom_sizes: int = 100000
    ) -> list[npt.NDArray[Any]]:
        text = ";".join(
            f"{taken.name}:{','.join(map(str, feed.shape))}"
            for taken, feed in zip(self.get_inputs(), feeds, strict=True)
        )
        if mode == "dymshape":
            self.session.set_dynamic_shape(text)
            self.session.set_custom_outsize([custom_sizes] * len(self.get_outputs()))
        elif mode == "dymdims":
            self.session.set_dynamic_dims(text)
        given = [aclruntime.BaseTensor(feed.__array_interface__["data"][0], feed.nbytes) for feed in feeds]
        outputs = self.session.run([meta.name for meta in self.get_outputs()], given)
        for output in outputs:
            output.to_host()
        return [np.array(output) for output in outputs]

    def set_dynamic_batchsize(self, dym_batch: int) -> None:
        self.session.set_dynamic_batchsize(dym_batch)

    def sumary(self) -> aclruntime.sumary:
        return self.session.sumary()

    def reset_sumaryinfo(self) -> None:
        self.session.reset_sumaryinfo()


class MemorySummary:
    """Times of copies in milliseconds."""

    @staticmethod
    def get_H2D_time_list() -> list[float]:
        return aclruntime.MemorySummary().H2D_time_list

    @staticmethod
    def get_D2H_time_list() -> list[float]:
        return aclruntime.MemorySummary().D2H_time_list

    @staticmethod
    def reset() -> None:
        aclruntime.MemorySummary().reset()
