"""Which node turned a word: a fault planted in one node of a real graph is found, and named."""

import json
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import numpy_helper

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.model.charset import Charset
from crnn.model.contract import Contract
from crnn.model.cuts import shared_cuts, tail
from crnn.model.decoding import greedy_decode
from crnn.model.export import export_onnx
from crnn.model.precision.convert import convert
from crnn.model.precision.quantise import convolutions
from crnn.runtimes.onnxruntime.explain import Bisection
from crnn.runtimes.onnxruntime.observe import opened
from examples import POLICY, healthy_words
from networks import EXPORTS, SMALL, Array, calibrated, images, repaired, small_network
from stage_calls import call

pytestmark = EXPORTS

CHARSET = Charset("0123456789abcdefghijklmnopqrstuvwxyz"[: SMALL.classes - 1])
CONTRACT = Contract(CHARSET)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "raw.onnx"
    export_onnx(small_network(), CONTRACT, path)
    return path


@pytest.fixture(scope="module")
def fixed(raw: Path) -> onnx.ModelProto:
    return repaired(raw)


def read(output: Array) -> str:
    return greedy_decode(output, CHARSET)[0][0]


def damaged(model: onnx.ModelProto, node: str) -> onnx.ModelProto:
    """A copy of a model in which one weight of one node is another."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    (weights,) = (each.input[1] for each in copy.graph.node if each.name == node)
    (entry,) = (each for each in copy.graph.initializer if each.name == weights)
    values = numpy_helper.to_array(entry).copy()
    values[1].flat[0] += 500
    entry.CopyFrom(numpy_helper.from_array(values, entry.name))
    return copy


def test_the_rest_of_a_graph_behind_any_cut_gives_what_the_whole_gives(fixed: onnx.ModelProto) -> None:
    cuts, batch = shared_cuts(fixed, fixed), images(2, 64)
    inside = {"imgs": batch, **opened(fixed, [name for cut in cuts for name in cut.tensors])({"imgs": batch})}
    assert len(cuts) == len(fixed.graph.node) + 1
    for cut in cuts[:-1]:  # behind the last there is nothing to run
        rest = opened(tail(fixed, cut), ())({name: inside[name] for name in cut.tensors})
        np.testing.assert_allclose(rest["output1"], inside["output1"], atol=1e-5)


@pytest.mark.parametrize("place", range(7))
def test_a_planted_weight_is_named(fixed: onnx.ModelProto, place: int) -> None:
    planted = convolutions(fixed)[place].name
    bisection = Bisection(fixed, damaged(fixed, planted), read)
    found = [bisection.nodes(images(1, 64, seed)) for seed in range(4)]
    assert {node.name for nodes in found for node in nodes} == {planted}


def test_a_fault_in_an_operated_graph_is_named_from_the_export_on(raw: Path, fixed: onnx.ModelProto) -> None:
    planted = convolutions(fixed)[2].name
    bisection = Bisection(onnx.load(raw), damaged(fixed, planted), read)
    assert planted in [node.name for node in bisection.nodes(images(1, 64))]


def test_words_that_eight_bits_turn_have_a_convolution_to_blame(fixed: onnx.ModelProto) -> None:
    bisection = Bisection(fixed, convert(fixed, "int8", calibrated(fixed)), read)
    found = [bisection.nodes(images(1, 64, seed)) for seed in range(12)]
    turned = [nodes for nodes in found if nodes]
    assert turned
    assert {node.op_type for nodes in turned for node in nodes} == {"Conv"}


def test_half_precision_is_compared_across_types(fixed: onnx.ModelProto) -> None:
    half = damaged(convert(fixed, "fp16"), convolutions(fixed)[4].name)
    nodes = Bisection(fixed, half, read).nodes(images(1, 64))
    assert [node.name for node in nodes] == [convolutions(fixed)[4].name]


def test_a_word_that_both_read_alike_has_no_node(fixed: onnx.ModelProto) -> None:
    assert Bisection(fixed, fixed, read).nodes(images(1, 64)) == []


def test_explain_words_counts_words_by_node(fixed: onnx.ModelProto, tmp_path: Path) -> None:
    planted, labels = convolutions(fixed)[3].name, json.dumps({"characters": POLICY.characters})
    words, widths = healthy_words(tmp_path / "words.lmdb"), '{"rule": "aspect"}'
    call("make_tensors", words=words, widths=widths, labels=labels, output=tmp_path / "t", record=tmp_path / "t.json")
    CONTRACT.write(tmp_path / "contract.json")
    common = {"tensors": tmp_path / "t", "widths": widths, "contract": tmp_path / "contract.json"}
    models, predictions = [tmp_path / "fixed.onnx", tmp_path / "damaged.onnx"], []
    for model, path in zip((fixed, damaged(fixed, planted)), models, strict=True):
        onnx.save(model, path)
        predictions.append(path.with_suffix(".parquet"))
        written = {"output": predictions[-1], "record": path.with_suffix(".json")}
        call("predict", **common, model=path, runtime="onnxruntime", **written)
    output = {"labels": labels, "output": tmp_path / "explained.json"}
    call("explain_words", **common, model=models, predictions=predictions, **output)
    before, after = (pl.read_parquet(path)["text"] for path in predictions)
    changed = (before != after).arg_true() + 1
    found = read_json(tmp_path / "explained.json")
    assert found["changed"] == found["explained"] == len(changed) > 0
    assert found["nodes"] == [
        {"node": planted, "operator": "Conv", "words": len(changed), "indices": changed.to_list()}
    ]
    with pytest.raises(UserError, match="expected two of each"):
        call("explain_words", **common, model=models[:1], predictions=predictions, **output)
