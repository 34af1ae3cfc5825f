"""Deployments in other precisions: their model files, the calibration behind them, and the audit's step for each."""

import json
import re
from pathlib import Path

import onnx
import pytest

from crnn.model.network import NetworkSize
from workspace import Workspace, small_config, write_small_checkpoint

pytestmark = [pytest.mark.dag, pytest.mark.slow]

# What random weights read flips at a touch, so nothing is asked of the words.
NO_BUDGET = {"accuracy_drop": 1, "flipped": 1}
# One convolution is wide enough for fewer multiplications to pay.
SIZE = NetworkSize(channels=(4, 4, 8, 256, 256, 8, 8), hidden=8, classes=37)
OWN = [{"pass": "drop_zero_states"}, {"pass": "split_bidirectional"}, {"pass": "fold_constants"}]
DEPLOYMENTS = {
    **{"torch": None, "ort": None, "ort-w100": None, "ort-recipe": None},
    "ort-winograd": {"runtime": "onnxruntime", "widths": "aspect", "precision": "fp32-winograd"},
    "ort-int8": {"runtime": "onnxruntime", "widths": "aspect", "precision": "int8"},
    "ov-int8": {"runtime": "openvino", "widths": "aspect", "precision": "int8"},
    "ov-own": {"runtime": "openvino", "widths": "w100", "precision": "int8", "surgery": OWN},
}


def space_in(folder: Path) -> Workspace:
    config = small_config(write_small_checkpoint(folder / "small.safetensors", size=SIZE))
    config["models"]["crnn"]["channels"] = list(SIZE.channels)
    config |= {"deployments": DEPLOYMENTS, "budgets": NO_BUDGET, "calibration": {"words": 6, **NO_BUDGET}}
    return Workspace(folder, config)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = space_in(tmp_path_factory.mktemp("precision"))
    result = space.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    return space


def test_deployments_share_a_file_and_those_with_passes_of_their_own_have_theirs(quantised: Workspace) -> None:
    models = quantised.path / "results/models/crnn"
    found = {path.name for path in models.glob("*.onnx")}
    own = {"fixed.for-ov-own.onnx", "fixed.for-ov-own.uint8-w100.onnx"}
    assert found == {"raw.onnx", "fixed.onnx", "fixed.winograd.onnx", "fixed.uint8-aspect.onnx", *own}
    facts = json.loads((models / "fixed.uint8-aspect.json").read_text())["results"]
    assert facts["types"]["Conv"] == {"quantised": 7}
    assert facts["words"] == 6


def test_the_report_has_a_row_for_each_in_its_precision(quantised: Workspace) -> None:
    rows = {row["deployment"]: row for row in quantised.report()["rows"]}
    precisions = {"ort-winograd": "fp32-winograd", "ort-int8": "int8", "ov-int8": "int8", "ov-own": "int8"}
    assert {name: row["precision"] for name, row in rows.items()} == precisions


@pytest.mark.parametrize(
    ("deployment", "step"),
    [("ort-winograd", "winograd"), ("ov-int8", "uint8"), ("ov-own", "uint8.for-ov-own")],
)
def test_the_audit_has_a_step_for_the_precision(deployment: str, step: str, quantised: Workspace) -> None:
    audit = json.loads((quantised.path / f"results/runs/sample/crnn/{deployment}/audit.json").read_text())
    path = [audit["path"][0]["from"], *(edge["to"] for edge in audit["path"])]
    assert path == ["torch", "raw", "fixed", step, "build"]


def test_fewer_multiplications_change_no_word(quantised: Workspace) -> None:
    facts = json.loads((quantised.path / "results/models/crnn/fixed.winograd.json").read_text())["results"]
    assert facts["types"]["Conv"] == {"float": 6 + 6}
    assert facts["flipped"] == 0
    assert 0 < facts["max_abs_difference"] < 1e-4


def test_the_calibration_is_on_record(quantised: Workspace) -> None:
    calibration = json.loads((quantised.path / "results/models/crnn/fixed.calibration-uint8-aspect.json").read_text())
    assert calibration["steps"][0]["words"] == 6
    proof = json.loads((quantised.path / "results/datasets/calibration/leakage.json").read_text())
    assert proof == {"shared": 0, "words": {"calibration": 6, "sample": 12}}


def test_nothing_is_left_to_do_and_another_dataset_calibrates_nothing_anew(quantised: Workspace) -> None:
    assert quantised.planned() == {}
    quantised.config["datasets"]["more"] = {"sample": {"words": 3, "seed": 9}}
    planned = quantised.planned()
    del quantised.config["datasets"]["more"]
    assert planned["check_leakage"] == 1
    assert not {"calibrate_model", "quantise_model", "build_openvino"} & planned.keys()


def test_other_calibration_words_make_the_files_anew(quantised: Workspace) -> None:
    quantised.config["calibration"]["seed"] = 1001
    planned = quantised.planned()
    del quantised.config["calibration"]["seed"]
    assert {"render_words", "make_tensors", "check_leakage", "calibrate_model", "quantise_model"} <= planned.keys()
    assert not {"export_onnx", "fix_onnx", "predict_surgery"} & planned.keys()


def test_half_precision_is_a_file_target_of_its_own(quantised: Workspace) -> None:
    result = quantised.run("results/predictions/sample/crnn/aspect/fixed.fp16-lstm32/1.parquet")
    assert result.returncode == 0, result.stdout + result.stderr
    half = onnx.load(quantised.path / "results/models/crnn/fixed.fp16-lstm32.onnx")
    assert sum(entry.data_type == onnx.TensorProto.FLOAT16 for entry in half.graph.initializer) > 10


def test_calibration_words_of_a_dataset_are_refused_by_name(tmp_path: Path) -> None:
    space = space_in(tmp_path)
    space.config["calibration"]["seed"] = space.config["datasets"]["sample"]["sample"]["seed"]
    result = space.run("results/models/crnn/fixed.uint8-aspect.onnx")
    assert result.returncode != 0
    assert not (tmp_path / "results/models/crnn/fixed.calibration-uint8-aspect.json").exists()
    log = (tmp_path / "logs/check_leakage.log").read_text()
    assert re.search(
        r"error: calibration: 6 of its images are in the dataset sample too \(image-000000001 is its image-", log
    )


def test_a_users_lmdb_takes_the_place_of_rendered_words(quantised: Workspace, tmp_path: Path) -> None:
    space = space_in(tmp_path)
    space.config["calibration"]["lmdb"] = str(quantised.path / "results/datasets/calibration/words.lmdb")
    planned = space.planned("results/datasets/calibration/tensors/aspect/1/contract.json")
    assert planned["import_lmdb"] == 1
    assert "render_words" not in planned
