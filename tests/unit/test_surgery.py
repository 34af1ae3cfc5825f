"""Graph surgery: each pass on the smallest graph that shows its pattern and on every way the pattern can be broken.

A pass may rewrite a place or leave it alone; it may never change what the graph computes. Every graph here is run
before and after.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.parser
import onnx_graphsurgeon as gs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from configs import SCHEMA, checked
from crnn.core.errors import UserError
from crnn.model.network import NetworkSize
from crnn.model.opset import check_opset
from crnn.model.parity import random_images
from crnn.model.surgery import PASSES, SHAPE_OPERATORS, Step, operate
from examples import CONTRACT
from networks import (
    EXPORTS,
    SMALL,
    Array,
    Graph,
    export_as_is,
    images,
    load_graph,
    recipe_network,
    small_network,
)

pytestmark = EXPORTS

ROOT = Path(__file__).parents[2]
FEATURES, HIDDEN = 4, 3
Constants = dict[str, npt.NDArray[Any]]


def random_constants(directions: int = 1, features: int = FEATURES, hidden: int = HIDDEN) -> Constants:
    """Weights W, R and B of an ONNX LSTM, and small integers to name axes and slices with."""
    random = np.random.default_rng(0)
    shapes = {
        "W": (directions, 4 * hidden, features),
        "R": (directions, 4 * hidden, hidden),
        "B": (directions, 8 * hidden),
    }
    return {
        **{name: random.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()},
        **{name: np.array([value], np.int64) for name, value in {"m1": -1, "zero": 0, "one": 1, "two": 2}.items()},
        "first": np.array([np.iinfo(np.int64).min + 1], np.int64),
    }


def model(text: str, constants: Constants, opset: int = 13) -> onnx.ModelProto:
    """A model from the text of its graph, its constants as initialisers."""
    parsed = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\ng {text}')
    used = {name for node in parsed.graph.node for name in node.input}
    given = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    parsed.graph.initializer.extend(given)
    onnx.checker.check_model(parsed, full_check=True)
    return parsed


def apply(name: str, before: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """One pass on a model, and what it says it matched; the result is valid ONNX."""
    graph = gs.import_onnx(before)
    matched = PASSES[name](graph)
    after = tidy(graph)
    onnx.checker.check_model(after, full_check=True)
    return after, matched


def tidy(graph: gs.Graph) -> onnx.ModelProto:
    """What every pass is followed by: nodes out of use removed, the rest in order."""
    return gs.export_onnx(graph.cleanup().toposort())


def census(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


def wiring(graph: onnx.ModelProto) -> list[tuple[str, list[str], list[str]]]:
    return [(node.op_type, list(node.input), list(node.output)) for node in graph.graph.node]


def assert_same(before: onnx.ModelProto, after: onnx.ModelProto, *inputs: npt.NDArray[Any]) -> None:
    expected, actual = load_graph(before)(*inputs), load_graph(after)(*inputs)
    assert len(expected) == len(actual)
    for a, b in zip(expected, actual, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, atol=1e-6)


def assert_untouched(name: str, before: onnx.ModelProto, *inputs: npt.NDArray[Any]) -> None:
    after, matched = apply(name, before)
    assert matched == []
    assert wiring(after) == wiring(tidy(gs.import_onnx(before)))
    assert_same(before, after, *inputs)


def sequence(steps: int = 5, batch: int = 2, features: int = FEATURES, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(steps, batch, features)).astype(np.float32)


# --- drop_zero_states --------------------------------------------------------------------------------------

ZEROS = np.zeros((1, 2, HIDDEN), np.float32)
ONES = np.ones((1, 2, HIDDEN), np.float32)
WITH_STATES = "(float[T, N, 4] x) => (float[T, 1, N, 3] y) { y = LSTM <hidden_size = 3> (x, W, R, B, lengths, h, c) }"
# As the exporters write it: zeros of [1, batch, hidden], the batch taken from the input.
ZEROS_BY_SHAPE = """
    shape = Shape (x)
    batch = Gather <axis = 0> (shape, one)
    size = Concat <axis = 0> (one, batch, three)
    z = ConstantOfShape {value} (size)
