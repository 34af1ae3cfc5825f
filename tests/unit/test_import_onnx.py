"""Foreign ONNX files, brought to the one form: what they compute from pixels stays, and what is told of them is held.

Each is imported by the stage, as its rule calls it. What is expected of it is computed here from the pixels, by hand.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.data.preprocess import normalise
from crnn.model.contract import METADATA, Contract, Output, Steps
from recognisers import Array, Foreign, run, value
from stage_calls import call

CHARACTERS = "abcd"


@dataclass(frozen=True)
class Imported:
    """What an import left, and the file that it read."""

    foreign: onnx.ModelProto
    raw: onnx.ModelProto
    contract: Contract
    results: dict[str, Any]

    def domains(self) -> dict[str, int]:
        return {entry.domain: entry.version for entry in self.raw.opset_import}


def imported(folder: Path, foreign: Foreign, **told: Any) -> Imported:
    """Import a recogniser of `abcd`. told: `input` and `output` of the config; others as on the command line."""
    source = foreign.save(folder / "foreign.onnx")
    form = {"axes": foreign.axes, "values": foreign.values} | told.pop("output", {})
    options = {"charset": json.dumps(told.pop("charset", CHARACTERS)), "input": json.dumps(told.pop("input", {}))}
    made = {"contract": folder / "contract.json", "output": folder / "raw.onnx", "record": folder / "raw.json"}
    call("import_onnx", source=source, model_output=json.dumps(form), **options, **made, **told)
    results = read_json(folder / "raw.json")["results"]
    return Imported(onnx.load(source), onnx.load(folder / "raw.onnx"), Contract.read(folder / "contract.json"), results)


def pixels(channels: int = 1, height: int = 32, batch: int = 2, width: int = 101) -> Array:
    """Gray, or blue, green and red; uint8 [batch, channels, height, width]."""
    return np.random.default_rng(0).integers(0, 256, (batch, channels, height, width), np.uint8)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    return powers / powers.sum(axis=2, keepdims=True)


Given = Callable[[Array], Array]

# Of each: the file, what the config says of its images, and how its own code makes its input of pixels.
FORMS: dict[str, tuple[Foreign, dict[str, Any], Given]] = {
    "probabilities, words first": (Foreign(), {}, lambda p: p / 127.5 - 1),
    "probabilities, time steps first": (Foreign(axes="TNC"), {}, lambda p: p / 127.5 - 1),
    "logits": (Foreign(values="logits"), {}, lambda p: p / 127.5 - 1),
    "log-probabilities": (Foreign(values="log-probabilities"), {}, lambda p: p / 127.5 - 1),
    "pixels of 0 to 1": (Foreign(), {"mean": 0, "std": 1}, lambda p: p / 255),
    "another height": (Foreign(height=48), {"height": 48}, lambda p: p / 127.5 - 1),
    "gray in three channels": (
        Foreign(channels=3),
        {"channels": 3, "colour": "gray", "mean": [0.1, 0.2, 0.3], "std": 0.5},
        lambda p: (np.repeat(p, 3, axis=1) / 255 - np.reshape([0.1, 0.2, 0.3], (3, 1, 1))) / 0.5,
    ),
    "blue, green, red": (Foreign(channels=3), {"channels": 3, "colour": "bgr"}, lambda p: p / 127.5 - 1),
    "red, green, blue, each normalised": (
        Foreign(channels=3),
        {"channels": 3, "colour": "rgb", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        lambda p: (
            (p[:, ::-1] / 255 - np.reshape([0.485, 0.456, 0.406], (3, 1, 1)))
            / np.reshape([0.229, 0.224, 0.225], (3, 1, 1))
        ),
    ),
    "the blank last": (Foreign(blank=4), {}, lambda p: p / 127.5 - 1),
    "the blank last, of logits, time steps first": (
        Foreign(blank=4, values="logits", axes="TNC"),
        {},
        lambda p: p / 127.5 - 1,
    ),
    "our names for other tensors": (Foreign(names=("output1_", "imgs")), {}, lambda p: p / 127.5 - 1),
    "our names": (Foreign(names=("imgs", "output")), {}, lambda p: p / 127.5 - 1),
}


@pytest.mark.parametrize("opset", [9, 12, 13])
@pytest.mark.parametrize("form", FORMS)
def test_what_a_model_computes_from_pixels_stays(form: str, opset: int, tmp_path: Path) -> None:
    foreign, told, given = FORMS[form]
    made = imported(tmp_path, replace(foreign, opset=opset), input=told)
    words = pixels(made.contract.input.tensor_channels, foreign.height)

    output = run(made.foreign, given(words.astype(np.float64)).astype(np.float32))
    steps = output.transpose(1, 0, 2) if foreign.axes == "NTC" else output
    probabilities = {"probabilities": lambda x: x, "logits": softmax, "log-probabilities": np.exp}
    expected = np.log(probabilities[foreign.values](steps))
    if foreign.blank:
        expected = expected[:, :, [4, 0, 1, 2, 3]]
    np.testing.assert_allclose(run(made.raw, normalise(words)), expected, atol=2e-5)


def test_the_file_has_our_names_free_axes_and_the_contract(tmp_path: Path) -> None:
    made = imported(tmp_path, Foreign(blank=4))
    ((name, images),) = [(each.name, each.type.tensor_type.shape.dim) for each in made.raw.graph.input]
    assert (name, [each.dim_param or each.dim_value for each in images]) == ("imgs", ["N", 1, 32, "W"])
    ((name, steps),) = [(each.name, each.type.tensor_type.shape.dim) for each in made.raw.graph.output]
    assert (name, [each.dim_param or each.dim_value for each in steps]) == ("output1", ["T", "N", 5])
    metadata = {entry.key: entry.value for entry in made.raw.metadata_props}
    assert Contract.from_json(json.loads(metadata[METADATA])) == made.contract
    assert made.contract.output == Output("NTC", "probabilities", "last")
    assert made.contract.steps == Steps(4, 0)


def test_a_softmax_at_the_end_becomes_a_logsoftmax(tmp_path: Path) -> None:
    """One pass over all classes instead of two, and no logarithm of 0."""
    operators = [node.op_type for node in imported(tmp_path, Foreign()).raw.graph.node]
    assert "LogSoftmax" in operators
    assert not {"Softmax", "Log", "Max"} & set(operators)


def test_probabilities_that_no_softmax_made_are_bounded_below(tmp_path: Path) -> None:
    def rounded(model: onnx.ModelProto) -> None:
        """The output of the Softmax with small probabilities cut to 0, as an 8-bit model gives them."""
        model.graph.node[-1].output[0] = "exact"
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(4096, np.float32), "c"))
        model.graph.node.extend(
            helper.make_node(operator, inputs, outputs)
            for operator, inputs, outputs in (
                ("Mul", ["exact", "c"], ["scaled"]),
                ("Floor", ["scaled"], ["whole"]),
                ("Div", ["whole", "c"], ["softmax_0.tmp_0"]),
            )
        )

    made = imported(tmp_path, Foreign(change=rounded))
    output = run(made.raw, normalise(pixels()))
    assert np.isfinite(output).all()
    assert output.min() == pytest.approx(np.log(1e-30))


# --- the blank ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "where"), [(0, "first"), (4, "last")])
def test_where_the_blank_is_shows_on_plain_images(
    place: int, where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="crnn"):
        assert imported(tmp_path, Foreign(blank=place)).contract.output.blank == where
    assert f"blank: {where} (read on plain images)" in caplog.text


def test_a_blank_that_does_not_show_is_taken_to_be_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="crnn"):
        assert imported(tmp_path, Foreign(blank=2)).contract.output.blank == "first"
    assert "blank: first (the usual place; plain images do not tell)" in caplog.text


def test_a_blank_that_is_told_is_believed(tmp_path: Path) -> None:
    assert imported(tmp_path, Foreign(blank=2), blank="last").contract.output.blank == "last"


# --- the charset -------------------------------------------------------------------------------------------


def test_the_charset_may_stand_in_the_files_metadata(tmp_path: Path) -> None:
    def note(model: onnx.ModelProto) -> None:
        helper.set_model_props(model, {"character": "一\n二\n\u2028"})

    told = {"metadata": "character", "append": " "}
    charset = imported(tmp_path, Foreign(change=note), charset=told).contract.charset
    assert charset.characters == ("一", "二", "\u2028", " ")


@pytest.mark.parametrize("values", ["probabilities", "logits", "log-probabilities"])
@pytest.mark.parametrize(("blank", "classes"), [(0, [0, 2, 4]), (4, [4, 1, 3])])
def test_characters_that_are_not_asked_for_are_left_out(
    values: str, blank: int, classes: list[int], tmp_path: Path
) -> None:
    (tmp_path / "dict.txt").write_text("a\nb\nc\nd")
    told = {"file": str(tmp_path / "dict.txt"), "only": "db"}
    made = imported(tmp_path, Foreign(blank=blank, values=values, axes="TNC"), charset=told)
    assert made.contract.charset.characters == ("b", "d")

    words = normalise(pixels())
    of_all = run(made.foreign, words) if values != "probabilities" else np.log(run(made.foreign, words))
    expected = np.log(softmax(of_all[:, :, classes]))
    np.testing.assert_allclose(run(made.raw, words), expected, atol=2e-5)


def test_a_character_that_is_asked_for_has_to_be_in_the_charset(tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_text("a\nb\nc\nd")
    with pytest.raises(UserError, match=r"charset\.only has 'e', 'f', which the model's charset lacks"):
        imported(tmp_path, Foreign(), charset={"file": str(tmp_path / "dict.txt"), "only": "abef"})


# --- fixed axes --------------------------------------------------------------------------------------------


def test_a_model_for_one_image_is_asked_for_no_more(tmp_path: Path) -> None:
    made = imported(tmp_path, Foreign(batch=1))
    assert (made.contract.batch, made.contract.width) == (1, None)
    assert run(made.raw, normalise(pixels(batch=1))).shape == (25, 1, 5)


def test_a_model_of_one_width_is_asked_for_no_other(tmp_path: Path) -> None:
    made = imported(tmp_path, Foreign(width=160))
    assert (made.contract.batch, made.contract.width) == (None, 160)
    assert made.contract.steps is not None
    assert made.contract.steps(160) == 40
    assert run(made.raw, normalise(pixels(width=160))).shape == (40, 2, 5)


# --- opsets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opset", "wanted"), [(9, 11), (9, 13), (12, 13), (17, 13)])
def test_an_opset_is_brought_to_the_one_that_is_asked_for(opset: int, wanted: int, tmp_path: Path) -> None:
    assert imported(tmp_path, Foreign(opset=opset), opset=wanted).domains() == {"": wanted}


def test_an_opset_that_the_converter_cannot_lower_stays_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = imported(tmp_path, Foreign(opset=17, layer_norm=True, channels=3), input={"channels": 3, "colour": "rgb"})
    assert made.domains() == {"": 17}
    assert made.results["opset"] == 17
    assert "its opset stays 17: onnx's converter cannot bring it to 13" in caplog.text
    fixed = fix(tmp_path)
    np.testing.assert_array_equal(run(fixed, normalise(pixels(3))), run(made.raw, normalise(pixels(3))))


def fix(folder: Path) -> onnx.ModelProto:
    """What surgery makes of raw.onnx as the config tells it to by default."""
    passes = json.dumps([{"pass": "fold_constants"}, {"pass": "prune_unused"}])
    files = {"raw": folder / "raw.onnx", "contract": folder / "contract.json", "output": folder / "fixed.onnx"}
    call("fix_onnx", **files, surgery=passes, shape_operators="keep", record=folder / "fixed.json")
    return onnx.load(folder / "fixed.onnx")


def add_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def use_domain(model: onnx.ModelProto) -> None:
    """A node of ONNX Runtime's own in place of the Identity at the end of logits."""
    add_domain(model)
    model.graph.node[-1].CopyFrom(
        helper.make_node("QuickGelu", ["output1"], ["softmax_0.tmp_0"], domain="com.microsoft")
    )


