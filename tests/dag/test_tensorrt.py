"""The TensorRT lane from words to report, over the doubles of tests/contract: what it makes, refuses and survives."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from contract.toolkit import PACKAGES_NVIDIA, import_path
from crnn.checkpoint import write_weights
from networks import SMALL, small_network
from workspace import ROOT, Workspace, small_config

pytestmark = [pytest.mark.dag, pytest.mark.xdist_group("dag")]

OVERLAY = yaml.safe_load((ROOT / "config/nvidia.yaml").read_text())["deployments"]
ROWS = [name for name, entry in OVERLAY.items() if entry is not None]
MADE = ["trt-fp32-16", "trt-fp32-recipe-1"]  # the others differ by a number: left out to save time
RUN = "results/runs/sample/crnn"


def nvidia_config(checkpoint: Path, *names: str) -> dict[str, Any]:
    """The small run with the named deployments of the shipped overlay."""
    others = {"torch": None, "ort-w100": None, "ort-recipe": None}
    return small_config(checkpoint) | {"deployments": others | {name: deepcopy(OVERLAY[name]) for name in names}}


def gpu(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a machine with a simulated GPU."""
    return {**import_path(PACKAGES_NVIDIA), "XDG_CACHE_HOME": str(folder / "cache"), **settings}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network as if trained, which reads different words differently."""
    path = tmp_path_factory.mktemp("varied") / "varied.safetensors"
    write_weights(small_network().state_dict(), SMALL, path)
    return path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Workspace:
    """A working directory in which the report of rows of the shipped overlay has been made."""
    folder = tmp_path_factory.mktemp("nvidia")
    space = Workspace(folder, nvidia_config(checkpoint, *MADE))
    result = space.run("report", **gpu(folder))
    assert result.returncode == 0, result.stdout + result.stderr
    return space


def readings(space: Workspace, file: str) -> pl.DataFrame:
    return pl.read_parquet(space.path / "results" / file)


# --- what it makes -----------------------------------------------------------------------------------------


def test_every_row_of_a_double_is_marked(made: Workspace) -> None:
    rows = {row["deployment"]: row for row in made.report()["rows"]}
    assert rows.keys() == {"ort", *MADE}
    assert {name for name, row in rows.items() if row["simulated"]} == set(MADE)
    assert {rows[name]["device"] for name in MADE} == {"Simulated GPU"}
    assert "simulated" in (made.path / "results/report/index.html").read_text()


def test_every_deployment_reads_what_onnxruntime_reads(made: Workspace) -> None:
    """At its own batch size, at those of the batching check, and when it is timed."""
    for row in made.report()["rows"]:
        reference = readings(made, f"references/sample/crnn/{row['widths']}/fixed.parquet")
        own = readings(made, f"runs/sample/crnn/{row['deployment']}/predictions.parquet")
        assert own["text"].to_list() == reference["text"].to_list()
        assert own["confidence"].to_list() == pytest.approx(reference["confidence"].to_list(), rel=1e-4)
        assert reference["confidence"].n_unique() > 6  # the words are read differently from each other
        assert row["batching"]["changed"] == row["audit"]["flipped"] == 0
        assert row["repeat_texts"] == {"e2e_changed": 0, "infer_only_changed": 0}


def test_transfers_are_steps_of_their_own(made: Workspace) -> None:
    for row in made.report()["rows"]:
        steps = row["e2e"]["breakdown"]
        assert (steps["transfer_in"] > steps["transfer_out"] > 0) is row["simulated"]
        assert steps["execute"] > 0


def test_the_build_says_how_it_was_made(made: Workspace) -> None:
    folder = made.path / "results/builds/crnn/trt-fp32-16"
    said = json.loads((folder / "build.json").read_text())["results"]["conversion"]
    assert (said["tensorrt"], said["gpu"]["name"]) == ("10.16.1.11", "Simulated GPU")
    assert said["profiles"] == [{"batch": 16, "low": 40, "typical": 104, "high": 400}]
    assert "--maxShapes=imgs:16x1x32x400" in said["trtexec"]


def test_kernel_times_are_outside_of_the_results(made: Workspace) -> None:
    assert [path.name for path in (made.path / "cache").rglob("*.timing")]
    assert list((made.path / "results").rglob("*.timing")) == []


def test_a_plan_of_the_shipped_overlay_builds_every_row(workspace: Workspace, checkpoint: Path) -> None:
    workspace.config = nvidia_config(checkpoint, *ROWS)
    assert workspace.planned()["build_tensorrt"] == len(ROWS) >= 4


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
    made.config["report"] = {"title": "copied"}
    result = made.run("report")
    del made.config["report"]
    assert result.returncode == 0, result.stdout + result.stderr
    assert {row["device"] for row in made.report()["rows"]} >= {"Simulated GPU"}


# --- what it refuses, and survives -------------------------------------------------------------------------


def test_without_tensorrt_nothing_is_begun(workspace: Workspace, checkpoint: Path) -> None:
    workspace.config = nvidia_config(checkpoint, "trt-fp32-1", "trt-fp32-16")
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


def test_without_a_gpu_nothing_is_begun(workspace: Workspace, checkpoint: Path) -> None:
    workspace.config = nvidia_config(checkpoint, "trt-fp32-1")
    result = workspace.run("report", **gpu(workspace.path, GPU_DOUBLE_COUNT="0"))
    assert result.returncode != 0
    assert "deployments trt-fp32-1: runtime tensorrt: no NVIDIA GPU here; run on the machine that has it" in (
        result.stdout + result.stderr
    )
    assert not (workspace.path / "results").exists()


def test_a_gpu_that_fails_leaves_nothing_half_written_and_the_rerun_completes(
    workspace: Workspace, checkpoint: Path
) -> None:
    workspace.config = nvidia_config(checkpoint, "trt-fp32-16")
    run = workspace.path / RUN / "trt-fp32-16"
    target = f"{RUN}/trt-fp32-16/batching.json"

    result = workspace.run(target, **gpu(workspace.path, GPU_DOUBLE_FAILS_AFTER="3"))
    assert result.returncode != 0
    assert "TensorRT cannot run the engine (Error Code 1: Cuda Runtime" in result.stdout + result.stderr
    assert [path.name for path in run.rglob("*") if path.name != ".snakemake_timestamp"] == []

    result = workspace.run(target, **gpu(workspace.path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert {path.name for path in run.iterdir()} >= {"predictions.parquet", "batching.json"}
