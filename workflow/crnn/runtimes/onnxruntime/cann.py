"""ONNX Runtime on an Ascend NPU, through its CANN provider. Building copies the model, which CANN compiles on use.

The provider compiles a model for every input shape, the first time that it comes: with a width rule of many widths
the first pass does little else. Options, all of them optional:

- `device`: the NPU, 0 by default.
- `graph_optimization`: disabled, basic, extended or all (default).
- `precision_mode`: as ATC has it; CANN's default is force_fp16.
"""

from typing import Any

from crnn.runtimes.ascend.atc import checked_precision
from crnn.runtimes.ascend.chips import check_npu
from crnn.runtimes.onnxruntime.provider import Provider
from crnn.runtimes.runtime import Options


def _settings(options: Options) -> dict[str, Any]:
    precision = checked_precision(options)
    # By default it leaves an .om per shape in the working directory, which a later run takes for its own.
    return {"dump_om_model": 0, **dict([precision] if precision else [])}


PROVIDER = Provider(
    runtime="onnxruntime_cann",
    name="CANNExecutionProvider",
    device="cann",
    kind="npu",
    distribution="onnxruntime-cann",
    remedies={"": "source CANN's set_env.sh before starting Snakemake (docs/ascend.md)"},
    described=lambda: "Ascend NPU",
    options=("precision_mode",),
    settings=_settings,
    check_device=check_npu,
)
build, load, check = PROVIDER.build, PROVIDER.load, PROVIDER.check