def test_an_opset_domain_that_no_node_uses_is_taken_out(tmp_path: Path) -> None:
    made = imported(tmp_path, Foreign(change=add_domain))
    assert made.domains() == {"": 13}
    assert made.results["domains"] == ["ai.onnx"]


def test_an_opset_domain_that_a_node_uses_stays_and_is_recorded(tmp_path: Path) -> None:
    made = imported(tmp_path, Foreign(values="logits", change=use_domain))
    assert made.domains() == {"": 13, "com.microsoft": 1}
    assert made.results["domains"] == ["ai.onnx", "com.microsoft"]
    assert run(fix(tmp_path), normalise(pixels())).shape == (25, 2, 5)


# --- several outputs ---------------------------------------------------------------------------------------


def test_of_several_outputs_the_one_of_three_axes_is_read(tmp_path: Path) -> None:
    def two(model: onnx.ModelProto) -> None:
        outputs = [value("columns", None, 5, 1, None), *model.graph.output]
        del model.graph.output[:]
        model.graph.output.extend(outputs)

    made = imported(tmp_path, Foreign(change=two))
    assert [entry.name for entry in made.raw.graph.output] == ["output1"]


# --- what is refused ---------------------------------------------------------------------------------------


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(value("lengths", "batch", kind=TensorProto.INT64))


