"""PyTorch on an Ascend NPU, through torch_npu: the reference on the device, eager, with no conversion in between.

Option: `device`, the NPU, 0 by default.
"""

import os
from typing import Any

# PyTorch would load torch_npu itself, and where CANN is missing end with an error that does not say so.
os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"

import torch

from crnn.core.errors import UserError
from crnn.core.record import tool_versions
from crnn.runtimes.ascend.chips import check_npu
from crnn.runtimes.on_device import is_double
from crnn.runtimes.pytorch.device import TorchDevice


def _npu() -> Any:
    """`torch.npu`, which torch_npu adds when it is imported. Raises UserError where it cannot be."""
    try:
        import torch_npu
    except ModuleNotFoundError as error:
        raise UserError(
            f"runtime torch_npu: the Python package {error.name!r} is not installed here; install the torch-npu of "
            f"this PyTorch's version, {torch.__version__.partition('+')[0]} (envs/torch_npu.yaml)"
        ) from error
    except ImportError as error:
        raise UserError(
            f"runtime torch_npu: torch_npu cannot be loaded ({error}); source CANN's set_env.sh before starting "
            f"Snakemake (docs/ascend.md)"
        ) from error
    return torch_npu.npu


def _check_npu(api: Any, device: int) -> None:
    """Raise UserError where PyTorch does not reach the NPU."""
    check_npu("torch_npu", is_double(api))
    if not api.is_available() or device >= api.device_count():
        raise UserError(
            f"runtime torch_npu: device {device} cannot be used (torch_npu sees {api.device_count()}); look at "
            "`npu-smi info` and the user's right to the card (group HwHiAiUser)"
        )


DEVICE = TorchDevice("npu", "npu", _npu, _check_npu, facts=lambda: tool_versions(["torch-npu"]))
build, load, check = DEVICE.build, DEVICE.load, DEVICE.check
