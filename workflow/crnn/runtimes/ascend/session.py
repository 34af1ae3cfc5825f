"""Running an .om through `ais_bench.infer.interface.InferSession`, in either generation of its interface.

The session goes by what it finds and not by a version: both generations call themselves 0.0.2. The older one (to 2023)
has `sumary`, execution times as numbers and `get_H2D_time_list`; the newer one `summary`, times as pairs and
`get_h2d_time_list`. Both know the modes used here. ais_bench is imported when a session is opened, never before.
"""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.core.record import tool_versions
from crnn.runtimes.ascend import TOOLS
from crnn.runtimes.ascend.shapes import Shapes
from crnn.runtimes.on_device import OnDevice, calls_on_device, is_double
from crnn.runtimes.shapes import Form

Array = npt.NDArray[np.float32]

MODES = {"range": "dymshape", "gears": "dymdims", "static": "static"}  # of InferSession.infer
OF_BATCH_ALONE = "dymbatch"
BYTES = 4  # of a float32
ALIGNMENT = 512  # bytes; what a size of device memory is rounded up to
UNKNOWN_OUTPUT = 10_000_000  # bytes; where the model does not say how many classes it has
INSTALL = "install aclruntime and ais_bench from one source (docs/ascend.md)"


def infer_session() -> Any:
    """The class InferSession. Raises UserError that says which package is missing, broken or the wrong one."""
    try:
        from ais_bench.infer.interface import InferSession
    except ModuleNotFoundError as error:
        if error.name == "ais_bench":
            fault = f"the Python package 'ais_bench' is not installed here; {INSTALL}"
        elif str(error.name).startswith("ais_bench"):
            fault = (
                "the Python package 'ais_bench' here is another one of that name: it has no ais_bench.infer (the "
                f"package index's ais_bench_benchmark, for language models, is one); remove it and {INSTALL}"
            )
        else:
            fault = f"ais_bench needs the Python package {error.name!r}, which is not installed here; {INSTALL}"
        raise UserError(f"runtime ascend: {fault}") from error
    except ImportError as error:
        raise UserError(
            f"runtime ascend: ais_bench cannot be loaded ({error}); source CANN's set_env.sh before starting "
            f"Snakemake, and use the aclruntime that was built for this Python"
        ) from error
    return InferSession


def simulated() -> bool:
    """Whether the installed aclruntime is a contract double, which says so itself."""
    import aclruntime

    return is_double(aclruntime)


def execution_milliseconds(times: Sequence[Any]) -> list[float]:
    """`exec_time_list` of either generation as durations: numbers are some already, pairs are (start, end)."""
    return [float(time[1] - time[0]) if isinstance(time, (tuple, list)) else float(time) for time in times]


def _private_copy(model: Path, held: ExitStack) -> Path:
    """A copy that ais_bench accepts: no link, private, and without a space or the like in its path."""
    folder = held.enter_context(tempfile.TemporaryDirectory(prefix="crnn-om-", ignore_cleanup_errors=True))
    copy = Path(folder, "model.om")
    copy.touch(mode=0o600)
    shutil.copyfile(model, copy)
    return copy


