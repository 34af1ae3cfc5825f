"""Huawei Ascend NPUs: ATC converts the ONNX file to an .om, ais_bench runs it.

Options, all of them optional:

- `shapes`: `range` (default), `gears` or `static`; `batches`, `widths`: the sizes to convert for, of a range the lowest
  and the highest. Without them the deployment's batch and width rule decide, or the plan of its widths.
- `soc_version`: the chip, such as Ascend310P3; without it the one of this machine.
- `set_env`: CANN's set_env.sh; `cann_version`: where the installation does not say it; `python`: the python3 for ATC.
- `precision_mode` or `precision_mode_v2`, `log`, `flags`: as ATC has them.
- `devices`: NPUs that a job may use, [0] by default; it takes those that are free, one for each call under way.

conversion.json, beside the model, says what it was converted for; the runtime goes by it.
"""

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.core.files import atomic_path, read_json, write_json
from crnn.runtimes.ascend import FILES, atc
from crnn.runtimes.ascend.chips import check_npu, checked_soc
from crnn.runtimes.ascend.multi_device import open_devices
from crnn.runtimes.ascend.session import infer_session, simulated
from crnn.runtimes.ascend.shapes import shapes_for
from crnn.runtimes.ascend.toolchain import Toolchain, find_toolchain
from crnn.runtimes.devices import checked_devices
from crnn.runtimes.runtime import Options, Session, check_options
from crnn.runtimes.shapes import Form, awaits_plan

PRIVATE = 0o600  # ais_bench refuses a model that others may write
BUILDING = ("soc_version", "set_env", "cann_version", "python", "precision_mode", "precision_mode_v2", "log", "flags")
SHAPING = ("shapes", "batches", "widths", "batch", "width_rule", "plan", "form")


def _conversion(toolchain: Toolchain, options: Options) -> atc.Conversion:
    soc = checked_soc(options["soc_version"]) if "soc_version" in options else toolchain.soc_version()
    precision, log, flags = atc.checked_precision(options), atc.checked_log(options), atc.checked_flags(options)
    shapes, form = shapes_for(options), Form.from_facts(options)
    return atc.Conversion(soc, toolchain.version, shapes, log, precision, flags, form)


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Convert `source` with ATC, in a temporary folder; model.om and conversion.json appear when both are whole."""
    _devices(options)
    toolchain = find_toolchain(options)
    conversion = _conversion(toolchain, options)
    model, facts = (directory / name for name in FILES)
    with tempfile.TemporaryDirectory(prefix="crnn-atc-") as name:
        scratch = Path(name)
        shutil.copyfile(source, scratch / atc.SOURCE)
        made = _converted(toolchain, conversion, scratch)
        with atomic_path(model, PRIVATE) as temporary:
            shutil.copyfile(made, temporary)
    write_json(facts, _facts(toolchain, conversion, made))
    return [model, facts]


def _converted(toolchain: Toolchain, conversion: atc.Conversion, scratch: Path) -> Path:
    arguments = conversion.command()
    LOG.info("CANN %s: %s %s", toolchain.version, toolchain.atc, " ".join(arguments))
    status, output = toolchain.run(arguments, scratch)
    for line in output.splitlines():
        LOG.info("atc: %s", line)
    if status != 0:
        raise UserError(f"ATC failed with status {status}, {atc.explained(output)}")
    return atc.product(scratch)


def _facts(toolchain: Toolchain, conversion: atc.Conversion, made: Path) -> dict[str, Any]:
    """What the runtime and a reader need to know of a conversion; equal conversions have equal facts."""
    return {
        "soc_version": conversion.soc_version,
        "cann": toolchain.version,
        "command": ["atc", *conversion.command()],
        "shapes": conversion.shapes.facts(),
        "form": asdict(conversion.form),
        "host": made.stem.removeprefix(atc.OUTPUT).lstrip("_") or "any",
    }


def load(model: Path, options: Options, threads: int, calls: int = 1) -> Session:
    return open_devices(model, read_json(model.with_name(FILES[1])), _devices(options), calls)


def _devices(options: Options) -> list[int]:
    check_options(options, *BUILDING, *SHAPING, "devices")
    return checked_devices(options)


def check(options: Options, building: bool) -> None:
    """Raise UserError where this machine cannot convert (`building`), or cannot run, before any work is done."""
    _devices(options)
    if building:
        toolchain = find_toolchain(options)
        if not awaits_plan(options):
            _conversion(toolchain, options)
        return
    infer_session()
    check_npu("ascend", simulated())