"""


def states(h: Array, c: Array, *, lengths: str = '""') -> onnx.ModelProto:
    text = WITH_STATES.replace("lengths", lengths)
    return model(text, random_constants() | {"h": h, "c": c, "lengths": np.array([5, 3], np.int32)})


def states_by_shape(body: str, value: str = "", h: str = "z", c: str = "z") -> onnx.ModelProto:
    lstm = f'y = LSTM <hidden_size = 3> (x, W, R, B, "", {h}, {c})'
    text = f"(float[T, N, 4] x) => (float[T, 1, N, 3] y) {{ {ZEROS_BY_SHAPE.format(value=value)} {body} {lstm} }}"
    return model(text, random_constants() | {"three": np.array([3], np.int64), "fill": np.array([1.5], np.float32)})


def test_zero_states_go() -> None:
    before = states(ZEROS, ZEROS)
    after, matched = apply("drop_zero_states", before)
    assert len(matched) == 1
    assert list(after.graph.node[0].input) == ["x", "W", "R", "B"]
    assert_same(before, after, sequence())


def test_a_static_batch_goes_with_the_zero_states() -> None:
    after, _ = apply("drop_zero_states", states(ZEROS[:, :1], ZEROS[:, :1]))
    for batch in (1, 2, 7):
        assert load_graph(after)(sequence(batch=batch))[0].shape == (5, 1, batch, HIDDEN)


@pytest.mark.parametrize(
    ("body", "value", "state"),
    [
        ("", "", "z"),
        ("", "<value = float[1] {0.0}>", "z"),
        ("e = Expand (z, size)  t = Transpose <perm = [0, 1, 2]> (e)", "", "t"),
    ],
    ids=["default fill", "fill of zero", "rearranged"],
)
def test_zeros_made_to_the_batch_go_with_the_nodes_that_make_them(body: str, value: str, state: str) -> None:
    before = states_by_shape(body, value, state, state)
    after, matched = apply("drop_zero_states", before)
    assert len(matched) == 1
    assert census(after) == {"LSTM": 1}
    assert_same(before, after, sequence(batch=3))


def test_sequence_lengths_stay_when_zero_states_go() -> None:
    before = states(ZEROS, ZEROS, lengths="lengths")
    after, matched = apply("drop_zero_states", before)
    assert len(matched) == 1
    assert list(after.graph.node[0].input) == ["x", "W", "R", "B", "lengths"]
    assert_same(before, after, sequence())


@pytest.mark.parametrize(
    ("h", "c"), [(ONES, ONES), (ZEROS, ONES), (ONES, ZEROS)], ids=["neither is zero", "c is not", "h is not"]
)
def test_states_that_are_not_both_zero_stay(h: Array, c: Array) -> None:
    assert_untouched("drop_zero_states", states(h, c), sequence())


def test_a_fill_that_is_not_zero_stays() -> None:
    assert_untouched("drop_zero_states", states_by_shape("", "<value = float[1] {0.5}>"), sequence())


def test_computed_states_stay() -> None:
    assert_untouched("drop_zero_states", states_by_shape("s = Add (z, fill)", h="s", c="z"), sequence())


def test_states_that_are_inputs_stay() -> None:
    inputs = "(float[T, N, 4] x, float[1, N, 3] h, float[1, N, 3] c)"
    text = WITH_STATES.replace("(float[T, N, 4] x)", inputs).replace("lengths", '""')
    assert_untouched("drop_zero_states", model(text, random_constants()), sequence(), ONES, ZEROS)


def test_zero_states_before_peepholes_stay() -> None:
    text = WITH_STATES.replace("h, c)", "h, c, P)").replace("lengths", '""')
    peepholes = np.random.default_rng(2).normal(size=(1, 3 * HIDDEN)).astype(np.float32)
    before = model(text, random_constants() | {"h": ZEROS, "c": ZEROS, "P": peepholes})
    assert_untouched("drop_zero_states", before, sequence())


# --- split_bidirectional -----------------------------------------------------------------------------------


def bidirectional(
    *,
    attributes: str = "",
    inputs: str = "x, W, R, B",
    outputs: str = "y",
    perm: str = "[0, 2, 1, 3]",
    shape: tuple[int, ...] = (0, 0, -1),
    more: str = "",
    given: str = "",
    result: str = "float[T, N, 6] z",
    opset: int = 13,
) -> onnx.ModelProto:
    """LSTM(bidirectional) → Transpose → Reshape, as PyTorch exports it, with one part changed."""
    text = f"""(float[T, N, 4] x {given}) => ({result}) {{
        {outputs} = LSTM <hidden_size = 3, direction = "bidirectional" {attributes}> ({inputs})
        t = Transpose <perm = {perm}> (y)
        z = Reshape (t, shape)
        {more}
    }}"""
    constants = {"shape": np.array(shape, np.int64), "lengths": np.array([5, 3], np.int32)}
    return model(text, random_constants(directions=2) | constants, opset)


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("shape", [(0, 0, -1), (0, 0, 2 * HIDDEN)])
@pytest.mark.parametrize("inputs", ["x, W, R, B", "x, W, R"])
def test_a_bidirectional_lstm_becomes_two(opset: int, shape: tuple[int, ...], inputs: str) -> None:
    before = bidirectional(shape=shape, inputs=inputs, opset=opset)
    after, matched = apply("split_bidirectional", before)
    assert len(matched) == 1
    assert census(after) == {"LSTM": 2, "Concat": 1, "Squeeze": 1}
    for steps, batch in ((1, 1), (5, 2)):
        assert_same(before, after, sequence(steps, batch))


BROKEN_BIDIRECTIONAL = {
    "other activations": bidirectional(
        attributes=', activations = ["Sigmoid", "Relu", "Tanh", "Sigmoid", "Tanh", "Tanh"]'
    ),
    "a clip": bidirectional(attributes=", clip = 0.1"),
    "the last state is given out": bidirectional(outputs="y, h", result="float[T, N, 6] z, float[2, N, 3] h"),
    "the last state is read": bidirectional(
        outputs="y, h", more="s = Relu (h)", result="float[T, N, 6] z, float[2, N, 3] s"
    ),
    "the last cell is read": bidirectional(
        outputs='y, "", c', more="s = Relu (c)", result="float[T, N, 6] z, float[2, N, 3] s"
    ),
    "sequence lengths": bidirectional(inputs="x, W, R, B, lengths"),
    "weights that are computed": bidirectional(inputs="x, W, R, b", given=", float[2, 24] b"),
    "another transposition": bidirectional(perm="[2, 0, 1, 3]"),
    "another shape": bidirectional(shape=(0, -1, 3), result="float[T, M, 3] z"),
    "the transposed output is read elsewhere": bidirectional(
        more="s = Relu (t)", result="float[T, N, 6] z, float[T, N, 2, 3] s"
    ),
    "the output is read elsewhere": bidirectional(more="s = Relu (y)", result="float[T, N, 6] z, float[T, 2, N, 3] s"),
    "the output is given out": bidirectional(result="float[T, N, 6] z, float[T, 2, N, 3] y"),
}


@pytest.mark.parametrize("fault", BROKEN_BIDIRECTIONAL)
def test_a_broken_bidirectional_pattern_stays(fault: str) -> None:
    more = [np.ones((2, 24), np.float32)] if "computed" in fault else []
    assert_untouched("split_bidirectional", BROKEN_BIDIRECTIONAL[fault], sequence(), *more)


def test_a_transposition_without_axes_reverses_them_and_stays() -> None:
    text = """(float[T, N, 4] x) => (float[M] z) {
        y = LSTM <hidden_size = 3, direction = "bidirectional"> (x, W, R, B)
        t = Transpose (y)
        z = Reshape (t, m1)
    }"""
    assert_untouched("split_bidirectional", model(text, random_constants(directions=2)), sequence())


def test_a_one_way_lstm_is_not_split() -> None:
    text = """(float[T, N, 4] x) => (float[T, N, 3] z) {
        y = LSTM <hidden_size = 3> (x, W, R, B)
        t = Transpose <perm = [0, 2, 1, 3]> (y)
        z = Reshape (t, shape)
    }"""
    constants = random_constants() | {"shape": np.array([0, 0, -1], np.int64)}
    assert_untouched("split_bidirectional", model(text, constants), sequence())


# --- reverse_direction -------------------------------------------------------------------------------------

FLIP = "m1, first, zero, m1"  # starts, ends, axes, steps


def flipped(
    *,
    before: str = f"f = Slice (x, {FLIP})",
    outputs: str = "y",
    direction: str = "forward",
    states: str = "",
    squeeze: str = "s = Squeeze (y, one)",
    after: str = f"z = Slice (s, {FLIP})",
    result: str = "float[T, N, 3] z",
    opset: int = 13,
) -> onnx.ModelProto:
    """flip → LSTM → Squeeze → flip, as the recipe's network is exported, with one part changed."""
    text = f"""(float[T, N, 4] x) => ({result}) {{
        {before}
        {outputs} = LSTM <hidden_size = 3, direction = "{direction}"> (f, W, R, B {states})
        {squeeze}
        {after}
    }}"""
    constants = {"h": ONES, "c": ONES, **{f"m{i}": np.array([-i], np.int64) for i in (2, 4)}}
    return model(text, random_constants(2 if direction == "bidirectional" else 1) | constants, opset)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (flipped(), {"LSTM": 1, "Squeeze": 1}),
        (flipped(squeeze="s = Squeeze <axes = [1]> (y)", opset=11), {"LSTM": 1, "Squeeze": 1}),
        (flipped(squeeze="", after=f"z = Slice (y, {FLIP})", result="float[T, 1, N, 3] z"), {"LSTM": 1}),
        # The last state is the same one from either point of view.
        (flipped(outputs="y, q", result="float[T, N, 3] z, float[1, N, 3] q"), {"LSTM": 1, "Squeeze": 1}),
    ],
    ids=["opset 13", "opset 11", "no squeeze", "last state given out"],
)
def test_a_flip_around_an_lstm_becomes_its_direction(before: onnx.ModelProto, after: dict[str, int]) -> None:
    fixed, matched = apply("reverse_direction", before)
    assert len(matched) == 1
    assert census(fixed) == after
    for steps, batch in ((1, 1), (5, 2)):
        assert_same(before, fixed, sequence(steps, batch))


