"""The export: free axes, old enough for ATC, the function that PyTorch computes, equal bytes for equal weights."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256
from crnn.model.export import export_onnx
from crnn.model.parity import prove_equal
from crnn.model.weights import write_weights
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from examples import CONTRACT
from networks import EXPORTS, SMALL, run_network, small_network
from stage_calls import run_stage

pytestmark = EXPORTS

OPSETS = [11, 12, 13]


def exported(directory: Path, opset: int = 13, name: str = "raw.onnx") -> onnx.ModelProto:
    export_onnx(small_network(), CONTRACT, directory / name, opset)
    return onnx.load(directory / name)


def axes(value: onnx.ValueInfoProto) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("opset", OPSETS)
def test_batch_width_and_steps_are_three_symbols(opset: int, tmp_path: Path) -> None:
    graph = exported(tmp_path, opset).graph
    assert [(value.name, axes(value)) for value in graph.input] == [("imgs", ["N", 1, 32, "W"])]
    assert [(value.name, axes(value)) for value in graph.output] == [("output1", ["T", "N", 37])]
    kinds = {value.type.tensor_type.elem_type for value in [*graph.input, *graph.output]}
    assert kinds == {onnx.TensorProto.FLOAT}


@pytest.mark.parametrize("opset", OPSETS)
def test_the_model_is_one_that_atc_reads(opset: int, tmp_path: Path) -> None:
    model = exported(tmp_path, opset)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    assert model.ir_version <= 8


@pytest.mark.parametrize("opset", OPSETS)
def test_each_lstm_is_one_node(opset: int, tmp_path: Path) -> None:
    nodes = Counter(node.op_type for node in exported(tmp_path, opset).graph.node)
    assert nodes["LSTM"] == 2
    assert not {"Loop", "Scan", "If", "Sigmoid", "Tanh"} & nodes.keys()
    assert "BatchNormalization" not in nodes  # folded into the convolutions, as evaluation mode allows


@pytest.mark.parametrize("opset", OPSETS)
def test_the_model_computes_what_pytorch_computes(opset: int, tmp_path: Path) -> None:
    exported(tmp_path, opset)
    network, runtime = small_network(), OnnxSession(tmp_path / "raw.onnx", threads=1)
    assert (
        prove_equal(lambda batch: run_network(network, batch), runtime.infer, CONTRACT, 1e-4, "torch and raw.onnx") > 0
    )


def test_equal_weights_are_exported_to_equal_bytes(tmp_path: Path) -> None:
    for name in ("one.onnx", "two.onnx"):
        exported(tmp_path, name=name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


@pytest.mark.parametrize("opset", [9, 10, 14, 18])
def test_an_opset_that_atc_does_not_read_is_refused(opset: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"opset {opset}: expected one of 11, 12, 13"):
        exported(tmp_path, opset)
    assert list(tmp_path.iterdir()) == []


# --- the stages --------------------------------------------------------------------------------------------

SURGERY = [
    {"pass": "drop_zero_states", "required": True},
    {"pass": "split_bidirectional", "required": True},
    {"pass": "fold_constants"},
]


def recorded(stage: str, directory: Path, *options: str) -> dict[str, Any]:
    """Run a stage in this process and return its record."""
    record = directory / "record.json"
    run_stage(stage, [*options, "--record", str(record)])
    content: dict[str, Any] = read_json(record)
    return content


def contract_of(directory: Path) -> list[str]:
    CONTRACT.write(directory / "contract.json")
    return ["--contract", str(directory / "contract.json")]


def export_options(directory: Path, *more: str) -> list[str]:
    weights = directory / "weights.safetensors"
    write_weights(small_network().state_dict(), SMALL, weights)
    return ["--weights", str(weights), *contract_of(directory), "--output", str(directory / "raw.onnx"), *more]


def fix_options(directory: Path, surgery: object = SURGERY, *more: str) -> list[str]:
    raw, fixed = directory / "raw.onnx", directory / "fixed.onnx"
    export_onnx(small_network(), CONTRACT, raw)
    return ["--raw", str(raw), *contract_of(directory), "--output", str(fixed), "--surgery", json.dumps(surgery), *more]


def test_the_export_stage_proves_its_output_and_records_how_close_it_is(tmp_path: Path) -> None:
    record = recorded("export_onnx", tmp_path, *export_options(tmp_path, "--opset", "11"))
    assert record["outputs"][str(tmp_path / "raw.onnx")]["sha256"] == sha256(tmp_path / "raw.onnx")
    assert 0 < record["results"]["max_abs_difference"] < 1e-4
    assert record["parameters"]["opset"] == onnx.load(tmp_path / "raw.onnx").opset_import[0].version == 11


def test_the_fix_stage_records_what_each_pass_matched(tmp_path: Path) -> None:
    record = recorded("fix_onnx", tmp_path, *fix_options(tmp_path))
    matched = record["results"]["matched"]
    assert {name: len(places) for name, places in matched.items() if name != "fold_constants"} == {
        "drop_zero_states": 2,
        "split_bidirectional": 2,
    }
    assert record["results"]["nodes"] == {"raw": len(onnx.load(tmp_path / "raw.onnx").graph.node), "fixed": 33}
    assert 0 <= record["results"]["max_abs_difference"] <= 1e-5


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        ("export_onnx", export_options, "torch and raw.onnx: outputs differ by"),
        ("fix_onnx", fix_options, "raw.onnx and fixed.onnx: outputs differ by"),
    ],
    ids=["export_onnx", "fix_onnx"],
)
def test_a_stage_whose_proof_fails_leaves_no_output(
    stage: Any, options: Callable[..., list[str]], message: str, tmp_path: Path
) -> None:
    command = [*options(tmp_path), "--tolerance=-1"]  # which nothing keeps
    before = set(tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        recorded(stage, tmp_path, *command)
    assert set(tmp_path.iterdir()) == before


def test_surgery_that_leaves_shape_nodes_leaves_no_output(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"surgery: .* left in the graph"):
        recorded("fix_onnx", tmp_path, *fix_options(tmp_path, [{"pass": "fold_constants"}]))
    assert not (tmp_path / "fixed.onnx").exists()
