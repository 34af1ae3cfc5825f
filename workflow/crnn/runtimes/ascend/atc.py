"""ATC's command line as a pure function of a conversion, what its error codes mean, and which file it left."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crnn.core.errors import UserError
from crnn.model.contract import INPUT
from crnn.runtimes.ascend.chips import takes_ranges
from crnn.runtimes.ascend.shapes import Shapes
from crnn.runtimes.shapes import Form

ONNX = "5"  # ATC's --framework
# Names without a folder: ATC runs in the folder that holds both, so no path of the user's reaches it. It restricts
# what a path may contain, and it takes the first ".om" anywhere in one for the place of its suffix.
SOURCE, OUTPUT = "model.onnx", "model"
FIRST_WITH_RANGES_IN_INPUT_SHAPE = (6, 3)
LOG_LEVELS = ("debug", "info", "warning", "error", "null")
PRECISIONS = {
    "precision_mode": (
        *("force_fp16", "force_fp32", "cube_fp16in_fp32out", "allow_fp32_to_fp16", "must_keep_origin_dtype"),
        *("allow_mix_precision", "allow_mix_precision_fp16", "allow_mix_precision_bf16", "allow_fp32_to_bf16"),
    ),
    "precision_mode_v2": (
        *("fp16", "origin", "cube_fp16in_fp32out", "mixed_float16", "mixed_bfloat16", "mixed_hif8", "cube_hif8"),
    ),
}
# ATC's error codes (CANN documentation, "Error Codes") and what to do about them here.
REMEDIES = {
    "E10001": "it does not accept the value of an argument; is soc_version right and the ops package of that chip "
    "installed (CANN 8.5 and later have one per chip)? Else look at options.flags",
    "E10002": "it does not accept the form of input_shape; set options.cann_version if it was read wrongly",
    "E10009": "it was given shape options that exclude each other; take them out of options.flags",
    "E10040": "it was given a shape range together with gears; take the one out of options.flags",
    "E10501": "it does not find an operator; source the set_env.sh of one CANN only, whose ASCEND_OPP_PATH names its "
    "operators",
    "E16002": "it cannot parse an operator of the model; use models.<name>.opset 11 or 13 and source: fixed",
    "E16005": "the model imports more than one operator domain; build from fixed.onnx, in which there is one",
    "E19999": "an inner error; its log is in ~/ascend/log (options.log: debug says more)",
}


@dataclass(frozen=True)
class Conversion:
    """What decides ATC's command line."""

    soc_version: str
    cann: str
    shapes: Shapes
    log: str = "error"
    precision: tuple[str, str] | None = None
    flags: tuple[str, ...] = ()
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        if self.shapes.mode == "range" and not takes_ranges(self.soc_version):
            raise UserError(
                f"options.shapes is 'range', but {self.soc_version} takes no shape ranges; use gears or static"
            )

    def command(self) -> list[str]:
        """The arguments of `atc`, without itself."""
        return [
            f"--framework={ONNX}",
            f"--model={SOURCE}",
            f"--output={OUTPUT}",
            f"--soc_version={self.soc_version}",
            "--input_format=ND",
            *self._shape_arguments(),
            f"--log={self.log}",
            *([f"--{self.precision[0]}={self.precision[1]}"] if self.precision else []),
            *self.flags,
        ]

    def _shape_arguments(self) -> list[str]:
        """Of a range lowest~highest; else -1 for a size that varies, and gears of those, in the order of the -1s."""
        shapes, sizes = self.shapes, (self.shapes.batches, self.shapes.widths)
        if shapes.mode == "range":
            batch, width = ("~".join(map(str, dict.fromkeys(each))) for each in sizes)
        else:
            batch, width = (str(each[0]) if len(each) == 1 else "-1" for each in sizes)
        images = f"{batch},{self.form.channels},{self.form.height},{width}"
        if shapes.mode == "range" and cann_release(self.cann) < FIRST_WITH_RANGES_IN_INPUT_SHAPE:
            return [f"--input_shape_range={INPUT}:[{images}]"]
        arguments = [f"--input_shape={INPUT}:{images}"]
        if shapes.of_batch_alone:
            arguments.append("--dynamic_batch_size=" + ",".join(map(str, shapes.batches)))
        elif shapes.mode == "gears":
            varying = [place for place, each in enumerate(sizes) if len(each) > 1]
            gears = [",".join(str(gear[place]) for place in varying) for gear in shapes.gears()]
            arguments.append("--dynamic_dims=" + ";".join(gears))
        return arguments


def cann_release(version: str) -> tuple[int, int]:
    """(major, minor) of a CANN version such as 6.0.RC1 or 8.5.0. Raises UserError where it has no such beginning."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise UserError(f"CANN version {version!r}: expected something like 8.0.RC1; name it in options.cann_version")
    return int(found[1]), int(found[2])


def checked_precision(options: dict[str, Any]) -> tuple[str, str] | None:
    """The one of ATC's two precision options that is given, with its value; None for ATC's default, float16."""
    given = [key for key in PRECISIONS if key in options]
    if len(given) > 1:
        raise UserError("options: precision_mode and precision_mode_v2 exclude each other; keep one")
    if not given:
        return None
    (key,) = given
    if options[key] not in PRECISIONS[key]:
        raise UserError(f"options.{key} is {options[key]!r}; expected one of {', '.join(PRECISIONS[key])}")
    return key, options[key]


def checked_log(options: dict[str, Any]) -> str:
    level = options.get("log", "error")
    if level not in LOG_LEVELS:
        raise UserError(f'options.log is {level!r}; expected one of {", ".join(LOG_LEVELS)} (quote "null")')
    return str(level)


def checked_flags(options: dict[str, Any]) -> tuple[str, ...]:
    """Further arguments of ATC. Raises UserError on what is none, and on those that this module sets itself."""
    flags = options.get("flags", [])
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise UserError(f"options.flags is {flags!r}; expected a list of texts, each --name=value")
    own = {"framework", "model", "output", "soc_version", "input_format", "input_shape", "input_shape_range", "log"}
    own |= {"dynamic_dims", "dynamic_batch_size", "dynamic_image_size", "mode", *PRECISIONS}
    for flag in flags:
        form = re.fullmatch(r"--([a-z0-9_]+)=\S.*", flag)
        if form is None:
            raise UserError(f"options.flags: {flag!r} is no argument of ATC; expected --name=value")
        if form[1] in own:
            raise UserError(f"options.flags: --{form[1]} is set from the other options; take it out")
    return tuple(flags)


def explained(output: str) -> str:
    """What a failed ATC says, as a sentence with the remedy where the code is a known one."""
    code = re.search(r"\bE[0-9A-Z]\d{4}\b", output)
    if code is None:
        lines = [line for line in output.splitlines() if line.strip()]
        return f"without an error code; its last line: {lines[-1].strip() if lines else 'none'}"
    line = next(line.strip() for line in output.splitlines() if code[0] in line)
    return f"{code[0]}: {REMEDIES.get(code[0], 'see its output in the log')}. It says: {line}"


def product(directory: Path) -> Path:
    """The file that ATC left in its folder: model.om, or of a range model model_linux_x86_64.om and the like.

    Raises UserError where there is none, or more than one.
    """
    found = sorted([*directory.glob(f"{OUTPUT}.om"), *directory.glob(f"{OUTPUT}_linux_*.om")])
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "no .om file"
        raise UserError(f"ATC reported success and left {names}; expected one .om file. Its output is in the log")
    return found[0]
