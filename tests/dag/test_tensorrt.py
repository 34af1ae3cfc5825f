"""The TensorRT lane from words to report, over the doubles of tests/contract: what it makes, refuses and survives."""

import json
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.toolkit import PACKAGES_NVIDIA, import_path
from crnn.core.files import sha256
from device_rows import (
    check_copied_results_are_reported,
    check_only_doubles_are_marked,
    check_texts_are_onnxruntimes,
    check_transfers_are_steps,
    model_stem,
)
from workspace import ROOT, Workspace, small_config

pytestmark = pytest.mark.dag

OVERLAY = yaml.safe_load((ROOT / "config/nvidia.yaml").read_text())["deployments"]
ROWS = [name for name, entry in OVERLAY.items() if entry is not None]
ONE_OF_A_KIND = ("trt-fp32-16", "trt-fp16-recipe-1", "trt-int8-16")
RUN = "results/runs/sample/crnn/trt-fp32-16"
READ = "results/predictions/sample/crnn/aspect/trt-fp32-16"
# Weights that were never trained read otherwise at a touch, so nothing is asked of the words of another number format.
NO_BUDGET = {"accuracy_drop": 1, "flipped": 1}


def nvidia_config(checkpoint: Path, *names: str) -> dict[str, Any]:
    """The small run with the named deployments of the shipped overlay."""
    others = {"torch": None, "ort-w100": None, "ort-recipe": None}
    config = small_config(checkpoint) | {"budgets": NO_BUDGET, "calibration": {"words": 6, **NO_BUDGET}}
    return config | {"deployments": others | {name: deepcopy(OVERLAY[name]) for name in names}}


