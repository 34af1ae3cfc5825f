"""OpenVINO on the CPU: the ONNX file is converted once, to model.xml and model.bin, and compiled where it is loaded.

It knows no options but `precision`, which the rules add: fp32, bf16, int8 or int8-bf16. bf16 is a hint that OpenVINO
makes of the fp32 file, and needs a processor with bfloat16 instructions. int8 runs the quantised operators of the file
as they are and the rest in fp32; int8-bf16 the rest in bfloat16.

Widths vary from call to call. The plugin keeps the kernels of the shapes that it has met, so none is made twice.
"""

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from crnn.core.errors import UserError
from crnn.core.files import scratch_directory
from crnn.core.record import describe_host
from crnn.runtimes.openvino import FILES, PRECISIONS
from crnn.runtimes.runtime import Options, check_options, checked_choice

PLUGIN = "CPU"
LSTM_OUTPUT_RANK = 4  # [T, directions, N, H]


class OpenVinoSession:
    """A compiled model with `calls` streams, which share `threads` cores; each calling thread has its own request."""

    def __init__(self, model: Path, hint: str, threads: int, calls: int) -> None:
        self.calls = calls
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": calls,
            "ENABLE_CPU_PINNING": False,  # jobs that run side by side would all be pinned to the same first cores
        }
        self._compiled = openvino.Core().compile_model(_read(model), PLUGIN, settings)
        self._hint = hint
        self._requests = threading.local()
        # Two threads that ask for a first type at once may wait for each other for ever (seen with 2026.4.1).
        openvino.Type.f32.to_dtype()

    def infer(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
        # The request writes over its output at the next call.
        output: npt.NDArray[np.float32] = request.get_output_tensor().data.copy()
        return output

    def describe(self) -> dict[str, Any]:
        return {
            "device": describe_host()["cpu"],
            "simulated": False,
            "openvino": openvino.__version__,
            "inference_precision": self._hint,
        }

    def close(self) -> None:
        """Nothing to release: the model goes with the object."""


def _read(model: Path) -> openvino.Model:
    try:
        return openvino.Core().read_model(model)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(f"{model}: OpenVINO cannot read it ({reason})") from error


def _squeeze_before_joining(model: openvino.Model) -> None:
    """Rewrite Squeeze(Concat(a, b)) of one axis of rank 4 as Concat(Squeeze(a), Squeeze(b)), which is the same.

    Behind one-way LSTMs the CPU plugin of 2026.4.1 exchanges batch and directions of the former, and so reads every
    batch of more than one word wrongly; the latter it computes rightly.
    """
    for squeeze in [node for node in model.get_ordered_ops() if node.get_type_name() == "Squeeze"]:
        join = squeeze.input_value(0).get_node()
        if join.get_type_name() != "Concat" or len(join.output(0).get_partial_shape()) != LSTM_OUTPUT_RANK:
            continue
        axes = squeeze.input_value(1)
        squeezed = [openvino.opset13.squeeze(join.input_value(i), axes) for i in range(join.get_input_size())]
        axis = join.get_attributes()["axis"] % LSTM_OUTPUT_RANK
        dropped = axes.get_node().get_vector()[0] % LSTM_OUTPUT_RANK
        joined = openvino.opset13.concat([each.output(0) for each in squeezed], int(axis - (dropped < axis)))
        for reader in squeeze.output(0).get_target_inputs():
            reader.replace_source_output(joined.output(0))


def _number_by_position(model: openvino.Model) -> None:
    """Name nodes without a name by their place: OpenVINO counts over the whole process."""
    for position, node in enumerate(model.get_ordered_ops()):
        kind = node.get_type_name()
        if re.fullmatch(rf"{kind}_\d+", node.get_friendly_name()):
            node.set_friendly_name(f"{kind}_{position}")


def precision_hint(precision: str) -> str:
    """OpenVINO's INFERENCE_PRECISION_HINT: what it computes in where the model file leaves it the choice."""
    return "bf16" if precision.endswith("bf16") else "f32"


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Convert `source`; the weights keep their types."""
    check(options, building=True)
    model = _read(source)
    _squeeze_before_joining(model)
    _number_by_position(model)
    files = [directory / name for name in FILES]
    with scratch_directory(directory) as scratch:
        openvino.save_model(model, scratch / FILES[0], compress_to_fp16=False)
        directory.mkdir(parents=True, exist_ok=True)
        for path in files:
            (scratch / path.name).replace(path)
    return files


def load(model: Path, options: Options, threads: int, calls: int = 1) -> OpenVinoSession:
    check(options, building=False)
    return OpenVinoSession(model, precision_hint(options.get("precision", "fp32")), threads, calls)


def check(options: Options, building: bool) -> None:
    """Raise UserError where this processor cannot compute in the precision; any can convert a model for it."""
    check_options(options, "precision")
    precision = checked_choice(options, "precision", PRECISIONS)
    able = openvino.Core().get_property(PLUGIN, "OPTIMIZATION_CAPABILITIES")
    if precision_hint(precision) == "bf16" and not building and "BF16" not in able:
        without = "int8" if precision == "int8-bf16" else "fp32"
        raise UserError(
            f"precision {precision}: this processor has no bfloat16 instructions (it would be slower); take {without}"
        )