def second_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(value("rows", None, 5, None))


def as_bytes(model: onnx.ModelProto) -> None:
    """Takes uint8 as the pixels are."""
    model.graph.input[0].CopyFrom(value("pixels", "batch", 1, 32, "width", kind=TensorProto.UINT8))
    model.graph.node.insert(0, helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT))


def read_already(model: onnx.ModelProto) -> None:
    """Gives classes instead of what it thinks of each."""
    model.graph.node[-1].CopyFrom(helper.make_node("ReduceMax", ["output1"], ["softmax_0.tmp_0"], axes=[2], keepdims=0))
    del model.graph.output[0].type.tensor_type.shape.dim[2]


def without_numbers(model: onnx.ModelProto) -> None:
    model.graph.node[-1].CopyFrom(helper.make_node("Log", ["output1"], ["softmax_0.tmp_0"]))


REFUSED: dict[str, tuple[Foreign, dict[str, Any], str]] = {
    "two inputs": (Foreign(change=second_input), {}, r"has the inputs x, lengths; expected one, the images$"),
    "bytes": (
        Foreign(change=as_bytes),
        {},
        "its input pixels is uint8; expected float32. Export the model",
    ),
    "another height": (
        Foreign(height=48),
        {},
        r"takes images \[\?, 1, 48, \?\], and models.<name>.input.height is 32; set it to 48, or export the model",
    ),
    "other channels": (Foreign(channels=3), {}, r"and models.<name>.input.channels is 1; set it to 3, or export"),
    "four images at a time": (Foreign(batch=4), {}, r"takes 4 images in every call; export it with a free batch axis"),
    "two outputs alike": (
        Foreign(change=second_output),
        {},
        r"has the outputs softmax_0.tmp_0, rows; expected one of \[T, N, classes\] or \[N, T, classes\]$",
    ),
    "an output of classes": (
        Foreign(change=read_already),
        {},
        r"the model's output for one image is \[1, 40\]; expected three axes$",
    ),
    "other axes": (
        Foreign(axes="NTC"),
        {"output": {"axes": "TNC"}},
        r"for one image is \[1, 40, 5\], and models.<name>.output.axes is TNC; set it to NTC$",
    ),
    "probabilities for logits": (
        Foreign(),
        {"output": {"values": "logits"}},
        r"the model gives probabilities, and models.<name>.output.values is logits; set it to probabilities$",
    ),
    "logits for probabilities": (
        Foreign(values="logits"),
        {"output": {"values": "probabilities"}},
        r"the model gives logits, and models.<name>.output.values is probabilities; set it to logits$",
    ),
    "logits for log-probabilities": (
        Foreign(values="logits"),
        {"output": {"values": "log-probabilities"}},
        r"the model gives logits, and models.<name>.output.values is log-probabilities; set it to logits$",
    ),
    "no numbers": (Foreign(values="logits", change=without_numbers), {}, r"for a plain image is not a number"),
    "a charset that is a space short": (
        Foreign(),
        {"charset": "abc"},
        r"the model has 5 classes, the charset 4 .* PaddleOCR's models also read a space: charset.append: \" \"$",
    ),
    "the charset of another model": (
        Foreign(),
        {"charset": "abcdefg"},
        r"has 5 classes, the charset 8 \(its characters and the blank\); set models.<name>.charset to the one .* with$",
    ),
    "metadata without the key": (
        Foreign(),
        {"charset": {"metadata": "character"}},
        r"charset.metadata is 'character', which the ONNX file's metadata lacks; it has: none$",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_contradicts_the_config_is_one_line_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    foreign, told, message = REFUSED[name]
    with pytest.raises(UserError, match=message) as refused:
        imported(tmp_path, foreign, **told)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.onnx"]


FILES = {
    "nothing": (None, "no such ONNX file"),
    "an empty file": (b"", "is empty; fetch the file again"),
    "a page": (b"<!DOCTYPE html><title>Not found</title>", "is a web page, not the file itself"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "some other file": (b"PK\x03\x04" + bytes(40), "is no "),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_model_is_named(name: str, tmp_path: Path) -> None:
    content, message = FILES[name]
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    made = {each: tmp_path / each for each in ("contract", "output", "record")}
    with pytest.raises(UserError, match=rf"model\.onnx: .*{message}") as refused:
        call("import_onnx", source=tmp_path / "model.onnx", charset='"a"', input="{}", model_output="{}", **made)
    assert "\n" not in str(refused.value)
