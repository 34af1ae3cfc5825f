"""The config: what is shipped is valid and gets its defaults; a fault names its key, its value and what is allowed."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from configs import ROOT, SCHEMA, Config, checked, nested, read
from crnn.data.labels import LabelPolicy
from crnn.data.preprocess import Preprocess
from crnn.model.charset import Charset
from crnn.model.contract import Input
from crnn.model.layouts import LAYOUTS
from crnn.model.network import NetworkSize
from crnn.model.surgery import PASSES, Step
from crnn.train.settings import TrainingSettings
from engine.config import ConfigError, check_encoding, drop_nulls, with_plain_paths
from engine.yaml_faults import yaml_faults
from examples import CHARACTERS


def fault_of(*overlays: Config) -> str:
    with pytest.raises(ConfigError) as error:
        checked(*overlays)
    return str(error.value)


# --- what is shipped ---------------------------------------------------------------------------------------


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("[!s]*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_is_valid(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files are there that are the user's to fetch, in models/."""
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    for file in re.findall(r"\bmodels/[\w.-]+\.(?:onnx|pth|txt)", path.read_text()):
        Path(file).write_text(CHARACTERS.replace("", "\n").strip())
    checked(read(path))


def test_defaults_are_filled_in() -> None:
    config = checked()
    assert config["models"]["crnn"]["charset"] == "0123456789abcdefghijklmnopqrstuvwxyz"
    assert config["models"]["crnn"]["input"] == {"height": 32, "channels": 1, "mean": 0.5, "std": 0.5}
    assert config["models"]["crnn"]["gate_order"] == "auto"
    assert config["deployments"]["ort"] == {
        **{"runtime": "onnxruntime", "source": "fixed", "widths": "aspect"},
        **{"precision": "fp32", "batch": 16, "options": {}},
    }
    assert config["labels"]["case"] == "lower"
    assert config["budgets"]["max_abs_difference"] == 1e-5


@pytest.mark.parametrize("rule", ["aspect", "fixed", "recipe"])
def test_a_width_rule_with_nothing_said_is_the_librarys_own_default(rule: str) -> None:
    settings = checked({"widths": {"plain": {"rule": rule}}})["widths"]["plain"]
    assert Preprocess.from_settings(settings) == Preprocess.from_settings({"rule": rule})


def test_every_layout_of_the_library_may_be_named() -> None:
    branch = SCHEMA["properties"]["models"]["additionalProperties"]["allOf"][0]["then"]
    assert branch["properties"]["layout"]["enum"] == ["auto", *LAYOUTS]


def test_the_defaults_of_a_model_are_the_librarys_own() -> None:
    model = checked()["models"]["crnn"]
    size = NetworkSize.from_json({"activation": model["activation"], "classes": Charset(model["charset"]).classes})
    assert size == NetworkSize()
    assert Input.from_settings(model["input"]) == Input()
    assert {Step.from_settings(entry).name for entry in model["surgery"]} == set(PASSES) - {"take_classes"}


