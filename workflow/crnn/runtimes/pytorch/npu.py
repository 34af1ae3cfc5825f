"""PyTorch on an Ascend NPU, through torch_npu: the reference on the device, eager, with no conversion in between.

Options, all of them optional: `device`, the card, 0 by default.
"""

import os
from pathlib import Path
from typing import Any

# PyTorch would load torch_npu itself, and where CANN is missing end with an error that does not say so.
os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"

import torch

from crnn.core.errors import UserError
from crnn.core.files import atomic_copy
from crnn.core.record import tool_versions
from crnn.model.checkpoint import load_network
from crnn.runtimes.ascend.chips import check_npu
from crnn.runtimes.devices import checked_device, lock_device
from crnn.runtimes.pytorch import FILES
from crnn.runtimes.pytorch.device import DeviceSession, simulated
from crnn.runtimes.runtime import Options, check_options


class NpuSession(DeviceSession):
    """The network on a card, with torch_npu's version beside what every runtime says of itself."""

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), **tool_versions(["torch-npu"])}


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Copy the imported weights; nothing is converted."""
    _checked(options)
    return [atomic_copy(source, directory / FILES[0])]


def load(model: Path, options: Options, threads: int, calls: int = 1) -> NpuSession:
    check(options, building=False)
    device = _checked(options)
    torch.set_num_threads(threads)
    network = load_network(model)
    return NpuSession(network, _npu(), torch.device("npu", device), lock_device("npu", device))


def _checked(options: Options) -> int:
    check_options(options, "device")
    return checked_device(options)


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


def check(options: Options, building: bool) -> None:
    """Raise UserError where the options are wrong or, if not `building`, PyTorch does not reach the card."""
    device = _checked(options)
    if building:
        return
    api = _npu()
    check_npu("torch_npu", simulated(api))
    if not api.is_available() or device >= api.device_count():
        raise UserError(
            f"runtime torch_npu: device {device} cannot be used (torch_npu sees {api.device_count()}); look at "
            "`npu-smi info` and the user's right to the card (group HwHiAiUser)"
        )
