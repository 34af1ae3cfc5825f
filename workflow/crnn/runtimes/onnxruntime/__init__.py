"""ONNX Runtime on the CPU, and its execution providers for CUDA and CANN."""

from crnn.runtimes.probe import CANN, NVIDIA
from crnn.runtimes.runtime import Runtime

FILES = ("model.onnx",)

RUNTIMES = (
    Runtime(
        "onnxruntime",
        "crnn.runtimes.onnxruntime.cpu",
        FILES,
        tools=("onnxruntime",),
        precisions={"fp32": "fp32", "fp32-winograd": "winograd", "int8": "uint8"},
    ),
    Runtime(
        "onnxruntime_cann",
        "crnn.runtimes.onnxruntime.cann",
        FILES,
        tools=("onnxruntime-cann",),
        device="npu",
        probes=CANN,
    ),
    Runtime(
        "onnxruntime_cuda",
        "crnn.runtimes.onnxruntime.cuda",
        FILES,
        tools=("onnxruntime-gpu",),
        precisions={"fp32": "fp32", "fp16": "fp16"},
        device="gpu",
        probes=NVIDIA,
    ),
)
