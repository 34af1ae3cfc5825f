"""PyTorch on an NVIDIA GPU: the reference on the device, and what a toolchain there has to beat.

Options, all of them optional:

- `device`: the GPU, 0 by default.
- `mode`: `eager` (default), `compile` (PyTorch's compiler, for shapes that vary) or `graph` (a CUDA graph for each
  shape, captured when the shape first comes).
- `tf32`: let convolutions and products use TensorFloat-32, which rounds their inputs to ten bits; false by default,
  where float32 means the same as on the CPU.
"""

from typing import Any

import torch

from crnn.core.errors import UserError
from crnn.runtimes.on_device import is_double
from crnn.runtimes.probe import driver_version
from crnn.runtimes.pytorch.device import TorchDevice


def _facts() -> dict[str, Any]:
    """What of CUDA the network uses."""
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    versions = {"cuda": torch.version.cuda, "cudnn": cudnn, "driver": driver_version()}
    return {**versions, "tf32": torch.backends.cudnn.allow_tf32}


def _check_gpu(api: Any, device: int) -> None:
    """Raise UserError where PyTorch does not reach the GPU."""
    if is_double(api):
        return
    if torch.version.cuda is None:
        raise UserError(
            f"the PyTorch {torch.__version__} installed here is a build without CUDA; install the package index's own "
            f"(`pip install torch=={torch.__version__.partition('+')[0]}`), or run with `--sdm conda`"
        )
    if not api.is_available():
        driver = driver_version()
        fault = f"its driver {driver} is older than CUDA {torch.version.cuda} needs" if driver else "it has no driver"
        raise UserError(f"PyTorch reaches no NVIDIA GPU on this machine: {fault}, or no GPU is given to this job")
    if device >= api.device_count():
        raise UserError(f"options.device is {device}, but PyTorch sees {api.device_count()} GPUs, from 0")


DEVICE = TorchDevice("cuda", "gpu", lambda: torch.cuda, _check_gpu, _facts, options=("mode", "tf32"))
build, load, check = DEVICE.build, DEVICE.load, DEVICE.check
