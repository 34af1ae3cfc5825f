"""The stage predict: one model file, or two side by side, of which it says how much they differ, without a verdict."""

import json
from pathlib import Path
from typing import Any

import onnx
import polars as pl
import pytest
import torch

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.data.tensors import make_tensors
from crnn.model.export import export_onnx
from crnn.model.weights import write_weights
from examples import ASPECT, CONTRACT, POLICY, healthy_words
from networks import EXPORTS, SMALL, repaired, small_network
from stage_calls import call

pytestmark = EXPORTS


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve words as tensors, and beside them the contract of the models that read them."""
    directory = tmp_path_factory.mktemp("dataset")
    make_tensors(healthy_words(directory / "words.lmdb"), directory / "tensors", ASPECT, POLICY)
    CONTRACT.write(directory / "contract.json")
    return directory / "tensors"


def save_raw(directory: Path, classifier: dict[int, float] | None = None) -> Path:
    """raw.onnx of the small network, some of the classifier's biases set."""
    network = small_network()
    with torch.no_grad():
        for number, bias in (classifier or {}).items():
            network.state_dict()["rnn.1.embedding.bias"][number] = bias
    directory.mkdir(exist_ok=True)
    export_onnx(network, CONTRACT, directory / "raw.onnx")
    return directory / "raw.onnx"


def save_fixed(raw: Path) -> Path:
    onnx.save(repaired(raw), raw.with_name("fixed.onnx"))
    return raw.with_name("fixed.onnx")


def predict(tensors: Path, folder: Path, *models: Path, runtime: str = "onnxruntime", **more: object) -> dict[str, Any]:
    """Read the words with each model; what the record says. Texts go to 1.parquet, 2.parquet, … in `folder`."""
    outputs = [folder / f"{number}.parquet" for number, _ in enumerate(models, 1)]
    common = {"widths": json.dumps({"rule": "aspect"}), "contract": tensors.parent / "contract.json"}
    files = {"tensors": tensors, "model": list(models), "output": outputs, "record": folder / "r.json"}
    call("predict", **files, **common, runtime=runtime, **more)
    record: dict[str, Any] = read_json(folder / "r.json")
    assert record["outputs"].keys() == set(map(str, outputs))
    return record


def texts(path: Path) -> list[str]:
    return pl.read_parquet(path)["text"].to_list()


def test_every_stage_of_a_model_is_read_by_the_same_command(tensors: Path, tmp_path: Path) -> None:
    weights, raw = tmp_path / "weights.safetensors", save_raw(tmp_path)
    write_weights(small_network().state_dict(), SMALL, weights)
    torch_record = predict(tensors, tmp_path / "torch", weights, runtime="torch", batch=3)
    raw_record = predict(tensors, tmp_path / "raw", raw)
    assert texts(tmp_path / "torch/1.parquet") == texts(tmp_path / "raw/1.parquet")
    assert (torch_record["parameters"]["batch"], raw_record["parameters"]["batch"]) == ("3", "16")
    assert "torch" in torch_record["results"]["runtime"]
    assert raw_record["results"].keys() == {"words", "runtime"}


def test_surgery_that_changes_no_word_changes_none(tensors: Path, tmp_path: Path) -> None:
    raw = save_raw(tmp_path)
    fixed = save_fixed(raw)
    results = predict(tensors, tmp_path / "both", raw, fixed)["results"]
    assert (results["words"], results["changed"]) == (12, 0)
    assert results["max_abs_difference"] <= 1e-5
    assert texts(tmp_path / "both/1.parquet") == texts(tmp_path / "both/2.parquet")
    assert len(set(texts(tmp_path / "both/1.parquet"))) > 1
    for number, model in ((1, raw), (2, fixed)):
        predict(tensors, tmp_path / "alone", model)
        assert texts(tmp_path / "alone/1.parquet") == texts(tmp_path / f"both/{number}.parquet")


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [({}, {5: 9.0}, True), ({0: 50.0}, {0: 50.0, 5: 1.0}, False)],
    ids=["texts change", "numbers change"],
)
def test_surgery_that_changes_a_word_is_measured_and_not_judged(
    before: dict[int, float], after: dict[int, float], changes: bool, tensors: Path, tmp_path: Path
) -> None:
    raw, fixed = save_raw(tmp_path / "raw", before), save_fixed(save_raw(tmp_path / "fixed", after))
    results = predict(tensors, tmp_path / "both", raw, fixed)["results"]
    assert (results["changed"] > 0) is changes
    assert results["max_abs_difference"] > 0.1


def test_a_model_that_gives_no_numbers_is_an_error_and_leaves_no_texts(tensors: Path, tmp_path: Path) -> None:
    raw = save_raw(tmp_path / "raw")
    fixed = save_fixed(save_raw(tmp_path / "fixed", {0: float("nan")}))
    with pytest.raises(UserError, match="output is not a number"):
        predict(tensors, tmp_path / "both", raw, fixed)
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(("models", "runtime"), [(3, "onnxruntime"), (2, "onnxruntime_cuda")])
def test_two_models_are_read_on_the_processor_and_no_more(
    models: int, runtime: str, tensors: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="expected one of each or, on the processor, two"):
        predict(tensors, tmp_path, *[tmp_path / "raw.onnx"] * models, runtime=runtime)