def test_a_flip_that_others_read_stays_for_them() -> None:
    before = flipped(after=f"z = Slice (s, {FLIP})  q = Relu (f)", result="float[T, N, 3] z, float[T, N, 4] q")
    fixed, matched = apply("reverse_direction", before)
    assert len(matched) == 1
    assert census(fixed) == {"LSTM": 1, "Squeeze": 1, "Slice": 1, "Relu": 1}
    assert_same(before, fixed, sequence())


def sliced(text: str) -> onnx.ModelProto:
    """The pattern with another Slice at both of its ends."""
    return flipped(before=f"f = Slice (x, {text})", after=f"z = Slice (s, {text})", result="float[M, N, 3] z")


BROKEN_FLIPS = {
    "nothing flipped before": flipped(before="f = Relu (x)"),
    "nothing flipped behind": flipped(after="z = Relu (s)"),
    "batch flipped": sliced("m1, first, one, m1"),
    "batch flipped before": flipped(before="f = Slice (x, m1, first, one, m1)"),
    "batch flipped behind": flipped(after="z = Slice (s, m1, first, one, m1)"),
    "every second step": sliced("m1, first, zero, m2"),
    "forward slices": sliced("zero, two, zero, one"),
    "starts before the last step": sliced("m2, first, zero, m1"),
    "ends after the first step": sliced("m1, m4, zero, m1"),
    "direction is reverse already": flipped(direction="reverse"),
    "two directions": flipped(
        direction="bidirectional", squeeze="", after=f"z = Slice (y, {FLIP})", result="float[T, 2, N, 3] z"
    ),
    "initial states": flipped(states=', "", h, c'),
    "the squeezed output is read elsewhere": flipped(
        after=f"z = Slice (s, {FLIP})  q = Relu (s)", result="float[T, N, 3] z, float[T, N, 3] q"
    ),
    "the output is read elsewhere": flipped(
        after=f"z = Slice (s, {FLIP})  q = Relu (y)", result="float[T, N, 3] z, float[T, 1, N, 3] q"
    ),
    "the squeezed output is given out": flipped(result="float[T, N, 3] z, float[T, N, 3] s"),
}


