"""PyTorch on an NVIDIA GPU: the reference on the device, and what a toolchain there has to beat.

Options, all of them optional:

- `device`: the GPU, 0 by default.
- `mode`: `eager` (default), `compile` (PyTorch's compiler, for shapes that vary) or `graph` (a CUDA graph for each
  shape, captured when the shape first comes).
- `tf32`: let convolutions and products use TensorFloat-32, which rounds their inputs to ten bits; false by default, so
  that float32 means the same as on the CPU.
"""

from pathlib import Path
from typing import Any

import torch

from crnn.core.errors import UserError
from crnn.core.files import atomic_copy
from crnn.model.checkpoint import load_network
from crnn.runtimes.devices import checked_device, lock_device
from crnn.runtimes.nvidia_driver import driver_version
from crnn.runtimes.pytorch import FILES
from crnn.runtimes.pytorch.device import MODES, DeviceSession, simulated
from crnn.runtimes.runtime import Options, check_options


class CudaSession(DeviceSession):
    """The network on a GPU, with what of CUDA it uses beside what every runtime says of itself."""

    def describe(self) -> dict[str, Any]:
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        versions = {"cuda": torch.version.cuda, "cudnn": cudnn, "driver": driver_version()}
        return {**super().describe(), **versions, "tf32": torch.backends.cudnn.allow_tf32}


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Copy the imported weights; compiling and capturing take place on the device."""
    _checked(options)
    return [atomic_copy(source, directory / FILES[0])]


def load(model: Path, options: Options, threads: int, calls: int = 1) -> CudaSession:
    check(options, building=False)
    device, mode, tf32 = _checked(options)
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    network = load_network(model)
    return CudaSession(network, torch.cuda, torch.device("cuda", device), lock_device("gpu", device), mode)


def _checked(options: Options) -> tuple[int, str, bool]:
    check_options(options, "device", "mode", "tf32")
    mode, tf32 = options.get("mode", "eager"), options.get("tf32", False)
    if mode not in MODES:
        raise UserError(f"options.mode is {mode!r}; expected one of {', '.join(MODES)}")
    if not isinstance(tf32, bool):
        raise UserError(f"options.tf32 is {tf32!r}; expected true or false")
    return checked_device(options), mode, tf32


def check(options: Options, building: bool) -> None:
    """Raise UserError where the options are wrong or, if not `building`, PyTorch does not reach the GPU."""
    device, _, _ = _checked(options)
    if building or simulated(torch.cuda):
        return
    if torch.version.cuda is None:
        raise UserError(
            f"the PyTorch {torch.__version__} installed here is a build without CUDA; install the package index's own "
            f"(`pip install torch=={torch.__version__.partition('+')[0]}`), or run with `--sdm conda`"
        )
    if not torch.cuda.is_available():
        driver = driver_version()
        fault = f"its driver {driver} is older than CUDA {torch.version.cuda} needs" if driver else "it has no driver"
        raise UserError(f"PyTorch reaches no NVIDIA GPU on this machine: {fault}, or no GPU is given to this job")
    if device >= torch.cuda.device_count():
        raise UserError(f"options.device is {device}, but PyTorch sees {torch.cuda.device_count()} GPUs, from 0")
