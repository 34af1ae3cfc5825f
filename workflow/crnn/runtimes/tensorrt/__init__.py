"""NVIDIA GPUs by TensorRT: settings, profiles, trtexec's command line, the library, the GPU, the session.

`verbs` puts them together. Only `library` imports TensorRT, and only `gpu` pycuda and cuda-python. A variable that
holds an object of TensorRT's is named after its class: `builder`, `config`, `network`, `parser`, `profile`, `cache`,
`runtime`, `engine`, `context`; `trt` is the module itself. By these names tests/contract/test_tensorrt_names.py holds
every attribute that is used against what TensorRT 10 and 11 have.
"""

from crnn.runtimes.probe import NVIDIA
from crnn.runtimes.runtime import Runtime

FILES = ("model.engine", "conversion.json")

RUNTIMES = (
    Runtime(
        "tensorrt",
        "crnn.runtimes.tensorrt.verbs",
        FILES,
        tools=("tensorrt", "tensorrt-cu13-bindings", "pycuda", "cuda-bindings"),
        precisions={"fp32": "fp32", "fp16": "fp16", "fp16-lstm32": "fp16-lstm32", "int8": "int8"},
        device="gpu",
        build_device="gpu",
        compiles_shapes=True,
        probes=NVIDIA,
        comparison="polygraphy run {onnx} --onnxrt --trt --onnx-outputs mark all --trt-outputs mark all",
    ),
)