@pytest.mark.parametrize("fault", BROKEN_FLIPS)
def test_a_broken_flip_stays(fault: str) -> None:
    assert_untouched("reverse_direction", BROKEN_FLIPS[fault], sequence())


def test_a_flip_behind_the_squeeze_of_another_axis_stays() -> None:
    before = flipped(squeeze="s = Squeeze (y, two)", result="float[T, 1, 3] z")
    assert_untouched("reverse_direction", before, sequence(batch=1))


# --- gemm_to_matmul ----------------------------------------------------------------------------------------


def linear(
    *,
    given: str = "float[T, N, 4] x",
    before: str = "",
    flat: str = "tn, c",
    flatten: str = "f = Reshape (x, flat)",
    attributes: str = "transB = 1",
    operands: str = "f, weight, bias",
    back: str = "t, n, m1",
    restore: str = "z = Reshape (g, back)",
    result: str = "float[T, N, M] z",
    opset: int = 13,
) -> onnx.ModelProto:
    """Reshape → Gemm → Reshape over a sequence, with one part changed."""
    text = f"""({given}) => ({result}) {{
        shape = Shape (x)
        t = Gather (shape, zero)
        n = Gather (shape, one)
        c = Gather (shape, two)
        {before}
        tn = Mul (t, n)
        flat = Concat <axis = 0> ({flat})
        {flatten}
        g = Gemm <{attributes}> ({operands})
        back = Concat <axis = 0> ({back})
        {restore}
    }}"""
    random = np.random.default_rng(3)
    shapes = {"weight": (5, 4), "straight": (4, 5), "bias": (5,), "row": (1, 5), "rows": (4, 5), "one_by_one": (1, 1)}
    constants = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    sizes = {"four": [4], "five": [5], "fixed_flat": [-1, 4], "fixed_back": [2, 2, 5]}
    return model(text, random_constants() | constants | {k: np.array(v, np.int64) for k, v in sizes.items()}, opset)


@pytest.mark.parametrize(
    "before",
    [
        linear(),
        linear(opset=11),
        linear(attributes="alpha = 1.0, beta = 1.0, transA = 0, transB = 1"),
        linear(attributes="transB = 0", operands="f, straight, bias"),
        linear(operands="f, weight, row"),
        linear(operands="f, weight, one_by_one"),
        linear(back="t, n, five"),
        linear(before="nt = Mul (n, t)", flat="nt, c"),
    ],
    ids=[
        *(
            "opset 13",
            "opset 11",
            "defaults spelt out",
            "weight not transposed",
            "bias of one row",
            "bias of one number",
        ),
        *("features given", "batch × steps"),
    ],
)
def test_a_linear_layer_over_a_sequence_needs_no_reshape(before: onnx.ModelProto) -> None:
    after, matched = apply("gemm_to_matmul", before)
    assert len(matched) == 1
    assert census(after) == {"MatMul": 1, "Add": 1}
    for steps, batch in ((1, 1), (5, 2)):
        assert_same(before, after, sequence(steps, batch))


