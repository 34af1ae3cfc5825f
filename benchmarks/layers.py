#!/usr/bin/env python3
"""Where the time of a call goes: OpenVINO's own count per layer, of a batch of words of middling width on one core.

    python benchmarks/layers.py --build results/builds/crnn/openvino-int8-bf16 --precision int8-bf16 \
        --output benchmarks/results/layers.json
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import numpy as np
import openvino

from crnn.core.command import Command
from crnn.core.files import write_json
from crnn.core.record import describe_host
from crnn.data.widths import HEIGHT
from crnn.runtimes.openvino import PRECISIONS
from crnn.runtimes.openvino.cpu import precision_hint
from stage import run


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--build", type=Path, required=True, help="folder that build_model wrote for OpenVINO")
    command.add_argument("--precision", choices=PRECISIONS, required=True)
    command.add_argument("--batch", type=int, default=16)
    command.add_argument("--width", type=int, default=104)
    command.add_argument("--repeats", type=int, default=20)
    command.add_argument("--output", type=Path, required=True, help="JSON file to write")
    return command


def layer_seconds(args: argparse.Namespace) -> dict[tuple[str, str, str], float]:
    """(layer, kind, kernel) → mean seconds per call."""
    settings = {
        "INFERENCE_PRECISION_HINT": precision_hint(args.precision),
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
    }
    model = openvino.Core().read_model(args.build / "model.xml")
    request = openvino.Core().compile_model(model, "CPU", {**settings, "PERF_COUNT": True}).create_infer_request()
    shape = (args.batch, 1, HEIGHT, args.width)
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    request.infer({0: images})
    found: dict[tuple[str, str, str], float] = defaultdict(float)
    for _ in range(args.repeats):
        request.infer({0: images})
        for layer in request.profiling_info:
            name = layer.node_name.split("/WithoutBiases")[0]
            found[name, layer.node_type, layer.exec_type] += layer.real_time.total_seconds() / args.repeats
    return found


def main(args: argparse.Namespace) -> None:
    found = layer_seconds(args)
    layers = [
        {"layer": name, "kind": kind, "kernel": kernel, "seconds": seconds}
        for (name, kind, kernel), seconds in sorted(found.items(), key=lambda entry: -entry[1])
    ]
    settings = {name: getattr(args, name) for name in ("precision", "batch", "width", "repeats")}
    write_json(args.output, {"command": sys.argv, "host": describe_host(), **settings, "layers": layers})


if __name__ == "__main__":
    run(main, arguments())
