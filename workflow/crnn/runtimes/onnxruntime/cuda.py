"""ONNX Runtime on an NVIDIA GPU, through its CUDA provider. Building copies the model, which is optimised on loading.

What the optimiser makes for a GPU holds for that GPU alone, and takes a second. Options, all of them optional:

- `device`: the GPU, 0 by default.
- `graph_optimization`: disabled, basic, extended or all (default).
- `tf32`: let convolutions and products use TensorFloat-32, which rounds their inputs to ten bits; false by default,
  where float32 means the same as on the CPU.
- `convolutions`: how cuDNN's kernels are chosen for a shape: `heuristic` (default), `exhaustive`, which tries them all
  whenever a batch has a shape that was not seen before, or `default`.
"""

from typing import Any

from crnn.runtimes.onnxruntime.provider import Provider
from crnn.runtimes.probe import driver_version, gpu_name
from crnn.runtimes.runtime import Options, checked_choice, checked_flag

SEARCHES = ("heuristic", "exhaustive", "default")  # cudnn_conv_algo_search, in capitals there


def _settings(options: Options) -> dict[str, Any]:
    search = checked_choice(options, "convolutions", SEARCHES)
    return {"use_tf32": int(checked_flag(options, "tf32")), "cudnn_conv_algo_search": search.upper()}


PROVIDER = Provider(
    runtime="onnxruntime_cuda",
    name="CUDAExecutionProvider",
    device="cuda",
    kind="gpu",
    distribution="onnxruntime-gpu",
    remedies={
        "libcuda.so": "this machine has no NVIDIA driver; install it, or run on a machine that has a GPU",
        "": "install CUDA's and cuDNN's libraries of that major version, as envs/onnxruntime_cuda.yaml does "
        "(`pip install 'onnxruntime-gpu[cuda,cudnn]' nvidia-cublas`), or an onnxruntime-gpu for the CUDA that is here",
    },
    described=gpu_name,
    options=("tf32", "convolutions"),
    settings=_settings,
    facts=lambda: {"driver": driver_version()},
    preload=True,
)
build, load, check = PROVIDER.build, PROVIDER.load, PROVIDER.check