def test_characters_are_chosen_of_an_onnx_file_alone(tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_text("a\nb\nc")
    told = {"file": str(tmp_path / "dict.txt"), "only": "ab"}
    assert "models.crnn.charset.only is for an onnx model" in fault_of(nested("models.crnn.charset", told))


def test_the_defaults_of_labels_are_the_standard_protocol() -> None:
    labels = checked()["labels"]
    policy = LabelPolicy(**labels)
    assert policy.apply("Café-24") == LabelPolicy("0123456789abcdefghijklmnopqrstuvwxyz").apply("Café-24")


def unexplained(schema: Any, key: str = "") -> list[str]:
    """Keys below `schema` that do not say what they mean; those of a list's items are explained by the list."""
    found = []
    for name, entry in schema.get("properties", {}).items():
        meaning = entry | SCHEMA["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
        if entry and "description" not in meaning:  # an empty entry says that the key is told of elsewhere
            found.append(f"{key}{name}")
        found += unexplained(entry, f"{key}{name}.")
    for part in [schema.get("additionalProperties"), schema.get("then"), *schema.get("allOf", [])]:
        found += unexplained(part, key) if isinstance(part, Mapping) else []
    return found


def test_every_key_is_explained() -> None:
    assert unexplained(SCHEMA) == []


# --- overlays ----------------------------------------------------------------------------------------------


def test_an_entry_set_to_null_is_removed() -> None:
    mine = {"sample": {"words": 3, "seed": 3}}
    overlay = {"datasets": {"sample": None, "mine": mine}, "deployments": {"ort-recipe": None}}
    config = checked(overlay)
    assert list(config["datasets"]) == ["mine"]
    assert list(config["deployments"]) == ["torch", "ort", "ort-w100"]


def test_a_key_set_to_null_gets_its_default_back() -> None:
    config = checked({"models": {"crnn": {"opset": 11}}}, {"models": {"crnn": {"opset": None}}})
    assert config["models"]["crnn"]["opset"] == 13


def test_removing_nulls_leaves_other_empty_values() -> None:
    value = {"a": None, "b": {"c": None, "d": 0}, "e": [], "f": "", "g": False, "h": {}}
    assert drop_nulls(value) == {"b": {"d": 0}, "e": [], "f": "", "g": False, "h": {}}


# --- faults that the schema finds --------------------------------------------------------------------------

FAULTS: dict[str, tuple[Config, str]] = {
    "a mistyped section": (
        {"dataset": {}},
        "the configuration: unknown key 'dataset'; allowed: datasets, models, widths, deployments, planning, training, "
        "check, calibration, labels, measure, batching, budgets, report",
    ),
    "a mistyped key": (
        nested("models.crnn.chanels", []),
        "models.crnn: unknown key 'chanels'; allowed: checkpoint, charset, blank, input, opset, tolerance",
    ),
    "a key of another width rule": (
        nested("widths.w100.stretch", 1.2),
        "widths.w100: unknown key 'stretch'; allowed: rule, interpolation, channels, height, width",
    ),
    "an unknown layout": (
        nested("models.crnn.layout", "keras"),
        "models.crnn.layout is 'keras'; expected one of auto, shi, separate, dtrb, mmocr, parseq, gitycc, courao (The",
    ),
    "the old name of a layout": (
        nested("models.crnn.layout", "bidirectional"),
        "models.crnn.layout: bidirectional is now shi",
    ),
    "an unknown opset": (nested("models.crnn.opset", 17), "models.crnn.opset is 17; expected one of 11, 12, 13 (ONNX"),
    "an unknown surgery pass": (
        nested("models.crnn.surgery", [{"pass": "fold"}]),
        "models.crnn.surgery.0.pass is 'fold'; expected one of fold_constants, drop_zero_states",
    ),
    "an unknown width rule": (
        nested("widths.aspect.rule", "magic"),
        "widths.aspect.rule is 'magic'; expected one of aspect, fixed, recipe",
    ),
    "a text for a number": (
        nested("deployments.ort.batch", "16"),
        "deployments.ort.batch is '16'; expected a value of type integer (Most words in one call.)",
    ),
    "a number for a text": (
        nested("models.crnn.charset", 10),
        "models.crnn.charset is 10, as YAML reads it; expected a text, so put it in quotes",
    ),
    "true for a number": (
        nested("models.crnn.hidden", True),
        "models.crnn.hidden is True; expected a value of type integer",
    ),
    "a list for an entry": (
        nested("datasets.sample", ["words"]),
        "datasets.sample is ['words']; expected a value of type object",
    ),
    "a batch of none": (nested("deployments.ort.batch", 0), "deployments.ort.batch is 0; expected at least 1"),
    "a bucket narrower than the network": (
        nested("widths.aspect.min", 31),
        "widths.aspect.min is 31; expected at least 32 (Narrowest bucket in pixels.)",
    ),
    "a stretch of nothing": (nested("widths.aspect.stretch", 0), "widths.aspect.stretch is 0; expected more than 0"),
    "a budget over all": (nested("budgets.flipped", 1.5), "budgets.flipped is 1.5; expected at most 1"),
    "too few convolutions": (
        nested("models.crnn.channels", [64, 128]),
        "models.crnn.channels is [64, 128]; expected at least 7 items",
    ),
    "an empty charset": (
        nested("models.crnn.charset", ""),
        "models.crnn.charset is ''; expected a text that is not empty",
    ),
    "a model without a checkpoint": (
        nested("models.mine", {"hidden": 64}),
        "models.mine: has no model file; expected one of checkpoint, onnx",
    ),
    "a name that cannot be a folder": (
        nested("datasets.My Words", {"lmdb": "x"}),
        "datasets: 'My Words' is not a valid name or value; expected a match of ^[a-z0-9]",
    ),
    "a name that climbs": ({"datasets": {"../up": {"lmdb": "x"}}}, "datasets: '../up' is not a valid name"),
    "no dataset left": (nested("datasets.sample", None), "datasets: is empty; expected at least 1 entry"),
    "a section set to null": ({"widths": None}, "the configuration: missing key 'widths'"),
    "a dataset without a source": (nested("datasets.mine", {}), "datasets.mine: is empty; expected at least 1 entry"),
    "a checksum that is none": (
        nested("datasets.mine.iiit5k.sha256", "1234"),
        "datasets.mine.iiit5k.sha256: '1234' is not a valid name or value; expected a match of ^[0-9a-f]{64}$",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_its_key_its_value_and_what_is_allowed(fault: str) -> None:
    overlay, message = FAULTS[fault]
    assert message in fault_of(overlay)


def test_all_faults_are_told_at_once() -> None:
    lines = fault_of(nested("models.crnn.opset", 9), nested("deployments.ort.batch", 0)).splitlines()
    assert lines[0] == "the configuration has faults:"
    assert [line.split()[1] for line in lines[1:]] == ["deployments.ort.batch", "models.crnn.opset"]


# --- what YAML and Snakemake make of a config ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"), [("no", "bool"), ("2013", "int"), ("1.5", "float"), ("2024-01-01", "timestamp")]
)
def test_a_name_that_yaml_takes_for_a_value_is_named_with_its_line(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"datasets:\n  {name}: {{lmdb: a}}\n")
    said = f"datasets.{name} is no name for YAML, but of type {kind} ({file}, line 2); put it in quotes"
    assert list(yaml_faults([file])) == [said]
    file.write_text(f"datasets:\n  '{name}': {{lmdb: a}}\n")
    assert list(yaml_faults([file])) == []


@pytest.mark.parametrize(("key", "value"), [("deployments.ort.widths", 100), ("labels.characters", 1234567890)])
def test_a_text_that_yaml_takes_for_a_number_is_named(key: str, value: int) -> None:
    assert f"{key} is {value}, as YAML reads it; expected a text, so put it in quotes" in fault_of(nested(key, value))


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    sets = "datasets:\n  one: {lmdb: a, lmdb: b}\nmodels: {}\ndatasets:\n  two: {lmdb: c}\n"
    file.write_text(sets + "more: [{a: 1, a: 2}]\n")
    said = [fault.partition(" of ")[0] for fault in yaml_faults([file])]
    assert said == ["datasets.one.lmdb is in line 2", "datasets is in line 1", "more.a is in line 6"]
    file.write_text("datasets: {one: {lmdb: a}, two: {lmdb: a}}\n")
    assert list(yaml_faults([file])) == []


def test_a_path_has_one_spelling() -> None:
    entry = {"images": {"folder": "signs//crops/", "labels": "./signs/labels.txt"}}
    plain = with_plain_paths({"datasets": {"mine": {"lmdb": "words/"}, "signs": entry}, "labels": {"characters": "a/"}})
    assert plain["datasets"]["mine"]["lmdb"] == "words"
    assert plain["datasets"]["signs"]["images"] == {"folder": "signs/crops", "labels": "signs/labels.txt"}
    assert plain["labels"]["characters"] == "a/"


@pytest.mark.parametrize("key", ["datasets.mine.lmdb", "models.crnn.checkpoint", "calibration.lmdb", "report.previous"])
def test_braces_in_a_path_are_refused(key: str) -> None:
    assert f"{key} is 'a {{b}} c'; Snakemake takes braces for wildcards" in fault_of(nested(key, "a {b} c"))


def test_what_an_environment_cannot_pass_on_is_refused() -> None:
    config = checked()
    check_encoding(config, "ascii")
    check_encoding(nested("labels.characters", "é"), "utf-8")
    with pytest.raises(ConfigError, match="this environment is ascii; set PYTHONUTF8=1"):
        check_encoding(nested("labels.characters", "é"), "ascii")


# --- faults of a model, and between models, deployments and widths -----------------------------------------

CHECKPOINT = "resources/checkpoints/crnn-rendered/weights.safetensors"
COLOUR = {"height": 48, "channels": 3, "colour": "bgr"}


def foreign(**entry: Any) -> Config:
    """A model from an ONNX file beside the shipped one, read by a deployment of its own."""
    rows = ("torch", "ort", "ort-w100", "ort-recipe")
    deployments: Config = {name: {"models": ["crnn"]} for name in rows}
    deployments["ort48"] = {"runtime": "onnxruntime", "widths": "wide", "models": ["foreign"]}
    widths = {"wide": {"rule": "aspect", "height": 48, "channels": 3, "pad": 320}}
    model = {"onnx": CHECKPOINT, "input": COLOUR, **entry}  # any file that is there
    return {"models": {"foreign": model}, "deployments": deployments, "widths": widths}


def test_a_model_may_be_an_onnx_file_with_rows_of_its_own() -> None:
    entry = checked(foreign(charset={"metadata": "character", "append": " "}))["models"]["foreign"]
    assert (entry["blank"], entry["shape_operators"], entry["opset"]) == ("auto", "keep", 13)
    assert [each["pass"] for each in entry["surgery"]] == ["fold_constants", "take_classes", "prune_unused"]


MODEL_FAULTS: dict[str, tuple[list[Config], str]] = {
    "three channels of no colour": (
        [foreign(input={"height": 48, "channels": 3})],
        "models.foreign.input.colour is missing; of three channels expected gray, rgb or bgr",
    ),
    "a mean for each of two channels": (
        [foreign(input={**COLOUR, "mean": [0.5, 0.5]})],
        "models.foreign.input.mean is [0.5, 0.5]; expected one number, or one for each channel",
    ),
    "neither a checkpoint nor an ONNX file": (
        [nested("models.other", {"charset": "ab"})],
        "models.other: has no model file; expected one of checkpoint, onnx",
    ),
    "both": (
        [nested("models.both", {"checkpoint": CHECKPOINT, "onnx": CHECKPOINT})],
        "models.both: has checkpoint and onnx; expected one of checkpoint, onnx",
    ),
    "an ONNX file that is not there": (
        [foreign(), nested("models.foreign.onnx", "rec.onnx")],
        "models.foreign.onnx is 'rec.onnx', which does not exist",
    ),
    "widths of another height": (
        [foreign(), nested("widths.wide.height", 32)],
        "deployments.ort48.widths is 'wide', of height 32 and 3 channels, and models.foreign takes height 48 and 3 "
        "channels; give that width rule these, or name the models it is for in its `models`",
    ),
    "gray widths for a model of colours": (
        [foreign(), nested("widths.wide.channels", 1)],
        "deployments.ort48.widths is 'wide', of height 48 and 1 channels, and models.foreign takes height 48 and 3",
    ),
    "the recipe's widths for a model of 48 rows": (
        [foreign(), nested("deployments.ort-recipe.models", ["foreign"])],
        "deployments.ort-recipe.widths is 'recipe', of height 32 and 1 channels, and models.foreign takes height 48",
    ),
    "PyTorch for an ONNX file": (
        [foreign(), nested("deployments.torch.models", ["foreign"])],
        "deployments.torch.runtime is 'torch', which runs no ONNX file, and models.foreign is one; or name the models",
    ),
    "a row for a model that is not there": (
        [nested("deployments.ort.models", ["crnn", "mine"])],
        "deployments.ort.models names 'mine'; expected some of crnn (the keys of models)",
    ),
    "metadata of a checkpoint": (
        [nested("models.crnn.charset", {"metadata": "character"})],
        "models.crnn.charset is {'metadata': 'character'}; expected one of file and, of an ONNX file, metadata",
    ),
    "a charset from two places": (
        [foreign(charset={"metadata": "character", "file": "dict.txt"})],
        "expected one of file and, of an ONNX file, metadata",
    ),
    "a charset from nowhere": (
        [foreign(charset={"append": " "})],
        "expected one of file and, of an ONNX file, metadata",
    ),
    "a charset file that is not there": (
        [nested("models.crnn.charset", {"file": "dict.txt"})],
        "models.crnn.charset.file is 'dict.txt', which does not exist",
    ),
    "a charset that no command line takes": (
        [nested("models.crnn.charset", "".join(map(chr, range(0x4E00, 0x4E00 + 22_000))))],
        "models.crnn.charset is too long for the config; put its characters into a file, one a line: {file: …}",
    ),
    "a plan measured with a model that its deployment is not for": (
        [foreign(), nested("widths.planned", {"rule": "planned", "deployment": "ort48"})],
        "widths.planned.deployment is 'ort48', which is not for the model it is measured with; name one in",
    ),
}


@pytest.mark.parametrize("fault", MODEL_FAULTS)
def test_a_model_that_cannot_be_read_is_found_before_the_first_job(fault: str) -> None:
    overlays, message = MODEL_FAULTS[fault]
    assert message in fault_of(*overlays)


# --- policies that cannot work -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "lost"),
    [
        ({"characters": "0123ABC"}, "'ABC'"),
        ({"characters": "abcABC"}, "'ABC'"),
        ({"characters": "abc", "case": "upper"}, "'abc'"),
        ({"characters": "aé价"}, "'é价'"),
    ],
)
def test_characters_that_the_policy_itself_removes_are_a_fault(labels: Config, lost: str) -> None:
    assert f"labels.characters has {lost}, which no compared text has" in fault_of({"labels": labels})


def test_a_charset_that_cannot_spell_the_policy_is_a_fault() -> None:
    said = fault_of(nested("models.crnn.charset", "0123456789"))
    assert "models.crnn.charset cannot spell 'abcdefghijklmnopqrst' and 6 more of labels.characters" in said
    marks = {"characters": "abc-", "outside": "reject"}
    assert "cannot spell '-'" in fault_of({"labels": marks})


@pytest.mark.parametrize(
    ("charset", "characters"), [("ABC", "abc"), ("0123456789abcdefghijklmnopqrstuvwxyy", "0123456789xyz")]
)
def test_a_charset_may_be_compared_in_another_case_and_lack_single_characters(charset: str, characters: str) -> None:
    checked({"models": {"crnn": {"charset": charset}}, "labels": {"characters": characters}})


@pytest.mark.parametrize("names", ["(", "[a-z]+", "(a)(b)"])
def test_an_expression_for_names_has_one_group(names: str) -> None:
    entry = {"folder": ".", "labels": "l.txt", "names": names}
    assert f"datasets.mine.images.names is {names}" in fault_of(nested("datasets.mine.images", entry))


# --- faults between entries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (
            nested("deployments.ort.precision", "bf16"),
            "deployments.ort.precision is 'bf16'; expected one of fp32, fp32-winograd, int8 (what onnxruntime has)",
        ),
        (
            nested("deployments.ort", {"precision": "int8", "source": "raw"}),
            "deployments.ort.source is 'raw'; in int8 it is fixed",
        ),
        (
            {"models": {"crnn": {"opset": 12}}, **nested("deployments.ort.precision", "int8")},
            "models.crnn.opset is 12; expected 13 (deployments.ort.precision is 'int8')",
        ),
        (
            nested("deployments.raw", {"runtime": "onnxruntime", "widths": "aspect", "source": "raw", "surgery": []}),
            "deployments.raw.source is 'raw'; with passes of its own (surgery) it is fixed",
        ),
        (
            nested("deployments.ort.widths", "wide"),
            "deployments.ort.widths is 'wide'; expected one of aspect, w100, recipe (the keys of widths)",
        ),
        (
            nested("deployments.phone", {"runtime": "coreml", "widths": "aspect"}),
            "deployments.phone.runtime is 'coreml'; expected one of ascend, onnxruntime, onnxruntime_cann",
        ),
        (
            nested("deployments.torch.source", "fixed"),
            "deployments.torch.source is 'fixed'; torch, torch_cuda, torch_npu take checkpoint, every other runtime",
        ),
        (
            nested("deployments.ort.source", "checkpoint"),
            "deployments.ort.source is 'checkpoint'; torch, torch_cuda, torch_npu take checkpoint",
        ),
        (
            nested("datasets.big", {"parts": 2}),
            "datasets.big: has no words; expected one source of lmdb, images, iiit5k, sample",
        ),
        (
            nested("datasets.sample.images", {"folder": "a", "labels": "b"}),
            "datasets.sample: has images and sample; expected one source (and at most an lmdb beside it)",
        ),
        (
            nested("training.crnn.widths", "recipe"),
            "training.crnn.widths is 'recipe'; expected one of aspect, w100 (aspect or fixed)",
        ),
        (
            nested("widths.planned", {"rule": "planned", "deployment": "npu"}),
            "widths.planned names 'npu'; expected one of torch, ort, ort-w100, ort-recipe (the keys of deployments)",
        ),
        (
            nested("widths.planned", {"rule": "planned", "deployment": "ort", "datasets": ["sample", "shop"]}),
            "widths.planned names 'shop'; expected one of sample (the keys of datasets)",
        ),
        (
            {
                **nested("widths.planned", {"rule": "planned", "deployment": "ort"}),
                **nested("deployments.ort.widths", "planned"),
            },
            "widths.planned.deployment is 'ort', whose own widths are planned; name one with another rule",
        ),
        (
            nested("widths.planned", {"rule": "planned", "deployment": "ort", "max": 390}),
            "widths.planned plans widths from 40 to 390; expected max - min to be a multiple of step, 8",
        ),
        (
            nested("widths.planned", {"rule": "planned", "deployment": "ort", "max": 640}),
            "widths.planned plans widths from 40 to 640; planning.widths has to reach from one to the other",
        ),
        (
            {**nested("widths.planned", {"rule": "planned", "deployment": "ort"}), **nested("planning.seed", 1)},
            "planning.seed is 1, as datasets.sample.sample.seed; expected another",
        ),
        (
            {
                **nested("widths.planned", {"rule": "planned", "deployment": "ort"}),
                **nested("planning.lmdb", "words"),
                **nested("datasets.mine.lmdb", "words"),
            },
            "planning.lmdb is 'words', as datasets.mine.lmdb; expected words that are not scored",
        ),
    ],
    ids=[
        "a precision that the runtime has not",
        "quantised from what was not repaired",
        "quantised in an opset without scales per channel",
        "own passes from raw",
        "unknown widths",
        "unknown runtime",
        "torch from ONNX",
        "ONNX Runtime from a checkpoint",
        "no source",
        "two sources",
        "training for the recipe's widths",
        "a plan on no deployment",
        "a plan for no dataset",
        "a plan on itself",
        "a plan whose widths do not meet its end",
        "a plan beyond what is measured",
        "tuning words of a dataset's seed",
        "tuning words that are a dataset",
    ],
)
def test_a_reference_to_nothing_names_its_key_and_what_there_is(overlay: Config, message: str) -> None:
    assert message in fault_of(overlay)


