"""Convolutions by fewer multiplications: the same numbers up to rounding, whatever the width."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from crnn.core.errors import UserError
from crnn.model.export import export_onnx
from crnn.model.opset import check_opset
from crnn.model.parity import prove_equal
from crnn.model.precision.convert import convert, prove_types
from crnn.model.precision.winograd import by_winograd
from crnn.runtimes.onnxruntime import cpu as ort
from examples import CONTRACT
from networks import EXPORTS, Array, load_graph, repaired, small_network

pytestmark = EXPORTS

PLAIN = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def convolution(
    inputs: int = 2, outputs: int = 3, bias: bool = True, opset: int = 13, **attributes: Any
) -> onnx.ModelProto:
    """One Conv from [N, inputs, H, W], whose weights are noise. `attributes` beside or instead of those of PLAIN."""
    attributes = PLAIN | attributes
    random = np.random.default_rng(inputs)
    shape = (outputs, inputs // attributes.get("group", 1), *attributes["kernel_shape"])
    constants = {"weight": random.normal(size=shape), **({"bias": random.normal(size=outputs)} if bias else {})}
    node = helper.make_node("Conv", ["image", *constants], ["found"], name="conv", **attributes)
    graph = helper.make_graph(
        [node],
        "convolution",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", inputs, "H", "W"])],
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, ["N", outputs, "H2", "W2"])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def noise(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 5),
    width=st.integers(1, 21),
    bias=st.booleans(),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_a_convolution_stays_what_it_was(
    batch: int, height: int, width: int, bias: bool, channels: tuple[int, int]
) -> None:
    model = convolution(*channels, bias=bias)
    image = noise(batch, channels[0], height, width)
    (direct,), (rewritten,) = load_graph(model)(image), load_graph(by_winograd(model, fewest=1))(image)
    np.testing.assert_allclose(rewritten, direct, atol=2e-5)


def test_half_the_multiplications_are_left() -> None:
    model = by_winograd(convolution(64, 32), fewest=32)
    factors = [numpy_helper.to_array(entry) for entry in model.graph.initializer]
    kernels = [factor for factor in factors if factor.shape == (32, 64, 3, 1)]
    assert len(kernels) == 6  # 6 of 3 × 1 for 4 columns, instead of 4 of 3 × 3
    assert not [factor for factor in factors if factor.shape == (32, 64, 3, 3)]


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 1], "pads": [1, 0, 1, 0]},
        {"kernel_shape": [2, 2], "pads": [0, 0, 0, 0]},
        {"pads": [0, 0, 0, 0]},
        {"pads": [1, 1, 1, 0]},
        {"strides": [2, 1]},
        {"dilations": [2, 2]},
        {"group": 2},
        {"inputs": 3},
        {"outputs": 2},
    ],
)
def test_another_convolution_is_left_alone(attributes: dict[str, Any]) -> None:
    model = convolution(**({"inputs": 4, "outputs": 4} | attributes))
    with pytest.raises(
        UserError, match="variant winograd: the model has no plain convolution of 3 × 3 from and to 4 chan"
    ):
        by_winograd(model, fewest=4)


@pytest.mark.parametrize("opset", [11, 12, 13])
def test_every_opset_of_an_export_will_do(opset: int) -> None:
    model = by_winograd(convolution(opset=opset), fewest=1)
    check_opset(model)
    assert load_graph(model)(noise(1, 2, 3, 7))[0].shape == (1, 3, 3, 7)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    export_onnx(small_network(), CONTRACT, folder / "raw.onnx")
    onnx.save(repaired(folder / "raw.onnx"), folder / "fixed.onnx")
    return folder / "fixed.onnx"


def test_the_network_reads_the_same_at_every_batch_and_width(fixed: Path, tmp_path: Path) -> None:
    model = by_winograd(onnx.load(fixed), fewest=4)
    check_opset(model)
    assert prove_types(model, "winograd")["Conv"] == {"float": 1 + 5 * 6 + 1}
    onnx.save(model, tmp_path / "winograd.onnx")
    (file,) = ort.build(tmp_path / "winograd.onnx", tmp_path, {})
    built = ort.load(file, {}, threads=1)
    assert prove_equal(ort.OnnxSession(fixed, 1).infer, built.infer, CONTRACT, 1e-3, "fixed and winograd") > 0


def test_a_network_with_few_channels_has_nothing_to_gain(fixed: Path) -> None:
    with pytest.raises(UserError, match="from and to 256 channels or more, so there is nothing to gain; take prec"):
        convert(onnx.load(fixed), "winograd")
