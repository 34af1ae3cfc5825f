"""The network in PyTorch: on the CPU, where it is the reference, on CUDA and on Ascend through torch_npu."""

from crnn.runtimes.probe import CANN, NVIDIA
from crnn.runtimes.runtime import Runtime

FILES = ("weights.safetensors",)

RUNTIMES = (
    Runtime("torch", "crnn.runtimes.pytorch.cpu", FILES, tools=("torch",), source="checkpoint"),
    Runtime(
        "torch_cuda",
        "crnn.runtimes.pytorch.cuda",
        FILES,
        tools=("torch",),
        source="checkpoint",
        device="gpu",
        probes=NVIDIA,
    ),
    Runtime(
        "torch_npu",
        "crnn.runtimes.pytorch.npu",
        FILES,
        tools=("torch", "torch-npu"),
        source="checkpoint",
        device="npu",
        probes=CANN,
    ),
)
