"""Number formats: the types are what the name says, the words stay, and what costs too many of them stays whole."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from crnn.core.errors import UserError
from crnn.model.export import export_onnx
from crnn.model.precision import QUANTISED, VARIANTS
from crnn.model.precision.calibration import (
    Budget,
    Calibration,
    Reading,
    Values,
    choose_whole,
    divergence,
    measure_ranges,
)
from crnn.model.precision.convert import convert, prove_types
from crnn.model.precision.quantise import convolutions
from crnn.runtimes.onnxruntime import cpu as ort
from examples import CONTRACT
from networks import EXPORTS, Array, calibrated, images, load_graph, repaired, small_network

pytestmark = EXPORTS

ROOT = Path(__file__).parents[2]
LSTM_AND_SOFTMAX = {"LSTM": {"float": 4}, "LogSoftmax": {"float": 1}}


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("models") / "raw.onnx"
    export_onnx(small_network(), CONTRACT, path)
    return repaired(path)


@pytest.fixture(scope="module")
def calibration(fixed: onnx.ModelProto) -> Calibration:
    return calibrated(fixed)


def test_rules_can_read_the_variants_without_a_package() -> None:
    code = "import sys, crnn.model.precision; print(*{'numpy', 'onnx', 'torch'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "workflow", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


# --- half precision ----------------------------------------------------------------------------------------


def test_fp16_computes_everything_in_half_precision(fixed: onnx.ModelProto) -> None:
    half = convert(fixed, "fp16")
    found = prove_types(half, "fp16")
    assert {kind for counts in found.values() for kind in counts} == {"float16"}
    assert all(entry.data_type != onnx.TensorProto.FLOAT for entry in half.graph.initializer)


def test_fp16_lstm32_keeps_lstm_and_softmax_whole(fixed: onnx.ModelProto) -> None:
    found = prove_types(convert(fixed, "fp16-lstm32"), "fp16-lstm32")
    assert LSTM_AND_SOFTMAX.items() <= found.items()
    assert found["Conv"] == {"float16": 7}


@pytest.mark.parametrize("variant", ["fp16", "fp16-lstm32"])
def test_half_precision_gives_nearly_the_same_numbers_in_float32(variant: str, fixed: onnx.ModelProto) -> None:
    half, whole = load_graph(convert(fixed, variant)), load_graph(fixed)
    batch = images(3, 64)
    output = half(batch)[0]
    assert output.dtype == np.float32
    assert np.abs(np.exp(output) - np.exp(whole(batch)[0])).max() < 0.05


def test_a_type_that_is_not_the_variants_is_an_error(fixed: onnx.ModelProto) -> None:
    with pytest.raises(UserError, match=r"variant fp16: Add computes in \{'float': 2\}; expected float16"):
        prove_types(fixed, "fp16")


def test_an_output_that_is_not_float32_is_an_error(fixed: onnx.ModelProto) -> None:
    half = convert(fixed, "fp16")
    half.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    with pytest.raises(UserError, match="output1 is not float32"):
        prove_types(half, "fp16")


@pytest.mark.parametrize("variant", sorted(VARIANTS.keys() - {"winograd"}))
def test_the_metadata_of_a_file_stays(variant: str, fixed: onnx.ModelProto, calibration: Calibration) -> None:
    made = convert(fixed, variant, calibration if variant in QUANTISED else None)
    assert list(made.metadata_props) == list(fixed.metadata_props)
    assert [entry.key for entry in made.metadata_props] == ["contract"]


def test_the_original_stays_as_it_is(fixed: onnx.ModelProto, calibration: Calibration) -> None:
    before = fixed.SerializeToString()
    for variant in ("fp16", "int8"):
        convert(fixed, variant, calibration)
    assert fixed.SerializeToString() == before


# --- 8 bits ------------------------------------------------------------------------------------------------


def codes(model: onnx.ModelProto) -> dict[str, tuple[np.dtype[np.generic], int]]:
    """Quantised activation → type and zero point of its codes.

    Checks on the way that it is dequantised by the same one, and that those of weights are 0.
    """
    constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    quantising = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    reading = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert all(not constants[node.input[2]].any() for node in reading if node.input[0] in constants)
    back = {node.input[0]: node.input[2] for node in reading if node.input[0] not in constants}
    assert back == {node.output[0]: node.input[2] for node in quantising}
    zeros = {node.input[0]: constants[node.input[2]] for node in quantising}
    return {name: (zero.dtype, int(zero)) for name, zero in zeros.items()}


def test_int8_is_symmetric_throughout_with_a_scale_per_output_channel(
    fixed: onnx.ModelProto, calibration: Calibration
) -> None:
    model = convert(fixed, "int8", calibration)
    assert prove_types(model, "int8")["Conv"] == {"quantised": 7}
    assert LSTM_AND_SOFTMAX.items() <= prove_types(model, "int8").items()
    assert set(codes(model).values()) == {(np.dtype(np.int8), 0)}
    weights = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    scales = [value for name, value in weights.items() if name.endswith("/scale") and value.ndim == 1]
    assert [len(scale) for scale in scales] == [node.dims[0] for node in _weights(fixed)]
    assert all(np.abs(value).max() <= 127 for value in weights.values() if value.dtype == np.int8)


def _weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    by_name = {entry.name: entry for entry in model.graph.initializer}
    return [by_name[node.input[1]] for node in convolutions(model)]


def test_uint8_has_no_code_for_what_a_relu_never_gives(fixed: onnx.ModelProto, calibration: Calibration) -> None:
    found = codes(convert(fixed, "uint8", calibration))
    del found["imgs"]
    assert list(found.values()) == [(np.dtype(np.uint8), 0)] * 6


def test_depthwise_convolutions_stay_whole() -> None:
    weights = {"full": (4, 4, 1, 1), "grouped": (4, 2, 1, 1), "depthwise": (4, 1, 3, 3), "from_one": (4, 1, 3, 3)}
    groups = {"full": 1, "grouped": 2, "depthwise": 4, "from_one": 1}
    nodes = [helper.make_node("Conv", ["x", f"{name}_w"], [name], name, group=groups[name]) for name in weights]
    constants = [numpy_helper.from_array(np.zeros(shape, np.float32), f"{name}_w") for name, shape in weights.items()]
    graph = helper.make_graph(nodes, "convolutions", [], [], constants)
    assert [node.name for node in convolutions(helper.make_model(graph))] == ["full", "grouped", "from_one"]


def test_what_a_convolution_reads_is_quantised_behind_the_pooling(
    fixed: onnx.ModelProto, calibration: Calibration
) -> None:
    model = convert(fixed, "uint8", calibration)
    producers = {name: node for node in model.graph.node for name in node.output}
    for node in convolutions(fixed):
        dequantised = producers[f"{node.input[0]}/dequantised"]
        assert producers[dequantised.input[0]].input[0] == node.input[0]


def test_a_convolution_that_stays_whole_is_left_as_it_was(fixed: onnx.ModelProto, calibration: Calibration) -> None:
    first = convolutions(fixed)[0]
    model = convert(fixed, "int8", Calibration(calibration.ranges, (first.name,)))
    assert next(node for node in model.graph.node if node.name == first.name) == first
    assert prove_types(model, "int8")["Conv"] == {"quantised": 6, "float": 1}


@pytest.mark.parametrize("variant", ["int8", "uint8"])
def test_8_bits_stay_near(variant: str, fixed: onnx.ModelProto, calibration: Calibration) -> None:
    whole, quantised = load_graph(fixed), load_graph(convert(fixed, variant, calibration))
    batch = images(4, 100, seed=100)
    nothing = np.full_like(whole(batch)[0], -np.log(37))
    assert divergence(whole(batch)[0], quantised(batch)[0]) < 0.1 * divergence(whole(batch)[0], nothing)


def test_onnxruntime_runs_uint8_on_bytes(fixed: onnx.ModelProto, calibration: Calibration, tmp_path: Path) -> None:
    """All but the last, whose output nothing quantises, so that this runtime leaves it in float32."""
    onnx.save(convert(fixed, "uint8", calibration), tmp_path / "uint8.onnx")
    (built,) = ort.build(tmp_path / "uint8.onnx", tmp_path / "build", {})
    operators = [node.op_type for node in onnx.load(built).graph.node]
    assert operators.count("QLinearConv") == 6
    assert "Relu" not in operators


def test_8_bits_need_a_calibration(fixed: onnx.ModelProto) -> None:
    with pytest.raises(UserError, match="variant int8: needs a calibration"):
        convert(fixed, "int8")


def test_an_opset_without_scales_per_channel_is_refused(fixed: onnx.ModelProto, calibration: Calibration) -> None:
    older = onnx.ModelProto()
    older.CopyFrom(fixed)
    older.opset_import[0].version = 12
    with pytest.raises(UserError, match=r"opset 12; variant int8 needs 13: models.<name>.opset"):
        convert(older, "int8", calibration)


# --- ranges ------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.floats(0.01, 100), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_a_histogram_counts_every_value_however_they_come(parts: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    seen = Values()
    for scale in parts:
        seen.add(random.uniform(-scale, scale, 50).astype(np.float32))
    assert seen.counts.sum() == 50 * len(parts)
    low, high = seen.best_range(symmetric=False)
    assert seen.low <= low < high <= seen.high


def test_a_rare_outlier_is_clipped_and_an_even_spread_is_not() -> None:
    random = np.random.default_rng(0)
    even, spiked = Values(), Values()
    even.add(random.uniform(0, 1, 100_000).astype(np.float32))
    spiked.add(np.append(random.normal(0, 0.05, 1_000_000), 1).astype(np.float32))
    assert even.best_range(symmetric=True)[1] > 0.97
    assert spiked.best_range(symmetric=True)[1] < 0.5


@pytest.mark.parametrize("sign", [1, -1])
def test_no_code_is_kept_for_values_that_a_tensor_never_has(sign: int) -> None:
    """As of a hard swish, which is never below -0.375."""
    seen = Values()
    seen.add(sign * np.random.default_rng(0).uniform(-0.375, 4, 100_000).astype(np.float32))
    near, far = sorted(seen.best_range(symmetric=False), key=abs)
    assert near == pytest.approx(-0.375 * sign, abs=0.001)
    assert far == pytest.approx(4 * sign, rel=0.03)
    low, high = seen.best_range(symmetric=True)
    assert low == -high


def test_a_tensor_that_is_always_zero_has_a_range() -> None:
    seen = Values()
    seen.add(np.zeros((2, 3), np.float32))
    assert seen.best_range(symmetric=False) == [-1, 1]


def test_no_readable_word_is_an_error() -> None:
    with pytest.raises(UserError, match="none of its words has a readable image"):
        measure_ranges([])


# --- what stays whole --------------------------------------------------------------------------------------

ORIGINAL = Reading(words=100, correct=80, flipped=0, divergence=0.0)
LAYERS = {"first": 1, "middle": 100, "last": 10}  # multiplications
TURNED = {"first": 1, "last": 2, "middle": 5}  # words; for its multiplications, the first the most


def reader(cost: dict[str, int]) -> Callable[[list[str]], Reading]:
    """Words that flip, by the layers that are quantised; half of them were right."""

    def read(whole: list[str]) -> Reading:
        flipped = sum(words for name, words in cost.items() if name not in whole)
        return Reading(100, 80 - flipped // 2, flipped, flipped / 100)

    return read


@pytest.mark.parametrize(
    ("cost", "whole"),
    [
        ({"first": 0, "middle": 1, "last": 0}, []),
        ({"first": 5, "middle": 1, "last": 0}, ["first"]),
        ({"first": 5, "middle": 1, "last": 5}, ["first", "last"]),
    ],
)
def test_layers_are_given_back_until_the_budget_holds(cost: dict[str, int], whole: list[str]) -> None:
    chosen, found = choose_whole(LAYERS, reader(cost), lambda _: TURNED, ORIGINAL, Budget(0.02, 0.02))
    assert chosen == whole
    assert [step["whole"] for step in found["steps"]] == [whole[:count] for count in range(len(whole) + 1)]
    assert [step.get("turned") for step in found["steps"]] == [*[TURNED] * len(whole), None]


def test_far_over_the_budget_more_are_given_back_at_a_step() -> None:
    layers = {f"layer{number}": 1 for number in range(24)}
    chosen, found = choose_whole(
        layers, reader(dict.fromkeys(layers, 3)), lambda _: {}, ORIGINAL, Budget(accuracy_drop=0.05, flipped=0.05)
    )
    assert [len(step["whole"]) for step in found["steps"]] == [0, 1, 3, 7, 15, 19, 20, 21, 22, 23]
    assert len(chosen) == 23


def test_a_network_that_8_bits_do_not_suit_is_refused() -> None:
    cost = {"first": 5, "middle": 5, "last": 5}
    with pytest.raises(UserError, match=r"all of them turn 15.0% of the 100 calibration words and lose 7.0%. Allow"):
        choose_whole(LAYERS, reader(cost), lambda _: TURNED, ORIGINAL, Budget(0.02, 0.02))


def test_a_layer_that_turns_words_goes_before_a_cheaper_one_and_the_cheapest_where_none_does() -> None:
    read, budget = reader({"first": 5, "middle": 5, "last": 1}), Budget(0.02, 0.02)
    guilty = choose_whole(LAYERS, read, lambda _: {"middle": 1}, ORIGINAL, budget)[0]
    assert guilty == ["middle", "first"]


@pytest.mark.parametrize(("drop", "flipped", "holds"), [(0.02, 0.04, True), (0.01, 0.04, False), (0.02, 0.03, False)])
def test_a_budget_is_of_accuracy_and_of_flips(drop: float, flipped: float, holds: bool) -> None:
    assert Budget(drop, flipped).holds(ORIGINAL, Reading(100, 78, 4, 0.1)) is holds


def test_divergence_is_zero_for_equal_outputs_and_grows() -> None:
    random = np.random.default_rng(0)

    def outputs(noise: float) -> Array:
        logits = np.random.default_rng(1).normal(size=(5, 2, 4)) + noise * random.normal(size=(5, 2, 4))
        return (logits - np.log(np.exp(logits).sum(2, keepdims=True))).astype(np.float32)

    assert divergence(outputs(0), outputs(0)) == pytest.approx(0, abs=1e-6)
    assert 0 < divergence(outputs(0), outputs(0.1)) < divergence(outputs(0), outputs(1))


def test_the_runtime_that_observes_names_every_output(fixed: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(fixed, tmp_path / "fixed.onnx")
    runtime = ort.OnnxSession(tmp_path / "fixed.onnx", 1)
    batch = images(1, 40)
    np.testing.assert_array_equal(runtime.observe({"imgs": batch})["output1"], runtime.infer(batch))
