"""The recogniser's contract: written and read without loss, and held against the tensors that a model is given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.model.charset import Charset
from crnn.model.contract import METADATA, Contract, Input, Output, Steps
from examples import CONTRACT

fixed_sizes = st.none() | st.integers(1, 400)
characters = st.lists(st.text(max_size=3), min_size=1, max_size=9).filter(any)


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    """Any images that a network may take."""
    channels = draw(st.sampled_from([1, 3]))
    numbers = st.sampled_from([1, channels]).flatmap(
        lambda count: st.tuples(*[st.floats(0.01, 2, allow_nan=False)] * count)
    )
    colour = draw(st.sampled_from(["gray"] if channels == 1 else ["gray", "rgb", "bgr"]))
    return Input(draw(st.integers(8, 96)), channels, colour, draw(numbers), draw(numbers))


contracts = st.builds(
    Contract,
    charset=characters.map(Charset),
    input=inputs(),
    output=st.builds(Output, st.sampled_from(["TNC", "NTC"]), st.just("probabilities"), st.just("last")),
    steps=st.none() | st.builds(Steps, st.integers(1, 16), st.integers(-16, 16)),
    batch=fixed_sizes,
    width=fixed_sizes,
)


@given(contracts)
def test_a_contract_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, contract: Contract) -> None:
    path = tmp_path_factory.mktemp("contract") / "contract.json"
    contract.write(path)
    assert Contract.read(path) == contract


def test_the_metadata_of_an_onnx_file_is_the_contract_in_one_line() -> None:
    contract = Contract(Charset(["一", "\n", "ab"]))
    (text,) = contract.metadata().values()
    assert contract.metadata().keys() == {METADATA}
    assert "一" in text
    assert "\n" not in text


@pytest.mark.parametrize("content", ["{}", '{"charset": 1}', "[]"])
def test_a_file_of_something_else_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "contract.json").write_text(content)
    with pytest.raises(UserError, match=r"contract\.json: is no contract of a recogniser .* delete it and run again"):
        Contract.read(tmp_path / "contract.json")


# --- images ------------------------------------------------------------------------------------------------


@given(inputs())
def test_the_affine_turns_tensors_into_what_the_network_was_trained_on(told: Input) -> None:
    level = np.linspace(0, 1, 5)
    for channel, (scale, shift) in enumerate(told.affine):
        mean, std = (values[channel % len(values)] for values in (told.mean, told.std))
        np.testing.assert_allclose((level - 0.5) / 0.5 * scale + shift, (level - mean) / std, atol=1e-9)
    assert len(told.affine) == told.channels


def test_gray_images_are_tensors_of_one_channel_whatever_the_network_takes() -> None:
    assert Input(channels=3, colour="gray").tensor_channels == 1
    assert Input(channels=3, colour="bgr").tensor_channels == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 3}, "input.colour is missing; of three channels expected gray, rgb or bgr"),
        ({"colour": "bgr"}, "input.colour is 'bgr'; with channels: 1 expected gray"),
        ({"channels": 3, "colour": "hsv"}, "input.colour is 'hsv'"),
        ({"mean": [0.1, 0.2, 0.3]}, r"input.mean is \[0.1, 0.2, 0.3\]; expected one number, or one for each channel"),
        ({"std": 0}, r"input.std is \[0\]; expected one number"),
        ({"size": 3}, "input: .*size"),
    ],
)
def test_images_that_no_network_takes_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Input.from_settings(settings)


# --- time steps --------------------------------------------------------------------------------------------


@given(st.integers(1, 16), st.integers(-8, 16), st.integers(1, 60))
def test_no_narrower_image_has_as_many_time_steps(stride: int, shift: int, steps: int) -> None:
    formula = Steps(stride, shift)
    narrowest = formula.narrowest(steps)
    assert formula(narrowest) == steps
    assert formula(narrowest - 1) < steps


# --- what a model takes ------------------------------------------------------------------------------------


def test_tensors_of_the_models_form_are_taken() -> None:
    CONTRACT.check_tensors(32, 1, [40, 48])


@pytest.mark.parametrize(("height", "channels"), [(48, 1), (32, 3)])
def test_tensors_of_another_form_are_refused(height: int, channels: int) -> None:
    with pytest.raises(UserError, match=rf"height {height} and {channels} channels, the model takes height 32 and 1"):
        CONTRACT.check_tensors(height, channels, [40])


def test_a_model_of_one_width_wants_a_rule_of_that_width() -> None:
    contract = Contract(CONTRACT.charset, width=160)
    contract.check_tensors(32, 1, (160,))
    with pytest.raises(UserError, match=r"of width 160 alone, .*\{rule: fixed, width: 160\}, or export the model"):
        contract.check_tensors(32, 1, (152, 160))


def test_a_model_of_one_batch_size_is_called_with_it_alone() -> None:
    alone, free = Contract(CONTRACT.charset, batch=1), CONTRACT
    assert (alone.most(16), free.most(16)) == (1, 16)
    assert [each.batch_of(lambda width: width // 8)(80) for each in (alone, free)] == [1, 10]
