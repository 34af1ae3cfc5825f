"""A change reruns what depends on it and nothing else. (Dry runs over one finished workspace.)"""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from workspace import Workspace

pytestmark = [pytest.mark.dag, pytest.mark.xdist_group("dag")]

RUN = {"predict_words", "check_batching", "time_words", "score_run", "audit_run"}
END = {"make_report", "check_budgets"}


@pytest.fixture
def changed(finished: Workspace) -> Iterator[dict[str, Any]]:
    """The finished workspace's config, to be changed by one test and put back after it."""
    before = deepcopy(finished.config)
    yield finished.config
    finished.config.clear()
    finished.config.update(before)


def test_nothing_changed(finished: Workspace) -> None:
    assert finished.planned() == {}


def test_a_touched_dataset_reruns_nothing(finished: Workspace) -> None:
    os.utime(finished.path / "results/datasets/sample/words.lmdb/data.mdb")
    assert finished.planned() == {}


def test_a_key_written_out_with_its_default_reruns_nothing(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["widths"] = {"aspect": {"max": 400, "step": 8}}
    assert finished.planned() == {}


def test_a_new_deployment_runs_its_own_build_and_run(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["deployments"] = {"ort-8": {"runtime": "onnxruntime", "widths": "aspect", "batch": 8}}
    assert finished.planned() == dict.fromkeys({"build_onnxruntime"} | RUN | END, 1)


def test_a_removed_deployment_remakes_the_report_alone(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["deployments"] = {"ort-recipe": None}
    assert finished.planned() == dict.fromkeys(END, 1)


def test_a_width_rule_reruns_the_tensors_and_runs_that_use_it(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["widths"] = {"w100": {"width": 120}}
    assert finished.planned() == dict.fromkeys(
        {"make_tensors", "predict_reference", "prove_words", "predict_words", "check_batching", "time_words"}
        | {"score_run", "audit_run"}
        | END,
        1,
    )


def test_a_budget_reruns_the_page_and_the_verdict(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["budgets"] = {"flipped": 0.02}
    assert finished.planned() == dict.fromkeys(END, 1)


def test_an_opset_reruns_the_export_and_what_follows(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["models"]["crnn"]["opset"] = 11
    planned = finished.planned()
    assert planned["export_onnx"] == planned["fix_onnx"] == 1
    assert "import_checkpoint" not in planned
    assert "make_tensors" not in planned
    assert "build_torch" not in planned


def test_another_seed_reruns_the_words_and_no_model(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["datasets"]["sample"]["sample"]["seed"] = 4
    planned = finished.planned()
    assert planned["render_sample"] == 1
    assert planned["make_tensors"] == 3
    assert not {"import_checkpoint", "export_onnx", "fix_onnx", "build_onnxruntime"} & planned.keys()


def test_two_numbers_that_change_places_are_seen(finished: Workspace, changed: dict[str, Any]) -> None:
    changed["datasets"]["sample"]["sample"] = {"words": 3, "seed": 12}
    assert finished.planned()["render_sample"] == 1


def test_another_version_of_a_tool_reruns_the_stages_that_use_it(finished: Workspace, tmp_path: Path) -> None:
    upgrade = tmp_path / "rapidfuzz-99.0.dist-info"
    upgrade.mkdir()
    (upgrade / "METADATA").write_text("Metadata-Version: 2.1\nName: rapidfuzz\nVersion: 99.0\n")
    assert finished.planned(PYTHONPATH=str(tmp_path)) == {"score_run": 4, "audit_run": 4} | dict.fromkeys(END, 1)


def test_a_deployment_may_have_passes_of_its_own(finished: Workspace, changed: dict[str, Any]) -> None:
    names = ("fold_constants", "drop_zero_states", "split_bidirectional", "prune_unused")
    passes = [{"pass": name} for name in names]
    changed["deployments"] = {"own": {"runtime": "onnxruntime", "widths": "aspect", "surgery": passes}}
    assert finished.planned() == dict.fromkeys({"fix_onnx_for_deployment", "build_onnxruntime"} | RUN | END, 1)

    result = finished.run("results/builds/crnn/own/model.onnx")
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((finished.path / "results/models/crnn/fixed.for-own.json").read_text())
    assert set(record["results"]["matched"]) == set(names)
    assert record["results"]["max_abs_difference"] <= 1e-5