BROKEN_LINEAR = {
    "alpha": linear(attributes="transB = 1, alpha = 0.5"),
    "beta": linear(attributes="transB = 1, beta = 2.0"),
    "transposed input": linear(attributes="transA = 1, transB = 1"),
    "no bias": linear(operands="f, weight"),
    "a bias of a row per word": linear(operands="f, weight, rows"),
    "a weight that is computed": linear(before="computed = Relu (weight)", operands="f, computed, bias"),
    "axes come back swapped": linear(back="n, t, m1"),
    "axes of a fixed size": linear(restore="z = Reshape (g, fixed_back)"),
    "four axes come back": linear(back="t, n, m1, one", result="float[T, N, M, K] z"),
    "axes of another tensor": linear(
        before="y = Slice (x, zero, one, two)  other = Shape (y)  n2 = Gather (other, one)", back="t, n2, m1"
    ),
    "features that are computed": linear(before="five_again = Add (four, one)", back="t, n, five_again"),
    "flattened to a fixed shape": linear(flatten="f = Reshape (x, fixed_flat)"),
    "flattened to given features": linear(flat="tn, four"),
    "flattened by a sum": linear(before="sum = Add (t, n)", flat="sum, c"),
    "nothing flattened": linear(flatten="r = Reshape (x, flat)  f = Relu (r)"),
    "nothing comes back": linear(restore="z = Relu (g)", result="float[M, K] z"),
    "the product is read elsewhere": linear(
        restore="z = Reshape (g, back)  q = Relu (g)", result="float[T, N, M] z, float[K, M] q"
    ),
}


@pytest.mark.parametrize("fault", BROKEN_LINEAR)
def test_a_broken_linear_layer_stays(fault: str) -> None:
    assert_untouched("gemm_to_matmul", BROKEN_LINEAR[fault], sequence(2, 2))


def test_a_linear_layer_over_more_than_a_sequence_stays() -> None:
    before = linear(given="float[T, N, 2, 2] x", flat="tn, four")
    assert_untouched("gemm_to_matmul", before, sequence(3, 2).reshape(3, 2, 2, 2))


# --- merge_squeezes ----------------------------------------------------------------------------------------

SQUEEZED = "float[2, 1, 3, 4]"


def pair(shape: tuple[int, ...] = (2, 1, 3, 4), kind: type[np.generic] = np.float32) -> list[npt.NDArray[Any]]:
    random = np.random.default_rng(4)
    return [(10 * random.normal(size=size)).astype(kind) for size in (shape, (2, 1, 3, 4))]


TWO_SQUEEZES = "p = Squeeze (a, one)  q = Squeeze (b, one)"


@pytest.mark.parametrize("squeezed", [0, 1, 2, 3])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("opset", [11, 13])
def test_squeezes_move_behind_the_concat_whatever_the_axes(squeezed: int, axis: int, opset: int) -> None:
    shape = [2, 3, 4]
    shape.insert(squeezed, 1)
    number = {0: "zero", 1: "one", 2: "two", 3: "three"}[squeezed]
    squeezes = [
        f"{out} = Squeeze <axes = [{squeezed}]> ({each})" if opset < 13 else f"{out} = Squeeze ({each}, {number})"
        for out, each in (("p", "a"), ("q", "b"))
    ]
    body = f"{' '.join(squeezes)} z = Concat <axis = {axis}> (p, q)"
    text = f"(float{shape} a, float{shape} b) => (float[A, B, C] z) {{ {body} }}"
    before = model(text, random_constants() | {"three": np.array([3], np.int64)}, opset)
    after, matched = apply("merge_squeezes", before)
    assert len(matched) == 1
    assert census(after) == {"Concat": 1, "Squeeze": 1}
    random = np.random.default_rng(0)
    assert_same(before, after, *(random.normal(size=shape).astype(np.float32) for _ in range(2)))


@pytest.mark.parametrize(("kind", "numpy_kind"), [("int64", np.int64), ("float16", np.float16)])
def test_squeezes_of_any_type_are_merged(kind: str, numpy_kind: type[np.generic]) -> None:
    inputs = f"({kind}[2, 1, 3, 4] a, {kind}[2, 1, 3, 4] b)"
    text = f"{inputs} => ({kind}[A, B, C] z) {{ {TWO_SQUEEZES} z = Concat <axis = 2> (p, q) }}"
    before = model(text, random_constants())
    after, matched = apply("merge_squeezes", before)
    assert len(matched) == 1
    assert_same(before, after, *pair(kind=numpy_kind))


