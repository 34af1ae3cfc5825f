"""ONNX Runtime's providers and PyTorch on devices, from words to report, over the doubles of tests/contract."""

from pathlib import Path
from typing import Any

import pytest

from contract.toolkit import DEVICES, import_path
from crnn.model.weights import write_weights
from device_rows import read_by
from networks import SMALL, small_network
from workspace import Workspace, small_config

pytestmark = pytest.mark.dag

DEPLOYMENTS: dict[str, dict[str, Any]] = {
    "ort-cuda": {"runtime": "onnxruntime_cuda", "widths": "aspect", "batch": 4},
    "ort-cann": {"runtime": "onnxruntime_cann", "widths": "w100"},
    "torch-cuda": {"runtime": "torch_cuda", "source": "checkpoint", "widths": "aspect", "options": {"mode": "graph"}},
    "torch-npu": {"runtime": "torch_npu", "source": "checkpoint", "widths": "aspect"},
}


def device_config(folder: Path, *names: str) -> dict[str, Any]:
    """The small run with rows of devices, of a network that reads different words differently."""
    checkpoint = folder / "varied.safetensors"
    write_weights(small_network().state_dict(), SMALL, checkpoint)
    config = small_config(checkpoint)
    config["deployments"] = {"torch": None, "ort-w100": None, "ort-recipe": None}
    config["deployments"] |= {name: DEPLOYMENTS[name] for name in names}
    return config


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A working directory in which the report has been made with doubles; tests/contract has those of the others."""
    folder = tmp_path_factory.mktemp("devices")
    space = Workspace(folder, device_config(folder, "ort-cuda", "torch-npu"))
    result = space.run("report", TMPDIR=str(folder), **import_path(DEVICES))
    assert result.returncode == 0, result.stdout + result.stderr
    return space


@pytest.mark.slow
def test_every_row_of_a_double_is_marked_and_no_other(made: Workspace) -> None:
    rows = {row["deployment"]: row["simulated"] for row in made.report()["rows"]}
    assert rows == {"ort": False, "ort-cuda": True, "torch-npu": True}


@pytest.mark.slow
def test_every_device_reads_what_the_processor_reads(made: Workspace) -> None:
    """At its own batch size, at those of the batching check, and when it is timed."""
    for row in made.report()["rows"]:
        reference, own = (read_by(made, row["widths"], name) for name in ("fixed", row["deployment"]))
        assert own["text"].to_list() == reference["text"].to_list()
        assert row["batching"]["changed"] == row["audit"]["flipped"] == 0
        assert row["repeat_texts"] == {"e2e_changed": 0, "infer_only_changed": 0}
        assert (row["e2e"]["breakdown"]["transfer_in"] > 0) is row["simulated"]


@pytest.mark.slow
def test_nothing_is_left_to_do(made: Workspace) -> None:
    assert made.planned(**import_path(DEVICES)) == {}


def test_without_a_device_nothing_is_begun_and_each_fault_is_said_once(workspace: Workspace, tmp_path: Path) -> None:
    workspace.config = device_config(tmp_path, *DEPLOYMENTS)
    workspace.config["deployments"]["more"] = workspace.config["deployments"]["ort-cuda"]
    result = workspace.run("report")
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "Traceback" not in said
    for fault in (
        "deployments more, ort-cuda: the onnxruntime ",
        "deployments ort-cann: the onnxruntime ",
        "deployments torch-cuda: the PyTorch ",
        "deployments torch-npu: runtime torch_npu: the Python package 'torch_npu' is not installed here",
    ):
        assert said.count(fault) == 1
    assert not (workspace.path / "results").exists()
