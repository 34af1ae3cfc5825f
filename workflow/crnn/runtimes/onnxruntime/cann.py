"""ONNX Runtime on an Ascend NPU, through its CANN provider. Building copies the model, which CANN compiles on use.

The provider compiles a model of its own for every input shape, the first time that it comes: with a width rule of many
widths the first pass does little else. Options, all of them optional:

- `device`: the card, 0 by default.
- `graph_optimization`: disabled, basic, extended or all (default).
- `precision_mode`: as ATC has it; CANN's default is force_fp16.
"""

from pathlib import Path
from typing import Any

from crnn.core.files import atomic_copy
from crnn.runtimes.ascend.atc import checked_precision
from crnn.runtimes.ascend.chips import check_npu
from crnn.runtimes.devices import checked_device
from crnn.runtimes.onnxruntime import FILES
from crnn.runtimes.onnxruntime.opening import optimisation
from crnn.runtimes.onnxruntime.provider import Provider, ProviderSession
from crnn.runtimes.runtime import Options, check_options

PROVIDER = Provider(
    name="CANNExecutionProvider",
    device="cann",
    card="npu",
    distribution="onnxruntime-cann",
    remedies={"": "source CANN's set_env.sh before starting Snakemake (docs/ascend.md)"},
    described=lambda: "Ascend NPU",
)


def _settings(options: Options) -> dict[str, Any]:
    check_options(options, "device", "graph_optimization", "precision_mode")
    precision = checked_precision(options)
    # Otherwise it leaves an .om per shape in the working directory, which a later run takes for its own.
    return {"dump_om_model": 0, **dict([precision] if precision else [])}


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Copy the model."""
    check(options, building=True)
    return [atomic_copy(source, directory / FILES[0])]


def load(model: Path, options: Options, threads: int, calls: int = 1) -> ProviderSession:
    PROVIDER.check()
    level, settings = optimisation(options), _settings(options)
    return ProviderSession(model, PROVIDER, checked_device(options), level, settings)


def check(options: Options, building: bool) -> None:
    """Raise UserError where the options are wrong or, if not `building`, the provider cannot start here."""
    _settings(options)
    optimisation(options)
    checked_device(options)
    if not building:
        PROVIDER.check()
        check_npu("onnxruntime_cann", PROVIDER.simulated())
