"""ATC's command line, word for word, for the chips and CANN versions in use; and every refusal with its message."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.model.contract import Steps
from crnn.runtimes.ascend.atc import (
    REMEDIES,
    Conversion,
    cann_release,
    checked_flags,
    checked_log,
    checked_precision,
    explained,
    product,
)
from crnn.runtimes.ascend.shapes import Shapes, shapes_for
from crnn.runtimes.shapes import Form

ASPECT = {"rule": "aspect", "stretch": 1.2, "step": 8, "min": 40, "max": 400}
FIXED = {"rule": "fixed", "width": 100}
RECIPE = {"rule": "recipe", "interpolation": "pillow-bicubic"}


def command(soc: str, cann: str, options: dict[str, Any], **more: Any) -> str:
    return " ".join(Conversion(soc, cann, shapes_for(options), **more).command())


# --- golden command lines ----------------------------------------------------------------------------------


def test_a_310p3_with_the_recipes_range() -> None:
    options = {"shapes": "range", "batch": 16, "width_rule": RECIPE}
    assert command("Ascend310P3", "8.0.RC3", options) == (
        "--framework=5 --model=model.onnx --output=model --soc_version=Ascend310P3 --input_format=ND "
        "--input_shape=imgs:1~16,1,32,32~320 --log=error"
    )


def test_a_310p3_before_cann_6_3_takes_its_range_in_brackets() -> None:
    options = {"shapes": "range", "batch": 16, "width_rule": RECIPE}
    assert command("Ascend310P3", "6.0.RC1", options) == (
        "--framework=5 --model=model.onnx --output=model --soc_version=Ascend310P3 --input_format=ND "
        "--input_shape_range=imgs:[1~16,1,32,32~320] --log=error"
    )


def test_a_310p3_with_gears_of_batch_and_width() -> None:
    options = {"shapes": "gears", "batches": [1, 16], "widths": [96, 160, 320]}
    assert command("Ascend310P3", "8.0.RC3", options) == (
        "--framework=5 --model=model.onnx --output=model --soc_version=Ascend310P3 --input_format=ND "
        "--input_shape=imgs:-1,1,32,-1 --dynamic_dims=1,96;1,160;1,320;16,96;16,160;16,320 --log=error"
    )


def test_gears_of_the_batch_alone_have_an_option_of_their_own() -> None:
    options = {"shapes": "gears", "batches": [1, 4, 16], "width_rule": FIXED}
    assert "--input_shape=imgs:-1,1,32,100 --dynamic_batch_size=1,4,16 " in command("Ascend310B1", "8.0.RC3", options)


def test_gears_of_the_width_alone_have_one_value_each() -> None:
    options = {"shapes": "gears", "batches": [4], "widths": [64, 100]}
    assert "--input_shape=imgs:4,1,32,-1 --dynamic_dims=64;100 " in command("Ascend310B1", "8.0.RC3", options)


def test_a_910b4_with_one_shape() -> None:
    options = {"shapes": "static", "batch": 16, "width_rule": FIXED}
    more = {"precision": ("precision_mode_v2", "origin"), "log": "info", "flags": ("--deterministic=1",)}
    assert command("Ascend910B4", "8.5.0", options, **more) == (
        "--framework=5 --model=model.onnx --output=model --soc_version=Ascend910B4 --input_format=ND "
        "--input_shape=imgs:16,1,32,100 --log=info --precision_mode_v2=origin --deterministic=1"
    )


PPOCR = Form(3, 48, Steps(8, 0))
EASYOCR = Form(1, 64, Steps(4, -4))


def test_colour_images_of_48_rows_in_gears() -> None:
    options = {"shapes": "gears", "batches": [1, 16], "widths": [320, 640]}
    assert "--input_shape=imgs:-1,3,48,-1 --dynamic_dims=1,320;1,640;16,320;16,640 " in command(
        "Ascend310P3", "8.0.RC3", options, form=PPOCR
    )


def test_images_of_64_rows_in_a_range_of_either_spelling() -> None:
    options = {"shapes": "range", "batch": 16, "width_rule": RECIPE}
    assert "--input_shape=imgs:1~16,1,64,32~320 " in command("Ascend310P3", "8.0.RC3", options, form=EASYOCR)
    assert "--input_shape_range=imgs:[1~16,1,64,32~320] " in command("Ascend310P3", "6.0.RC1", options, form=EASYOCR)


def test_one_shape_of_colour_images() -> None:
    options = {"shapes": "static", "batch": 1, "width_rule": {**FIXED, "channels": 3}}
    assert "--input_shape=imgs:1,3,48,100 " in command("Ascend910B4", "8.5.0", options, form=PPOCR)


def test_a_range_of_the_batch_alone_names_the_width_once() -> None:
    options = {"shapes": "range", "batch": 16, "width_rule": FIXED}
    assert "--input_shape=imgs:1~16,1,32,100 " in command("Ascend310P3", "8.0.RC3", options)


def test_the_default_widths_make_few_enough_gears() -> None:
    shapes = shapes_for({"shapes": "gears", "batch": 16, "width_rule": ASPECT})
    assert (shapes.batches, len(shapes.widths), len(shapes.gears())) == ((1, 16), 46, 92)


# --- chips -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soc", ["Ascend310", "Ascend310B1", "Ascend310B4"])
def test_a_chip_without_ranges_refuses_them(soc: str) -> None:
    with pytest.raises(UserError, match=f"options.shapes is 'range', but {soc} takes no shape ranges; use gears or"):
        command(soc, "8.0.RC3", {"batch": 16, "width_rule": RECIPE})


@pytest.mark.parametrize(
    ("cann", "bracketed"),
    [("5.1.RC2", True), ("6.0.1", True), ("6.2.T200", True), ("6.3.RC1", False), ("7.0.0", False), ("10.1", False)],
)
def test_the_form_of_a_range_goes_by_the_version(cann: str, bracketed: bool) -> None:
    line = command("Ascend310P3", cann, {"batch": 16, "width_rule": RECIPE})
    assert ("--input_shape_range=imgs:[" in line) is bracketed
    assert ("--input_shape=imgs:1~16" in line) is not bracketed


def test_a_version_that_is_none_is_named() -> None:
    with pytest.raises(UserError, match=r"CANN version 'latest': .*options.cann_version"):
        cann_release("latest")


PLAN = {160: 4, 64: 16, 320: 1}  # width → batch size


def test_gears_of_a_plan_have_its_batch_at_every_width_and_one() -> None:
    options = {"shapes": "gears", "plan": PLAN, "width_rule": {"rule": "planned"}}
    assert command("Ascend310P3", "8.0.RC3", options) == (
        "--framework=5 --model=model.onnx --output=model --soc_version=Ascend310P3 --input_format=ND "
        "--input_shape=imgs:-1,1,32,-1 --dynamic_dims=1,64;16,64;1,160;4,160;1,320 --log=error"
    )


def test_a_range_of_a_plan_reaches_to_its_largest_batch_and_width() -> None:
    assert "--input_shape=imgs:1~16,1,32,64~320 " in command("Ascend310P3", "8.0.RC3", {"plan": PLAN})


def test_sizes_that_are_named_stand_before_a_plan() -> None:
    options = {"shapes": "gears", "plan": PLAN, "batches": [2]}
    assert "--input_shape=imgs:2,1,32,-1 --dynamic_dims=64;160;320 " in command("Ascend310P3", "8.0.RC3", options)


def test_a_planned_width_is_called_in_its_own_batches() -> None:
    shapes = Shapes.from_facts(shapes_for({"shapes": "gears", "plan": PLAN}).facts())
    assert list(shapes.calls(9, 160)) == [(0, 4, 4), (4, 8, 4), (8, 9, 1)]
    assert list(shapes.calls(9, 64)) == [(0, 9, 16)]
    assert [batch for _, _, batch in shapes.calls(3, 320)] == [1, 1, 1]


def test_widths_that_a_rule_lists_are_gears() -> None:
    options = {"shapes": "gears", "batch": 2, "width_rule": {"rule": "buckets", "widths": [64, 160]}}
    assert "--dynamic_dims=1,64;1,160;2,64;2,160 " in command("Ascend310P3", "8.0.RC3", options)


# --- shapes ------------------------------------------------------------------------------------------------

REFUSED_SHAPES = {
    "an unknown mode": ({"shapes": "dynamic"}, "options.shapes is 'dynamic'; expected one of range, gears, static"),
    "a static model of many widths": (
        {"shapes": "static", "batch": 1, "width_rule": ASPECT},
        "options.shapes is 'static', which takes one shape",
    ),
    "gears of the recipe's widths": (
        {"shapes": "gears", "batch": 16, "width_rule": RECIPE},
        "2 batch sizes × 289 widths are 578; name fewer in options.batches and options.widths",
    ),
    "a single gear": ({"shapes": "gears", "batch": 1, "width_rule": FIXED}, "1 batch sizes × 1 widths are 1.*static"),
    "a range of one shape": ({"batch": 1, "width_rule": FIXED}, "there is one shape only; use static"),
    "a range of three": ({"batches": [1, 4, 16], "widths": [32, 320]}, "its lowest and its highest: two each"),
    "a text for a list": ({"batches": "16", "width_rule": FIXED}, "options.batches is '16'; expected a list of whole"),
    "a batch of none": ({"batches": [0, 4], "width_rule": FIXED}, r"options.batches is \[0, 4\]; expected a list"),
    "true for a number": ({"widths": [True], "batch": 1}, r"options.widths is \[True\]; expected a list of whole"),
    "no batch": ({"width_rule": FIXED}, "options.batches is missing"),
    "no width": ({"batch": 4}, "options.widths is missing"),
    "a plan of too many widths": (
        {"shapes": "gears", "plan": dict.fromkeys(range(40, 448, 8), 4)},
        "but the plan has 51 widths, with batch 1 and a larger one 102 gears; plan fewer buckets, or use range",
    ),
    "a static model of a plan": (
        {"shapes": "static", "plan": PLAN},
        "options.shapes is 'static', which takes one shape",
    ),
}


@pytest.mark.parametrize(("options", "message"), REFUSED_SHAPES.values(), ids=REFUSED_SHAPES)
def test_shapes_that_make_no_model_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        shapes_for(options)


SOME_SHAPES = [
    Shapes("range", (1, 16), (32, 320)),
    Shapes("range", (4, 16), (32, 320)),
    Shapes("gears", (1, 4, 16), (96, 160)),
    Shapes("static", (8,), (100,)),
]


@given(st.sampled_from(SOME_SHAPES), st.integers(1, 70))
def test_every_word_is_in_one_call_of_a_size_that_the_model_takes(shapes: Shapes, count: int) -> None:
    calls = list(shapes.calls(count, shapes.widths[0]))
    assert [word for start, stop, _ in calls for word in range(start, stop)] == list(range(count))
    for start, stop, batch in calls:
        assert stop - start <= batch
        if shapes.mode == "range":
            assert shapes.batches[0] <= batch <= shapes.batches[1]
        else:
            assert batch in shapes.batches


@given(st.sampled_from(SOME_SHAPES), st.integers(1, 500))
def test_a_width_is_taken_as_it_is_or_refused(shapes: Shapes, width: int) -> None:
    low, high = shapes.widths[0], shapes.widths[-1]
    if low <= width <= high if shapes.mode == "range" else width in shapes.widths:
        assert len(list(shapes.calls(1, width))) == 1
    else:
        with pytest.raises(UserError, match=f"a tensor is {width} wide, but the model was converted for widths {low}"):
            list(shapes.calls(1, width))


@pytest.mark.parametrize("shapes", SOME_SHAPES, ids=str)
def test_shapes_survive_their_file(shapes: Shapes) -> None:
    assert Shapes.from_facts(shapes.facts()) == shapes


# --- other options -----------------------------------------------------------------------------------------


def test_the_two_precision_options_exclude_each_other() -> None:
    assert checked_precision({}) is None
    assert checked_precision({"precision_mode": "force_fp16"}) == ("precision_mode", "force_fp16")
    with pytest.raises(UserError, match="precision_mode and precision_mode_v2 exclude each other"):
        checked_precision({"precision_mode": "force_fp16", "precision_mode_v2": "fp16"})
    with pytest.raises(UserError, match=r"options.precision_mode_v2 is 'force_fp16'; expected one of fp16, origin"):
        checked_precision({"precision_mode_v2": "force_fp16"})


def test_a_log_level_is_one_of_atcs() -> None:
    assert checked_log({}) == "error"
    with pytest.raises(UserError, match=r"options.log is 'loud'; expected one of debug, info"):
        checked_log({"log": "loud"})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--a=b", "options.flags is '--a=b'; expected a list of texts"),
        (["deterministic=1"], "'deterministic=1' is no argument of ATC; expected --name=value"),
        (["--a=b\n--c=d"], "is no argument of ATC"),
        (["--soc_version=Ascend310"], "--soc_version is set from the other options"),
        (["--dynamic_batch_size=1,2"], "--dynamic_batch_size is set from the other options"),
    ],
)
def test_flags_are_arguments_of_atc_that_nothing_else_sets(flags: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked_flags({"flags": flags})


# --- what ATC leaves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", REMEDIES)
def test_an_error_code_becomes_a_sentence_with_its_remedy(code: str) -> None:
    said = explained(f"ATC run failed, Please check the detail log\n{code}: Some reason.\n        Solution: none\n")
    assert said == f"{code}: {REMEDIES[code]}. It says: {code}: Some reason."


def test_an_unknown_code_and_none_lead_to_the_output() -> None:
    assert explained("EZ9999: Inner Error!") == "EZ9999: see its output in the log. It says: EZ9999: Inner Error!"
    assert explained("Segmentation fault\n\n") == "without an error code; its last line: Segmentation fault"
    assert explained("") == "without an error code; its last line: none"


@pytest.mark.parametrize("name", ["model.om", "model_linux_x86_64.om", "model_linux_aarch64.om"])
def test_the_product_is_found_under_every_name(name: str, tmp_path: Path) -> None:
    for file in (name, "fusion_result.json", "other.om"):
        (tmp_path / file).touch()
    assert product(tmp_path) == tmp_path / name


def test_no_product_or_two_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ATC reported success and left no .om file"):
        product(tmp_path)
    for name in ("model.om", "model_linux_aarch64.om"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"left model.om, model_linux_aarch64.om; expected one"):
        product(tmp_path)
