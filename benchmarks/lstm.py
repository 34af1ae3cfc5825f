#!/usr/bin/env python3
"""Who runs the recurrent half fastest: the layers behind the convolutions, by each runtime and number format, by turns.

A call is a batch of words of middling width on one core. Texts are not looked at: what wins here has to be read with.

    python benchmarks/lstm.py --model results/models/crnn --output benchmarks/results/lstm.json
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import numpy as np
import onnx
import onnxruntime
import openvino
import torch
from onnx.utils import Extractor
from onnxruntime.quantization import QuantType, quantize_dynamic

from crnn.core.command import Command
from crnn.core.files import write_json
from crnn.core.record import describe_host, tool_versions
from crnn.model.contract import OUTPUT
from crnn.model.weights import load_network
from stage import run

Array = np.ndarray
Call = Callable[[Array], object]


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--model", type=Path, required=True, help="folder of a model: results/models/<name>")
    command.add_argument("--batch", type=int, default=16)
    command.add_argument("--steps", type=int, default=27, help="time steps of a word (default: 27, of width 104)")
    command.add_argument("--repeats", type=int, default=30)
    command.add_argument("--output", type=Path, required=True, help="JSON file to write")
    return command


def recurrent_half(fixed: Path) -> onnx.ModelProto:
    """From what the first LSTM reads, [T, N, features], to the output."""
    model = onnx.load(fixed)
    first = next(node for node in model.graph.node if node.op_type == "LSTM")
    return Extractor(onnx.shape_inference.infer_shapes(model)).extract_model([first.input[0]], [OUTPUT])


def by_openvino(model: onnx.ModelProto, precision: str) -> Call:
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    core = openvino.Core()
    request = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings).create_infer_request()
    return lambda features: request.infer({0: features})


def by_onnxruntime(model: onnx.ModelProto) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda features: session.run(None, {given.name: features})


def in_8_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights in 8 bits, and activations in 8 bits of a range that every call finds: of LSTMs and matrix products."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source.onnx", Path(folder) / "made.onnx"
        onnx.save(model, source)
        quantize_dynamic(source, made, op_types_to_quantize=["LSTM", "MatMul"], weight_type=QuantType.QInt8)
        return onnx.load(made)


def by_torch(weights: Path, kind: torch.dtype) -> Call:
    layers = load_network(weights).rnn.to(kind)

    def call(features: Array) -> object:
        with torch.inference_mode():
            return layers(torch.from_numpy(features).to(kind)).float().log_softmax(2)

    return call


def contestants(folder: Path) -> dict[str, Call]:
    half = recurrent_half(folder / "fixed.onnx")
    return {
        "openvino, bf16": by_openvino(half, "bf16"),
        "openvino, fp32": by_openvino(half, "f32"),
        "onnxruntime, fp32": by_onnxruntime(half),
        "onnxruntime, 8 bits": by_onnxruntime(in_8_bits(half)),
        "torch, fp32": by_torch(folder / "weights.safetensors", torch.float32),
        "torch, bf16": by_torch(folder / "weights.safetensors", torch.bfloat16),
    }


def main(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    calls = contestants(args.model)
    size = load_network(args.model / "weights.safetensors").size
    features = np.random.default_rng(0).uniform(0, 1, (args.steps, args.batch, size.channels[-1])).astype(np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(args.repeats):
        for name, call in calls.items():
            call(features)  # once for the caches, which the one before it filled with its own
            begun = time.perf_counter()
            call(features)
            seconds[name].append(time.perf_counter() - begun)
    found = {name: {"milliseconds": 1e3 * median(each), "least": 1e3 * min(each)} for name, each in seconds.items()}
    settings = {name: getattr(args, name) for name in ("batch", "steps", "repeats")}
    tools = tool_versions(("openvino", "onnxruntime", "torch"))
    write_json(
        args.output, {"command": sys.argv, "host": describe_host(), "tools": tools, **settings, "contestants": found}
    )


if __name__ == "__main__":
    run(main, arguments())