def test_an_lmdb_may_stand_beside_another_source(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").touch()
    config = checked(nested("datasets.mine", {"iiit5k": {"split": "test"}, "lmdb": str(tmp_path)}))
    assert config["datasets"]["mine"]["lmdb"] == str(tmp_path)


# --- files -------------------------------------------------------------------------------------------------


def test_an_lmdb_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert (
        f"datasets.mine.lmdb is '{tmp_path}'; expected an LMDB folder, but there is no {tmp_path}/data.mdb"
        in fault_of(nested("datasets.mine.lmdb", str(tmp_path)))
    )


@pytest.mark.parametrize("key", ["folder", "labels"])
def test_images_that_are_not_there_are_named(key: str, tmp_path: Path) -> None:
    images = {"folder": str(tmp_path), "labels": str(tmp_path)} | {key: "nowhere/x"}
    faults = fault_of(nested("datasets.mine.images", images))
    assert f"datasets.mine.images.{key} is 'nowhere/x', which does not exist" in faults
    assert len(faults.splitlines()) == 2


def test_tuning_words_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert f"planning.lmdb is '{tmp_path}'; expected an LMDB folder, but there is no {tmp_path}/data.mdb" in fault_of(
        nested("planning.lmdb", str(tmp_path))
    )


def test_calibration_words_that_are_not_there_are_named() -> None:
    assert "calibration.lmdb is 'nowhere'; expected an LMDB folder, but there is no nowhere/data.mdb" in fault_of(
        nested("calibration.lmdb", "nowhere")
    )


def test_an_archive_that_is_not_there_is_named() -> None:
    faults = fault_of(nested("datasets.mine.iiit5k.archive", "nowhere.tar.gz"))
    assert "datasets.mine.iiit5k.archive is 'nowhere.tar.gz', which does not exist" in faults


def test_a_checkpoint_that_is_not_there_is_named() -> None:
    faults = fault_of(nested("models.mine.checkpoint", "mine.pth"))
    assert "models.mine.checkpoint is 'mine.pth', which does not exist" in faults


def test_a_checkpoint_that_a_training_makes_need_not_be_there_yet() -> None:
    checked(nested("models.mine.checkpoint", "results/training/crnn/weights.safetensors"))
    faults = fault_of(nested("models.mine.checkpoint", "results/training/nobody/weights.safetensors"))
    assert "models.mine.checkpoint" in faults


def test_a_previous_report_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"report.previous is '{tmp_path}/report.json', but there is no" in fault_of(
        nested("report.previous", f"{tmp_path}/report.json")
    )
    (tmp_path / "report.json").touch()
    faults = fault_of(nested("report.previous", f"{tmp_path}/report.json"))
    assert faults.endswith(f"but there is no {tmp_path}/readings.parquet")


def test_the_report_that_a_run_writes_is_no_previous_one() -> None:
    faults = fault_of(nested("report.previous", "results/report/report.json"))
    assert "which this run writes; keep a copy of its folder and name that" in faults


def test_a_config_that_skips_every_deployment_is_refused() -> None:
    faults = fault_of({"deployments": {name: {"skip": "not now"} for name in checked()["deployments"]}})
    assert "deployments: every one has skip; a report needs one that is run" in faults


def test_the_defaults_of_a_training_are_the_librarys_own() -> None:
    entry = checked()["training"]["crnn"]
    named = {name: entry[name] for name in TrainingSettings.__dataclass_fields__ if name in entry}
    assert TrainingSettings(**{**named, "validate_words": entry["validation"]["every"]}) == TrainingSettings()


def test_shipped_checkpoints_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked()
