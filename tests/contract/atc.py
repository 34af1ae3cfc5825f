"""A double of CANN's `atc`: checks its arguments as the real one does, and wraps the ONNX file in an .om.

Contract: ATC's command-line reference, error codes and option checks (hicann/ge, option_utils.cc, 8.5 to 9.1). It
leaves the same droppings in the working directory. What it wraps is run by the double of aclruntime.
"""

import json
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

MAGIC = b"contract double of an .om\n"
OPTIONS = {
    *("framework", "model", "output", "soc_version", "input_format", "input_shape", "input_shape_range", "log"),
    *("dynamic_batch_size", "dynamic_image_size", "dynamic_dims", "precision_mode", "precision_mode_v2"),
    *("op_select_implmode", "optypelist_for_implmode", "insert_op_conf", "host_env_os", "host_env_cpu", "mode"),
    *("input_fp16_nodes", "output_type", "fusion_switch_file", "op_debug_level", "auto_tune_mode", "deterministic"),
}
CHIPS = {
    *("Ascend310", "Ascend310B1", "Ascend310B4", "Ascend310P1", "Ascend310P3", "Ascend910A", "Ascend910B"),
    *("Ascend910B1", "Ascend910B2", "Ascend910B3", "Ascend910B4", "Ascend910_9392", "Ascend950PR_9579"),
}
WITHOUT_RANGES = re.compile(r"Ascend310(B\d)?")
GEARS = ("dynamic_batch_size", "dynamic_image_size", "dynamic_dims")
PARSED = {
    *("Conv", "Relu", "MaxPool", "BatchNormalization", "LSTM", "Concat", "MatMul", "Add", "Gemm", "Squeeze", "Slice"),
    *("Transpose", "LogSoftmax", "Unsqueeze", "Reshape", "Shape", "Gather", "Constant", "ConstantOfShape", "Identity"),
    *("Cast", "Expand", "Mul", "Sub", "Div", "Softmax", "Flatten", "Clip", "Pad", "ReduceMean"),
}


class RefusalError(Exception):
    """An error code of ATC with its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")


@dataclass(frozen=True)
class Accepted:
    """Input shape as text per dimension, and the gears, each a value per -1."""

    shape: list[str]
    gears: list[list[int]]
    ranged: bool


def parsed(arguments: list[str]) -> dict[str, str]:
    options = {}
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or name not in OPTIONS:
            raise RefusalError(
                "E10001", f"Value [{argument}] for parameter is invalid. Reason: unknown command line flag"
            )
        options[name] = value
    for name in ("framework", "model", "output", "soc_version"):
        if name not in options:
            raise RefusalError("E10001", f"Value [] for parameter [--{name}] is invalid. Reason: it must not be empty")
    if options["framework"] != "5":
        raise RefusalError("E10001", f"Value [{options['framework']}] for parameter [--framework] is invalid")
    if options["soc_version"] not in CHIPS:
        raise RefusalError("E10001", f"Value [{options['soc_version']}] for parameter [--soc_version] is invalid")
    if {"precision_mode", "precision_mode_v2"} <= options.keys():
        raise RefusalError("E10001", "precision_mode and precision_mode_v2 cannot be set at the same time")
    return options


def accepted(options: dict[str, str]) -> Accepted:
    gears = [name for name in GEARS if name in options]
    if len(gears) > 1 or (gears and "input_shape_range" in options):
        raise RefusalError(
            "E10009", "--dynamic_batch_size, --dynamic_image_size, --dynamic_dims and --input_shape_range"
        )
    if "input_shape_range" in options:
        print("[WARNING] --input_shape_range is deprecated; use --input_shape")
        named = re.fullmatch(r"(?:[\w/.-]+:)?\[([\d,~\- ]+)\]", options["input_shape_range"])
        text, name = options["input_shape_range"], "input_shape_range"
    else:
        named = re.fullmatch(r"(?:[\w/.-]+:)?([\d,~\- ]+)", options.get("input_shape", ""))
        text, name = options.get("input_shape", ""), "input_shape"
    if named is None:
        raise RefusalError("E10002", f"Value [{text}] for parameter [--{name}] is invalid. Reason: format")
    shape = [part.strip() for part in named[1].split(",")]
    ranged = any("~" in part for part in shape)
    if not all(re.fullmatch(r"\d+(~(\d+|-1))?|-1", part) for part in shape) or len(shape) != 4:
        raise RefusalError("E10002", f"Value [{text}] for parameter [--{name}] is invalid. Reason: dimension")
    free = shape.count("-1")
    if gears and (ranged or not free):
        raise RefusalError("E10040", f"Value [{text}] of --{name} must have -1 when --{gears[0]} is set")
    return Accepted(shape, _gears(options, gears, ",".join(shape)), ranged or bool(free and not gears))


def _gears(options: dict[str, str], names: list[str], shape: str) -> list[list[int]]:
    if not names:
        return []
    free = shape.split(",").count("-1")
    (name,) = names
    if name == "dynamic_dims" and options.get("input_format") != "ND":
        raise RefusalError("E10001", "--dynamic_dims needs --input_format=ND")
    listed = options[name].replace(",", ";") if name == "dynamic_batch_size" else options[name]
    if name == "dynamic_batch_size" and not shape.startswith("-1,"):
        raise RefusalError("E10001", f"--input_shape [{shape}]: with --dynamic_batch_size its first value must be -1")
    gears = [[int(value) for value in gear.split(",")] for gear in listed.split(";")]
    if not 2 <= len(gears) <= 100 or any(len(gear) != free for gear in gears):
        raise RefusalError(
            "E10001", f"Value [{options[name]}] for parameter [--{name}] is invalid. Reason: 2 to 100 gears"
        )
    return gears


def check_model(path: Path) -> None:
    model = onnx.load(path)
    domains = len(model.opset_import)
    if domains != 1:
        raise RefusalError("E16005", f"The model has {domains} --domain_version fields, but only one is allowed")
    if not 8 <= model.opset_import[0].version <= 18:
        raise RefusalError("E19999", f"Inner Error! opset {model.opset_import[0].version}")
    for node in model.graph.node:
        if node.op_type not in PARSED:
            raise RefusalError("E16002", f"No parser is registered for Op [{node.name}, optype [{node.op_type}]]")


def convert(arguments: list[str]) -> None:
    options = parsed(arguments)
    taken = accepted(options)
    if taken.ranged and WITHOUT_RANGES.fullmatch(options["soc_version"]):
        raise RefusalError("E19999", f"Inner Error! {options['soc_version']} does not support dynamic shape")
    source = Path(options["model"])
    if not source.is_file():
        raise RefusalError("E10001", f"Value [{source}] for parameter [--model] is invalid. Reason: no such file")
    check_model(source)
    Path("kernel_meta").mkdir(exist_ok=True)
    Path("fusion_result.json").write_text("{}")
    gear = next((name for name in GEARS if name in options), None)
    facts: dict[str, Any] = {"soc_version": options["soc_version"], "shape": taken.shape}
    facts |= {"gear_option": gear, "gears": taken.gears}
    target = Path(options["output"] + (f"_linux_{platform.machine()}" if taken.ranged else "") + ".om")
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(MAGIC + json.dumps({**facts, "ranged": taken.ranged}).encode() + b"\n" + source.read_bytes())


def main() -> int:
    print("ATC start working now, please wait for a moment.")
    try:
        convert(sys.argv[1:])
    except RefusalError as refused:
        print(f"ATC run failed, Please check the detail log, Try 'atc --help' for more information\n{refused}")
        return 255
    print("ATC run success, welcome to the next use.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
