"""The check over the doubles of tests/contract, with a fault planted for each step: the table names the step."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.toolkit import PACKAGES, PACKAGES_NVIDIA, Toolkit, import_path, install
from crnn.report.check import ABSENT
from workspace import ROOT, Workspace, small_config

pytestmark = [pytest.mark.dag, pytest.mark.slow]

CHECK = yaml.safe_load((ROOT / "config/check.yaml").read_text()) | {"check": {"words": 12, "seed": 3}}


def deployments(toolkit: Toolkit) -> dict[str, Any]:
    """A row on each device that works, and two on an NPU that do not."""
    ascend = {"runtime": "ascend", "widths": "w100", "batch": 4}
    chip = {"set_env": str(toolkit.set_env), "soc_version": "Ascend310P3", "shapes": "static"}
    return {
        **{"torch": None, "ort-w100": None, "ort-recipe": None},
        "trt": {"runtime": "tensorrt", "widths": "w100", "batch": 16},
        "om": {**ascend, "options": chip},
        "om-chip": {**ascend, "options": {**chip, "soc_version": "Ascend310X9"}},
        "om-refused": {**ascend, "options": {**chip, "flags": ["--unknown=1"]}},
    }


def check(space: Workspace, **gpu: str) -> subprocess.CompletedProcess[str]:
    environment = {f"GPU_DOUBLE_{name}": value for name, value in gpu.items()}
    places = {"XDG_CACHE_HOME": str(space.path / "cache"), "TMPDIR": str(space.path)}
    return space.run("--keep-going", "check", **import_path(PACKAGES, PACKAGES_NVIDIA), **places, **environment)


def table(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    """Row → column → cell, of the table that a check ends with."""
    lines = [line.strip("| ") for line in result.stdout.splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.split("|")] for line in lines)
    return {cells[0]: dict(zip(head, cells, strict=True)) for cells in rows}


def failed(result: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {name: cells["failed step"] for name, cells in table(result).items() if cells["failed step"] != ABSENT}


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory, varied_checkpoint: Path
) -> tuple[Workspace, subprocess.CompletedProcess[str]]:
    """A check on a machine whose GPU mixes up words in threes, of a config that names a chip and a flag of no ATC."""
    folder = tmp_path_factory.mktemp("check")
    toolkit = install(folder / "cann")
    config = {**small_config(varied_checkpoint), **CHECK, "deployments": deployments(toolkit)}
    space = Workspace(folder, config)
    return space, check(space, SWAPS_AT="3")


def test_every_row_is_tried_and_the_table_names_the_step_that_failed(
    first: tuple[Workspace, subprocess.CompletedProcess[str]],
) -> None:
    _, result = first
    assert result.returncode != 0
    assert failed(result) == {"trt": "check_batching", "om-chip": "build_ascend", "om-refused": "build_ascend"}, (
        result.stdout + result.stderr
    )
    om = table(result)["om"]
    assert (om["read"], om["changed against ONNX Runtime"], om["batching"]) == (
        "12 words, simulated",
        "0 of 12",
        "0 of 12",
    )
    assert float(om["ms a word"].replace(",", "")) > 0


def test_what_is_attached_says_why_and_names_no_place(
    first: tuple[Workspace, subprocess.CompletedProcess[str]],
) -> None:
    space, _ = first
    said = (space.path / "results/check.md").read_text()
    assert "Ascend310X9" in said
    assert "--unknown=1" in said
    assert "changed_by_batching is" in said
    assert "onnxruntime: " in said
    for place in (space.path, ROOT, Path.home()):
        assert f"{place}/" not in said


def test_a_fault_that_came_later_is_named_and_what_was_mended_is_not(
    first: tuple[Workspace, subprocess.CompletedProcess[str]],
) -> None:
    space, _ = first
    for name in ("om-chip", "om-refused"):
        del space.config["deployments"][name]
    builds, read = space.path / "results/builds/crnn/trt", space.path / "results/predictions/check/crnn/w100/trt"

    shutil.rmtree(read)
    other = check(space, CAPABILITY="8.0", NAME="Another GPU")
    assert failed(other) == {"trt": "predict"}, other.stdout + other.stderr
    assert "the engine was built for Simulated GPU" in (space.path / "results/check.md").read_text()

    shutil.rmtree(builds)
    without = check(space, COUNT="no driver")
    assert failed(without) == {"trt": "build_tensorrt"}, without.stdout + without.stderr
    assert "driver cannot be used" in (space.path / "results/check.md").read_text()
    assert table(without)["trt"]["read"] == ABSENT  # what an earlier build read is no reading of this one

    well = check(space)
    assert (well.returncode, failed(well)) == (0, {}), well.stdout + well.stderr
    again = check(space)
    assert table(again) == table(well)


def test_a_check_without_its_words_is_refused(workspace: Workspace) -> None:
    result = workspace.run("check")
    assert result.returncode != 0
    assert "lay config/check.yaml over yours" in result.stdout + result.stderr