BROKEN_SQUEEZES = {
    "one of them squeezed": "r = Reshape (b, shape)  p = Squeeze (a, one)  z = Concat <axis = 2> (p, r)",
    "two of three squeezed": f"{TWO_SQUEEZES} r = Reshape (b, shape)  z = Concat <axis = 2> (p, q, r)",
    "one read elsewhere": f"{TWO_SQUEEZES} r = Relu (p)  w = Concat <axis = 2> (p, q)  z = Concat <axis = 2> (w, r)",
    "one given out": f"{TWO_SQUEEZES} z = Concat <axis = 2> (p, q)",
    "one joined with itself": "p = Squeeze (a, one)  w = Concat <axis = 2> (p, p)  q = Relu (b)  "
    "r = Reshape (q, shape)  z = Concat <axis = 2> (w, r)",
    "axes counted from the end": "p = Squeeze (a, m3)  q = Squeeze (b, m3)  z = Concat <axis = 2> (p, q)",
    "join counted from the end": f"{TWO_SQUEEZES} z = Concat <axis = -1> (p, q)",
    "all axes of one squeezed": "p = Squeeze (a)  q = Squeeze (b)  z = Concat <axis = 2> (p, q)",
}


@pytest.mark.parametrize("fault", BROKEN_SQUEEZES)
def test_broken_squeezes_stay(fault: str) -> None:
    results = "float[A, B, C] z" + (", float[A, B, C] p" if "given out" in fault else "")
    text = f"({SQUEEZED} a, {SQUEEZED} b) => ({results}) {{ {BROKEN_SQUEEZES[fault]} }}"
    constants = {"m3": np.array([-3], np.int64), "shape": np.array([2, 3, 4], np.int64)}
    assert_untouched("merge_squeezes", model(text, random_constants() | constants), *pair())


def test_squeezes_of_different_axes_stay() -> None:
    text = "(float[1, 2, 3, 4] a, float[2, 1, 3, 4] b) => (float[A, B, C] z) "
    body = "{ p = Squeeze (a, zero)  q = Squeeze (b, one)  z = Concat <axis = 2> (p, q) }"
    assert_untouched("merge_squeezes", model(text + body, random_constants()), *pair((1, 2, 3, 4)))


def test_squeezes_of_two_axes_stay() -> None:
    text = "(float[2, 1, 1, 4] a, float[2, 1, 1, 4] b) => (float[A, B] z) "
    body = "{ p = Squeeze (a, axes)  q = Squeeze (b, axes)  z = Concat <axis = 1> (p, q) }"
    words = [np.ones((2, 1, 1, 4), np.float32), np.zeros((2, 1, 1, 4), np.float32)]
    assert_untouched("merge_squeezes", model(text + body, {"axes": np.array([1, 2], np.int64)}), *words)


# --- take_classes ------------------------------------------------------------------------------------------

LAYER = (
    "(float[T, N, 4] x) => (float[T, N, K] z) {{ p = MatMul (x, W)  q = Add (p, b)  z = Gather <axis = {}> (q, i) }}"
)
COLUMNS = {
    "W": np.arange(20, dtype=np.float32).reshape(4, 5),
    "b": np.arange(5, dtype=np.float32),
    "i": np.array([0, 3, -1], np.int64),
}


@pytest.mark.parametrize("axis", [2, -1])
def test_a_layer_computes_the_classes_alone_that_are_kept(axis: int) -> None:
    before = model(LAYER.format(axis), COLUMNS)
    after, matched = apply("take_classes", before)
    assert len(matched) == 1
    assert census(after) == {"MatMul": 1, "Add": 1}
    assert {tuple(initialiser.dims) for initialiser in after.graph.initializer} == {(4, 3), (3,)}
    assert_same(before, after, sequence())


@pytest.mark.parametrize(
    "text",
    [
        LAYER.format(0).replace("float[T, N, K]", "float[3, N, 5]"),  # time steps, and no classes
        LAYER.format(2).replace("=> (float[T, N, K] z)", "=> (float[T, N, K] z, float[T, N, 5] q)"),  # read elsewhere
        LAYER.format(2).replace("Add (p, b)", "Mul (p, b)"),
    ],
)
def test_any_other_layer_stays(text: str) -> None:
    assert_untouched("take_classes", model(text, COLUMNS), sequence())


# --- fold_constants and prune_unused -----------------------------------------------------------------------


def test_what_depends_on_no_input_is_computed_once() -> None:
    text = "(float[N] x) => (float[N] z) { [twice] p = Add (k, k)  [cubed] q = Mul (p, k)  z = Add (x, q) }"
    before = model(text, {"k": np.array([3], np.float32)})
    after, matched = apply("fold_constants", before)
    assert matched == ["cubed", "twice"]
    assert census(after) == {"Add": 1}
    assert_same(before, after, np.array([1, 2], np.float32))


