"""ONNX Runtime on an NVIDIA GPU, through its CUDA provider. Building copies the model, which is optimised on loading.

Options, all of them optional:

- `device`: the GPU, 0 by default.
- `graph_optimization`: disabled, basic, extended or all (default).
- `tf32`: let convolutions and products use TensorFloat-32, which rounds their inputs to ten bits; false by default, so
  that float32 means the same as on the CPU.
- `convolutions`: how cuDNN's kernels are chosen for a shape: `heuristic` (default), `exhaustive`, which tries them all
  whenever a batch has a shape that was not seen before, or `default`.
"""

from pathlib import Path
from typing import Any

from crnn.core.errors import UserError
from crnn.core.files import atomic_copy
from crnn.runtimes.devices import checked_device
from crnn.runtimes.nvidia_driver import driver_version, gpu_name
from crnn.runtimes.onnxruntime import FILES
from crnn.runtimes.onnxruntime.opening import optimisation
from crnn.runtimes.onnxruntime.provider import Provider, ProviderSession
from crnn.runtimes.runtime import Options, check_options

SEARCHES = ("heuristic", "exhaustive", "default")  # cudnn_conv_algo_search, in capitals there
PROVIDER = Provider(
    name="CUDAExecutionProvider",
    device="cuda",
    card="gpu",
    distribution="onnxruntime-gpu",
    remedies={
        "libcuda.so": "this machine has no NVIDIA driver; install it, or run on a machine that has a GPU",
        "": "install CUDA's and cuDNN's libraries of that major version, as envs/onnxruntime_cuda.yaml does "
        "(`pip install 'onnxruntime-gpu[cuda,cudnn]' nvidia-cublas`), or an onnxruntime-gpu for the CUDA that is here",
    },
    described=gpu_name,
    preload=True,
)


def _settings(options: Options) -> dict[str, Any]:
    check_options(options, "device", "graph_optimization", "tf32", "convolutions")
    tf32, search = options.get("tf32", False), options.get("convolutions", SEARCHES[0])
    if not isinstance(tf32, bool):
        raise UserError(f"options.tf32 is {tf32!r}; expected true or false")
    if search not in SEARCHES:
        raise UserError(f"options.convolutions is {search!r}; expected one of {', '.join(SEARCHES)}")
    return {"use_tf32": int(tf32), "cudnn_conv_algo_search": search.upper()}


class CudaSession(ProviderSession):
    """The provider's runtime, with the driver's version beside what every one says of itself."""

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "driver": driver_version()}


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Copy the model: what the optimiser makes for a GPU holds for that GPU, and costs a second to make again."""
    check(options, building=True)
    return [atomic_copy(source, directory / FILES[0])]


def load(model: Path, options: Options, threads: int, calls: int = 1) -> CudaSession:
    PROVIDER.check()
    level, settings = optimisation(options), _settings(options)
    return CudaSession(model, PROVIDER, checked_device(options), level, settings)


def check(options: Options, building: bool) -> None:
    """Raise UserError where the options are wrong or, if not `building`, the provider cannot start here."""
    _settings(options)
    optimisation(options)
    checked_device(options)
    if not building:
        PROVIDER.check()
