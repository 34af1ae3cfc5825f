"""What there is to reach: a runtime used as its makers advise, and the largest matrix product of the machine."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from crnn.data.preprocess import Tensor
from crnn.data.widths import HEIGHT
from crnn.model.network import CRNN, NetworkSize

Ceiling = Callable[[list[Tensor]], None]
SIDE = 4096  # rows and columns of the matrices
SECONDS = 3.0  # of multiplying them


def inference_ceilings(runtime: str, build: Path, options: dict[str, Any], cores: int) -> dict[str, Ceiling]:
    """Ways to run batches through a build and do nothing else, by name; none where the runtime has no others."""
    makers = {"onnxruntime": onnxruntime_ceilings, "openvino": openvino_ceilings}
    return makers[runtime](build, options, cores) if runtime in makers else {}


def onnxruntime_ceilings(build: Path, options: dict[str, Any], cores: int) -> dict[str, Ceiling]:  # noqa: ARG001
    """One call on all cores, and a call on each core."""

    def ceiling(calls: int) -> Ceiling:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = cores // calls
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the build has it
        session = onnxruntime.InferenceSession(str(build / "model.onnx"), settings, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def run(batches: list[Tensor]) -> None:
            with ThreadPoolExecutor(calls) as pool:
                for _ in pool.map(lambda images: session.run(None, {name: images}), batches):
                    pass

        return run

    return {f"ceiling: {calls} at a time": ceiling(calls) for calls in sorted({1, cores})}


def openvino_ceilings(build: Path, options: dict[str, Any], cores: int) -> dict[str, Ceiling]:
    """OpenVINO's asynchronous queue under each of its performance hints, as its benchmark_app uses it."""
    import openvino
    from openvino import properties

    from crnn.runtimes.openvino.cpu import precision_hint

    model = openvino.Core().read_model(build / "model.xml")

    def ceiling(hint: Any) -> Ceiling:
        settings = {
            properties.hint.performance_mode: hint,
            "INFERENCE_PRECISION_HINT": precision_hint(options.get("precision", "fp32")),
            properties.inference_num_threads: cores,
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        queue = openvino.AsyncInferQueue(compiled)

        def run(batches: list[Tensor]) -> None:
            for images in batches:
                queue.start_async([images])
            queue.wait_all()

        return run

    modes = properties.hint.PerformanceMode
    return {f"ceiling: {mode.name.lower()}": ceiling(mode) for mode in (modes.THROUGHPUT, modes.LATENCY)}


@cache
def multiply_adds(width: int) -> int:
    """Multiplications of the usual network on one word of this tensor width, counted layer by layer as it runs."""
    counted = 0
    network = CRNN(NetworkSize()).eval()

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        nonlocal counted
        outputs = output[0] if isinstance(output, tuple) else output
        if isinstance(module, nn.Conv2d):
            counted += outputs.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            counted += outputs.numel() * module.in_features
        elif isinstance(module, nn.LSTM):
            steps = inputs[0].shape[0] * inputs[0].shape[1]
            counted += steps * sum(weight.numel() for name, weight in module.named_parameters() if "weight" in name)

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    with torch.inference_mode():
        network(torch.zeros(1, 1, HEIGHT, width))
    for hook in hooks:
        hook.remove()
    return counted


def matrix_product(precision: str, threads: int) -> float:
    """Operations per second of the product of two large square matrices, by the fastest library at hand.

    A multiplication and its addition are two operations.
    """
    products = [torch_product(precision, threads)]
    if precision == "fp32":
        products.append(onnxruntime_product(threads))
    return max(map(operations_per_second, products))


def torch_product(precision: str, threads: int) -> Callable[[], object]:
    torch.set_num_threads(threads)
    multiply, dtype = {
        "fp32": (torch.mm, torch.float32),
        "bf16": (torch.mm, torch.bfloat16),
        "int8": (torch._int_mm, torch.int8),
    }[precision]
    random = np.random.default_rng(0).integers(-100, 100, (SIDE, SIDE))
    matrix = torch.from_numpy(random).to(dtype)
    return lambda: multiply(matrix, matrix)


def onnxruntime_product(threads: int) -> Callable[[], object]:
    """In fp32. PyTorch's library of one maker's processors is slow on another's."""
    entry = partial(onnx.helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT, shape=[SIDE, SIDE])
    node = onnx.helper.make_node("MatMul", ["a", "b"], ["product"])
    graph = onnx.helper.make_graph([node], "product", [entry("a"), entry("b")], [entry("product")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    matrix = np.random.default_rng(0).uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)
    return lambda: session.run(None, {"a": matrix, "b": matrix})


def operations_per_second(multiply: Callable[[], object]) -> float:
    multiply()
    times = []
    started = time.perf_counter()
    while not times or time.perf_counter() - started < SECONDS:
        called = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - called)
    return 2 * SIDE**3 / min(times)