def gpu(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a machine with a simulated GPU."""
    return {**import_path(PACKAGES_NVIDIA), "XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder), **settings}


def reported(folder: Path, config: dict[str, Any]) -> Workspace:
    """A working directory in which the report has been made."""
    folder.mkdir(exist_ok=True)
    space = Workspace(folder, config)
    result = space.run("report", **gpu(folder))
    assert result.returncode == 0, result.stdout + result.stderr
    return space


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, varied_checkpoint: Path) -> Workspace:
    """The report of a row in each number format."""
    return reported(tmp_path_factory.mktemp("nvidia"), nvidia_config(varied_checkpoint, *ONE_OF_A_KIND))


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory, varied_checkpoint: Path) -> Workspace:
    """The report of the shipped overlay, all its rows."""
    return reported(tmp_path_factory.mktemp("every"), nvidia_config(varied_checkpoint, *ROWS))


def conversion(space: Workspace, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((space.path / f"results/builds/crnn/{name}/conversion.json").read_text())
    return facts


# --- what it makes -----------------------------------------------------------------------------------------


def test_every_row_of_a_double_is_marked(made: Workspace) -> None:
    check_only_doubles_are_marked(made, set(ONE_OF_A_KIND))


def test_every_deployment_reads_what_onnxruntime_reads_of_the_same_file(made: Workspace) -> None:
    check_texts_are_onnxruntimes(made)


@pytest.mark.slow
def test_every_row_of_the_overlay_is_there_and_so(every: Workspace) -> None:
    rows = {row["deployment"]: row for row in every.report()["rows"]}
    assert rows.keys() == {"ort", *ROWS}
    kinds = {
        (rows[name]["precision"], rows[name]["widths"], conversion(every, name)["profiles"][0]["batch"])
        for name in ROWS
    }
    assert kinds == set(product(("fp32", "fp16", "int8"), ("aspect", "recipe"), (1, 16)))
    assert {rows[name]["device"] for name in ROWS} == {"Simulated GPU"}
    check_only_doubles_are_marked(every, set(ROWS))
    check_texts_are_onnxruntimes(every)
    check_transfers_are_steps(every)
    check_sources(every)


@pytest.mark.parametrize(("precision", "steps"), [("fp32", []), ("fp16", ["fp16"]), ("int8", ["int8"])])
def test_the_audit_has_a_step_for_the_number_format(precision: str, steps: list[str], made: Workspace) -> None:
    for row in made.report()["rows"]:
        if row["precision"] == precision:
            edges = row["audit"]["path"]
            path = [edges[0]["from"], *(edge["to"] for edge in edges)]
            assert path == ["torch", "raw", "fixed", *steps, "build"], row["deployment"]


def check_sources(space: Workspace) -> None:
    """Each row of a number format was built of that format's file, which the rows of both batch sizes share."""
    for row in space.report()["rows"]:
        if row["simulated"]:
            source = space.path / f"results/models/crnn/{model_stem(row)}.onnx"
            assert conversion(space, row["deployment"])["onnx_sha256"] == sha256(source), row["deployment"]


def test_a_build_is_made_of_the_file_in_its_number_format(made: Workspace) -> None:
    check_sources(made)


def test_transfers_are_steps_of_their_own(made: Workspace) -> None:
    check_transfers_are_steps(made)


def test_the_build_says_how_it_was_made(made: Workspace) -> None:
    folder = made.path / "results/builds/crnn/trt-fp32-16"
    said = json.loads((folder / "build.json").read_text())["results"]["conversion"]
    assert (said["tensorrt"], said["gpu"]["name"]) == ("10.16.1.11", "Simulated GPU")
    assert said["profiles"] == [{"batch": 16, "low": 40, "typical": 104, "high": 400}]
    assert "--maxShapes=imgs:16x1x32x400" in said["trtexec"]


def test_kernel_times_are_outside_of_the_results(made: Workspace) -> None:
    assert [path.name for path in (made.path / "cache").rglob("*.timing")]
    assert list((made.path / "results").rglob("*.timing")) == []


def test_nothing_is_left_to_do(made: Workspace) -> None:
    assert made.planned(**gpu(made.path)) == {}


def test_another_batch_builds_anew_and_makes_no_other_build(made: Workspace) -> None:
    before = deepcopy(made.config)
    made.config["deployments"]["trt-fp32-16"]["batch"] = 8
    planned = made.planned(**gpu(made.path))
    made.config = before
    assert planned["build_tensorrt"] == 1
    assert "build_onnxruntime" not in planned


def test_results_that_were_copied_from_the_gpu_are_reported_without_it(made: Workspace) -> None:
    """No GPU, no TensorRT and another title: only the page is made."""
    check_copied_results_are_reported(made, "Simulated GPU")


# --- what it refuses, and survives -------------------------------------------------------------------------


def test_without_tensorrt_nothing_is_begun(workspace: Workspace, varied_checkpoint: Path) -> None:
    workspace.config = nvidia_config(varied_checkpoint, "trt-fp32-1", "trt-fp32-16")
    result = workspace.run("report")
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "Traceback" not in said
    assert (
        said.count("runtime tensorrt: the Python package 'tensorrt' (or 'tensorrt_bindings') is not installed here")
        == 1
    )
    assert "deployments trt-fp32-1, trt-fp32-16: runtime" in said
    assert not (workspace.path / "results").exists()


def test_without_a_gpu_nothing_is_begun(workspace: Workspace, varied_checkpoint: Path) -> None:
    workspace.config = nvidia_config(varied_checkpoint, "trt-fp32-1")
    result = workspace.run("report", **gpu(workspace.path, GPU_DOUBLE_COUNT="0"))
    assert result.returncode != 0
    assert "deployments trt-fp32-1: runtime tensorrt: no NVIDIA GPU here; run on the machine that has it" in (
        result.stdout + result.stderr
    )
    assert not (workspace.path / "results").exists()


@pytest.mark.slow
def test_a_gpu_that_fails_leaves_nothing_half_written_and_the_rerun_completes(
    workspace: Workspace, varied_checkpoint: Path
) -> None:
    workspace.config = nvidia_config(varied_checkpoint, "trt-fp32-16")
    results = [workspace.path / RUN, workspace.path / READ]
    target = f"{RUN}/batching.json"

    result = workspace.run(target, **gpu(workspace.path, GPU_DOUBLE_FAILS_AFTER="3"))
    assert result.returncode != 0
    assert "TensorRT cannot run the engine (Error Code 1: Cuda Runtime" in result.stdout + result.stderr
    assert [path for folder in results for path in folder.rglob("*") if path.name != ".snakemake_timestamp"] == []

    result = workspace.run(target, **gpu(workspace.path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert {path.name for folder in results for path in folder.iterdir()} >= {"1.parquet", "batching.json"}