def test_what_depends_on_an_input_is_not_folded() -> None:
    before = model("(float[N] x) => (float[N] z) { p = Add (x, k)  z = Mul (p, k) }", {"k": np.array([3], np.float32)})
    assert_untouched("fold_constants", before, np.array([1, 2], np.float32))


def test_what_nothing_reads_is_pruned() -> None:
    text = """(float[T, N, 4] x) => (float[T, 1, N, 3] y) {
        y, h, c = LSTM <hidden_size = 3> (x, W, R, B)
        d = Relu (unread)
    }"""
    before = model(text, random_constants() | {"unread": np.ones(1000, np.float32)})
    after, matched = apply("prune_unused", before)
    assert {"h", "c", "d", "unread"} <= set(matched)
    assert [list(node.output) for node in after.graph.node] == [["y"]]
    assert {initialiser.name for initialiser in after.graph.initializer} == {"W", "R", "B"}
    assert_same(before, after, sequence())


def test_outputs_are_never_pruned() -> None:
    text = (
        "(float[T, N, 4] x) => (float[T, 1, N, 3] y, float[1, N, 3] h) { y, h = LSTM <hidden_size = 3> (x, W, R, B) }"
    )
    assert_untouched("prune_unused", model(text, random_constants()), sequence())


# --- the list of passes ------------------------------------------------------------------------------------

# What the config does by default, on this workflow's own exports.
DEFAULT = [Step.from_settings(entry) for entry in checked()["models"]["crnn"]["surgery"]]
# The recipe's network has no bidirectional LSTM to split, and has the rest.
FOR_RECIPE = [
    Step(step.name, required=step.name in {"drop_zero_states", "reverse_direction", "gemm_to_matmul", "merge_squeezes"})
    for step in DEFAULT
]
FIXED_CENSUS = {
    **{"Conv": 7, "Relu": 7, "MaxPool": 4, "Squeeze": 3, "Transpose": 1, "LSTM": 4},
    **{"Concat": 2, "MatMul": 2, "Add": 2, "LogSoftmax": 1},
}
FORMS = ["bidirectional", "recipe"]


def raw_model(form: str, opset: int, directory: Path, size: NetworkSize = SMALL, seed: int = 0) -> onnx.ModelProto:
    network = small_network(seed, size)
    exported = network if form == "bidirectional" else recipe_network(network, size)
    return export_as_is(exported, directory / "raw.onnx", opset)


def steps_for(form: str) -> list[Step]:
    return DEFAULT if form == "bidirectional" else FOR_RECIPE


def largest(first: Graph, second: Graph, batch: Array) -> float:
    a, b = first(batch)[0], second(batch)[0]
    assert a.shape == b.shape
    return float(np.abs(a - b).max())


@pytest.mark.parametrize("opset", [11, 12, 13])
@pytest.mark.parametrize("form", FORMS)
def test_both_exports_of_a_crnn_become_the_same_33_nodes(form: str, opset: int, tmp_path: Path) -> None:
    raw = raw_model(form, opset, tmp_path)
    fixed, *_ = operate(raw, steps_for(form))
    assert census(fixed) == FIXED_CENSUS
    assert sum(FIXED_CENSUS.values()) == len(fixed.graph.node) == 33
    assert not {"Shape", "Gather", "Slice", "ConstantOfShape", "Reshape", "Gemm"} & census(fixed).keys()
    assert [node.op_type for node in fixed.graph.node if not node.name] == []
    used = {name for node in fixed.graph.node for name in node.input}
    assert {initialiser.name for initialiser in fixed.graph.initializer} <= used
    check_opset(fixed)


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("form", FORMS)
def test_raw_and_fixed_agree_on_every_batch_and_width(form: str, opset: int, tmp_path: Path) -> None:
    raw = raw_model(form, opset, tmp_path)
    fixed, *_ = operate(raw, steps_for(form))
    before, after = load_graph(raw), load_graph(fixed)
    assert max(largest(before, after, batch) for batch in random_images(CONTRACT)) <= 1e-5


def direction(lstm: onnx.NodeProto) -> str:
    stated = [attribute.s.decode() for attribute in lstm.attribute if attribute.name == "direction"]
    return stated[0] if stated else "forward"


@pytest.mark.parametrize("form", FORMS)
def test_the_forward_half_comes_first(form: str, tmp_path: Path) -> None:
    fixed, *_ = operate(raw_model(form, 13, tmp_path), steps_for(form))
    producers = {output: node for node in fixed.graph.node for output in node.output}
    joins = [node for node in fixed.graph.node if node.op_type == "Concat"]
    for join in joins:
        assert [direction(producers[name]) for name in join.input] == ["forward", "reverse"]


