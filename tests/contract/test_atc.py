"""The double of ATC accepts what the real one accepts and refuses the rest with its codes: the contract in tests."""

import subprocess
from pathlib import Path

import onnx
import pytest

from contract.toolkit import Toolkit
from networks import EXPORTS

pytestmark = EXPORTS

RIGHT = {"framework": "5", "output": "out/model", "soc_version": "Ascend310P3", "input_format": "ND"}


def atc(toolkit: Toolkit, fixed: Path, folder: Path, **options: str) -> subprocess.CompletedProcess[str]:
    arguments = [f"--{name}={value}" for name, value in ({"model": str(fixed)} | RIGHT | options).items()]
    command = [str(toolkit.home / "bin/atc"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


ACCEPTED = {
    "a range": ({"input_shape": "imgs:1~16,1,32,32~320"}, True),
    "a range without a name": ({"input_shape": "1~16,1,32,32~320"}, True),
    "an old range": ({"input_shape_range": "imgs:[1~16,1,32,32~320]"}, True),
    "any size": ({"input_shape": "imgs:-1,1,32,-1"}, True),
    "gears of two": ({"input_shape": "imgs:-1,1,32,-1", "dynamic_dims": "1,100;16,100"}, False),
    "gears of the batch": ({"input_shape": "imgs:-1,1,32,100", "dynamic_batch_size": "1,16"}, False),
    "one shape": ({"input_shape": "imgs:1,1,32,100"}, False),
}


@pytest.mark.parametrize(("options", "suffixed"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(options: dict[str, str], suffixed: bool, toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    done = atc(toolkit, fixed, tmp_path, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "ATC start working now, please wait for a moment."
    (made,) = (tmp_path / "out").iterdir()
    assert made.name.startswith("model_linux_" if suffixed else "model.om")


REFUSED = {
    "the recipe's brackets": ({"input_shape": "imgs:[1~16,1,32,32~320]"}, "E10002"),
    "an old range without brackets": ({"input_shape_range": "imgs:1~16,1,32,32~320"}, "E10002"),
    "no shape": ({}, "E10002"),
    "a range with gears": ({"input_shape": "imgs:1~16,1,32,100", "dynamic_batch_size": "1,16"}, "E10040"),
    "gears without -1": ({"input_shape": "imgs:1,1,32,100", "dynamic_batch_size": "1,16"}, "E10040"),
    "two kinds of gears": (
        {"input_shape": "imgs:-1,1,32,-1", "dynamic_batch_size": "1,16", "dynamic_dims": "1,2;3,4"},
        "E10009",
    ),
    "one gear": ({"input_shape": "imgs:-1,1,32,100", "dynamic_dims": "16"}, "E10001"),
    "a gear of one value for two": ({"input_shape": "imgs:-1,1,32,-1", "dynamic_dims": "1;16"}, "E10001"),
    "gears that are not ND": (
        {"input_shape": "imgs:-1,1,32,-1", "dynamic_dims": "1,100;16,100", "input_format": "NCHW"},
        "E10001",
    ),
    "an unknown chip": ({"input_shape": "imgs:1,1,32,100", "soc_version": "Ascend310P9"}, "E10001"),
    "an unknown option": ({"input_shape": "imgs:1,1,32,100", "input_shapes": "1"}, "E10001"),
    "both precisions": (
        {"input_shape": "imgs:1,1,32,100", "precision_mode": "force_fp16", "precision_mode_v2": "fp16"},
        "E10001",
    ),
    "a range on a 310B": ({"input_shape": "imgs:1~16,1,32,100", "soc_version": "Ascend310B1"}, "E19999"),
}


@pytest.mark.parametrize(("options", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(options: dict[str, str], code: str, toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    done = atc(toolkit, fixed, tmp_path, **options)
    assert done.returncode == 255
    assert f"\n{code}: " in done.stdout
    assert not (tmp_path / "out").exists()


def test_an_operator_without_a_parser_is_refused(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    model = onnx.load(fixed)
    model.graph.node[0].op_type = "Einsum"
    onnx.save(model, tmp_path / "odd.onnx")
    done = atc(toolkit, tmp_path / "odd.onnx", tmp_path, input_shape="imgs:1,1,32,100")
    assert "\nE16002: " in done.stdout
