"""An ONNX file of another exporter beside a checkpoint, from the config to the report.

The file holds the network of the checkpoint behind other ends: gray in three channels of another normalisation, words
before time steps, probabilities, an older opset. So both have to read every word alike.
"""

import json
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from crnn.model.network import CRNN
from examples import CHARACTERS
from networks import EXPORTS, small_network
from workspace import Workspace, small_config

pytestmark = [pytest.mark.dag, *EXPORTS]

MEAN, STD = 0.3, 0.2


class Foreign(nn.Module):
    """(p - MEAN) / STD of three equal channels [N, 3, 32, W] to probabilities [N, T, 37]."""

    def __init__(self, network: CRNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        gray = images.mean(dim=1, keepdim=True) * STD + MEAN
        return torch.exp(self.network((gray - 0.5) / 0.5)).transpose(0, 1)


def export(path: Path) -> None:
    axes = {"x": {0: "batch", 3: "width"}, "y": {0: "batch", 1: "steps"}}
    torch.onnx.export(
        Foreign(small_network()).eval(),
        (torch.zeros(1, 3, 32, 100),),
        path,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes=axes,
        opset_version=12,
        dynamo=False,
    )


def config(folder: Path, checkpoint: Path) -> dict[str, object]:
    foreign = {
        "onnx": str(folder / "foreign.onnx"),
        "charset": {"file": str(folder / "dict.txt")},
        "input": {"channels": 3, "colour": "gray", "mean": MEAN, "std": STD},
        "output": {"axes": "NTC", "values": "probabilities"},
    }
    deployments = {
        "torch": {"models": ["crnn"]},
        "openvino": {"runtime": "openvino", "widths": "aspect"},
        "ort-w100": None,
        "ort-recipe": None,
    }
    whole = small_config(checkpoint) | {"deployments": deployments}
    whole["models"]["foreign"] = foreign
    return whole


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, varied_checkpoint: Path) -> Workspace:
    """A working directory in which the report over both models has been made."""
    given = tmp_path_factory.mktemp("given")
    export(given / "foreign.onnx")
    (given / "dict.txt").write_text("\n".join(CHARACTERS))
    space = Workspace(tmp_path_factory.mktemp("report"), config(given, varied_checkpoint))
    result = space.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    return space


def test_both_models_have_their_rows_and_the_foreign_one_none_of_pytorch(report: Workspace) -> None:
    rows = {(row["model"], row["deployment"]) for row in report.report()["rows"]}
    both = {(model, name) for model in ("crnn", "foreign") for name in ("ort", "openvino")}
    assert rows == both | {("crnn", "torch")}
    assert not (report.path / "results/models/foreign/weights.safetensors").exists()
    assert not list(report.path.glob("results/predictions/*/foreign/*/torch"))


def test_both_models_read_every_word_alike(report: Workspace) -> None:
    texts = {
        (model, reader): report.readings(f"predictions/sample/{model}/aspect/{reader}/1.parquet")["text"].to_list()
        for model in ("crnn", "foreign")
        for reader in ("raw", "fixed", "ort", "openvino")
    }
    first = texts["crnn", "raw"]
    assert len(set(first)) > 1
    assert all(each == first for each in texts.values())


@pytest.mark.parametrize("deployment", ["ort", "openvino"])
def test_the_audit_begins_with_the_imported_file(deployment: str, report: Workspace) -> None:
    audit = json.loads((report.path / f"results/runs/sample/foreign/{deployment}/audit.json").read_text())
    assert audit["reference"] == "raw"
    assert [(step["from"], step["to"], step["flipped"]) for step in audit["path"]] == [
        ("raw", "fixed", 0),
        ("fixed", "build", 0),
    ]


def test_the_file_is_what_every_runtime_reads(report: Workspace) -> None:
    folder = report.path / "results/models/foreign"
    raw, record = onnx.load(folder / "raw.onnx"), json.loads((folder / "raw.json").read_text())
    assert [(entry.domain, entry.version) for entry in raw.opset_import] == [("", 13)]
    assert [entry.name for entry in (*raw.graph.input, *raw.graph.output)] == ["imgs", "output1"]
    assert 0 <= record["results"]["max_abs_difference"] < 1e-3


def test_what_surgery_leaves_of_a_foreign_graph_is_counted(report: Workspace) -> None:
    record = json.loads((report.path / "results/models/foreign/fixed.json").read_text())
    assert record["results"]["shape_operators"].keys() >= {"Reshape"}


def test_a_second_run_has_nothing_to_do(report: Workspace) -> None:
    assert report.planned() == {}


def test_another_charset_reruns_the_import_and_what_follows(report: Workspace) -> None:
    changed = Workspace(report.path, json.loads(json.dumps(report.config)))
    changed.config["models"]["foreign"]["charset"] = CHARACTERS[::-1]
    plan = changed.dry_run()
    assert "--charset=" in plan.text
    assert plan.jobs == {
        **{"import_onnx": 1, "fix_onnx": 1, "build_onnxruntime": 1, "build_openvino": 1, "predict_surgery": 1},
        **dict.fromkeys(("predict", "check_batching", "time_words", "score_run", "audit_run"), 2),
        **{"make_report": 1, "check_budgets": 1},
    }