class AscendSession(OnDevice):
    """A model on one NPU. Words are fitted to the shapes it was converted for; their widths are not changed."""

    calls = 1  # a session takes one call at a time

    def __init__(self, model: Path, facts: dict[str, Any], device: int, held: ExitStack) -> None:
        """`facts` are those of conversion.json; `held` unloads the model."""
        self._shapes, self._form = Shapes.from_facts(facts["shapes"]), Form.from_facts(facts)
        self._facts, self._device = facts, device
        self._mode = OF_BATCH_ALONE if self._shapes.of_batch_alone else MODES[self._shapes.mode]
        self._session = self._opened(infer_session(), _private_copy(model, held))
        if hasattr(self._session, "free_resource"):  # the older generation unloads the model when the session goes
            held.callback(self._session.free_resource)
        self._classes = self._output_classes()
        self.transfer_seconds()  # what loading copied is no transfer of a word
        super().__init__(held)

    def _opened(self, opened: Any, model: Path) -> Any:
        try:
            return opened(self._device, str(model))
        except Exception as error:  # whatever the generations raise: RuntimeError, ValueError and their own
            raise UserError(
                f"device {self._device}: the model of {self._facts['soc_version']} cannot be loaded "
                f"({str(error).strip()}); check the card with `npu-smi info`, the user's right to it (group "
                f"HwHiAiUser), and that it is the chip and the CANN that the model was converted for "
                f"({self._facts['cann']} or up to four releases later)"
            ) from error

    def _output_classes(self) -> int | None:
        """The last size of the output; None where the model does not say it, as some dynamic ones do not."""
        shape = self._session.get_outputs()[0].shape
        return int(shape[-1]) if len(shape) and shape[-1] > 0 else None

    def infer(self, images: Array) -> Array:
        count, _, _, width = images.shape
        outputs = [self._call(images[a:b], batch) for a, b, batch in self._shapes.calls(count, width)]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)

    def _call(self, words: Array, batch: int) -> Array:
        """One call with `words` filled up to `batch` with zeros, whose steps are dropped again."""
        count, steps = len(words), self._form.most_steps(words.shape[3])
        images = np.ascontiguousarray(words, np.float32)
        if count < batch:
            images = np.concatenate([images, np.zeros((batch - count, *images.shape[1:]), np.float32)])
        try:
            if self._mode == OF_BATCH_ALONE:  # the older generation has no such mode, and goes by what was set
                self._session.set_dynamic_batchsize(batch)
            (output,) = self._session.infer([images], self._mode, custom_sizes=self._output_bytes(steps, batch))
        except RuntimeError as error:
            raise UserError(
                f"device {self._device}: inference of {list(images.shape)} in mode {self._mode} failed "
                f"({str(error).strip()}); see ~/ascend/log, and `npu-smi info` for the card's health"
            ) from error
        whole = np.asarray(output, np.float32)
        if whole.ndim == 1:  # what the runtime gives where it does not know the shape of a dynamic output
            whole = whole.reshape(steps if self._form.steps else -1, batch, self._classes or -1)
        if whole.shape[1] != batch or (self._form.steps and len(whole) != steps):
            raise UserError(
                f"device {self._device}: images {list(images.shape)} gave an output of {list(whole.shape)}; expected "
                f"{steps} steps of {batch} words. Was the model made from another network's ONNX file?"
            )
        return whole[:, :count]

    def _output_bytes(self, steps: int, batch: int) -> int:
        """Size of the output, rounded up; a buffer of this size is made on the device in every call."""
        if self._classes is None:
            return UNKNOWN_OUTPUT
        return -(-steps * batch * self._classes * BYTES // ALIGNMENT) * ALIGNMENT

    def transfer_seconds(self) -> tuple[float, float]:
        """As ais_bench counts them, over all sessions of this process."""
        from ais_bench.infer.interface import MemorySummary

        seconds = []
        for newer, older in (("get_h2d_time_list", "get_H2D_time_list"), ("get_d2h_time_list", "get_D2H_time_list")):
            times = getattr(MemorySummary, newer, None) or getattr(MemorySummary, older)
            seconds.append(sum(times()) / 1e3)
        MemorySummary.reset()
        return seconds[0], seconds[1]

    def executions(self) -> list[float]:
        """Milliseconds of every call on the device so far."""
        summary = (getattr(self._session, "summary", None) or self._session.sumary)()
        return execution_milliseconds(summary.exec_time_list)

    def describe(self) -> dict[str, Any]:
        session = self._session
        return {
            "device": f"{self._facts['soc_version']}, device {self._device}",
            "simulated": simulated(),
            "soc_version": self._facts["soc_version"],
            "cann": self._facts["cann"],
            "shapes": self._facts["shapes"]["mode"],
            "interface": "summary" if hasattr(session, "summary") else "sumary",
            **calls_on_device(self.executions()),
            **tool_versions(TOOLS),
        }