SIZES_OF_NETWORKS = st.builds(
    NetworkSize,
    channels=st.lists(st.integers(1, 4), min_size=7, max_size=7).map(tuple),
    hidden=st.integers(1, 5),
    classes=st.integers(2, 12),
)


@settings(max_examples=6, deadline=None)
@given(form=st.sampled_from(FORMS), size=SIZES_OF_NETWORKS, seed=st.integers(0, 99), width=st.integers(32, 60))
def test_any_crnn_computes_the_same_after_surgery(
    tmp_path_factory: pytest.TempPathFactory, form: str, size: NetworkSize, seed: int, width: int
) -> None:
    raw = raw_model(form, 13, tmp_path_factory.mktemp("any"), size, seed)
    fixed, *_ = operate(raw, steps_for(form))
    assert census(fixed) == FIXED_CENSUS
    assert largest(load_graph(raw), load_graph(fixed), images(2, width, seed)) <= 1e-5


@settings(max_examples=25, deadline=None)
@given(
    form=st.sampled_from([bidirectional, flipped]),
    steps=st.integers(1, 9),
    batch=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_directions_agree_on_any_sequence(form: Any, steps: int, batch: int, seed: int) -> None:
    before = form()
    names = ["split_bidirectional", "reverse_direction", "prune_unused"]
    after, matched, _ = operate(before, [Step(name) for name in names])
    assert len([*matched["split_bidirectional"], *matched["reverse_direction"]]) == 1
    assert_same(before, after, sequence(steps, batch, seed=seed))


def test_surgery_of_a_fixed_model_finds_nothing_more(tmp_path: Path) -> None:
    fixed, *_ = operate(raw_model("recipe", 13, tmp_path), FOR_RECIPE)
    again, matched, _ = operate(fixed, [Step(step.name) for step in FOR_RECIPE])
    assert not any(matched.values())
    assert again.SerializeToString() == fixed.SerializeToString()


def test_the_same_surgery_gives_the_same_bytes(tmp_path: Path) -> None:
    raw = raw_model("bidirectional", 13, tmp_path)
    assert operate(raw, DEFAULT)[0].SerializeToString() == operate(raw, DEFAULT)[0].SerializeToString()


@pytest.mark.parametrize("name", ["reverse_direction", "gemm_to_matmul", "merge_squeezes"])
def test_a_required_pass_that_matches_nothing_is_an_error(name: str, tmp_path: Path) -> None:
    raw = raw_model("bidirectional", 13, tmp_path)
    with pytest.raises(
        UserError, match=f"surgery pass {name}: matched nothing, but is required.*2 LSTM.*required: false"
    ):
        operate(raw, [Step(name, required=True)])


@pytest.mark.parametrize("missing", ["split_bidirectional", "drop_zero_states"])
def test_shape_operators_that_are_left_are_counted(missing: str, tmp_path: Path) -> None:
    raw = raw_model("bidirectional", 13, tmp_path)
    fixed, _, left = operate(raw, [Step(step.name) for step in DEFAULT if step.name != missing])
    assert left.keys() & {"Reshape", "Shape"}
    assert left == {name: count for name, count in census(fixed).items() if name in SHAPE_OPERATORS}
    assert operate(raw, DEFAULT)[2] == {}


def test_the_metadata_of_a_file_stays(tmp_path: Path) -> None:
    raw = raw_model("bidirectional", 13, tmp_path)
    onnx.helper.set_model_props(raw, {"contract": "{}"})
    fixed, *_ = operate(raw, DEFAULT)
    assert [(entry.key, entry.value) for entry in fixed.metadata_props] == [("contract", "{}")]


def test_an_unknown_pass_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"surgery pass 'fold': expected one of fold_constants, .*prune_unused"):
        Step.from_settings({"pass": "fold"})


def test_the_config_knows_every_pass() -> None:
    assert SCHEMA["$defs"]["surgery"]["items"]["properties"]["pass"]["enum"] == list(PASSES)


def test_a_pass_may_come_twice_and_reports_both(tmp_path: Path) -> None:
    raw = raw_model("recipe", 13, tmp_path)
    _, once, _ = operate(raw, FOR_RECIPE)
    _, twice, _ = operate(raw, [*FOR_RECIPE, Step("prune_unused")])
    assert twice["prune_unused"] == once["prune_unused"] != []


def test_nodes_without_names_are_told_apart(tmp_path: Path) -> None:
    raw = raw_model("bidirectional", 13, tmp_path)
    for node in raw.graph.node:
        node.ClearField("name")
    fixed, matched, _ = operate(raw, DEFAULT)
    assert len(set(matched["split_bidirectional"])) == 2
    assert largest(load_graph(raw), load_graph(fixed), images(2, 64)) <= 1e-5
