"""The lookups of the rules: where everything lies, and what each job reads."""

from pathlib import Path

import pytest

from configs import ROOT, Config, checked, nested
from crnn.runtimes.registry import known_runtimes
from engine.layout import Layout, canonical
from engine.rows import Run

MODEL = "results/models/crnn"
ORT = Run("sample", "crnn", "ort")


def layout(*overlays: Config) -> Layout:
    return Layout(checked(*overlays), known_runtimes(), ROOT)


def deployment(name: str, **entry: object) -> Config:
    return {"deployments": {name: {"runtime": "onnxruntime", "widths": "aspect", **entry}}}


OWN = deployment("own", surgery=[{"pass": "prune_unused"}])
INT8 = deployment("small", precision="int8")


# --- words -------------------------------------------------------------------------------------------------


def test_a_dataset_has_one_part_unless_the_config_says_more() -> None:
    assert layout().parts("sample") == ["1"]
    assert layout(nested("datasets.sample.parts", 3)).tensors("sample", "aspect") == [
        f"results/datasets/sample/tensors/aspect/{part}/contract.json" for part in (1, 2, 3)
    ]


def test_an_lmdb_beside_another_source_is_used_instead_of_it(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").touch()
    both = {"datasets": {"test": {"iiit5k": {"split": "test"}, "lmdb": str(tmp_path)}}}
    assert layout(both).datasets_from("lmdb") == ["test"]
    assert layout(both).datasets_from("iiit5k") == []


def test_the_words_that_the_workflow_makes_for_itself_are_datasets_but_no_rows() -> None:
    assert layout().datasets_from("sample") == ["sample", "calibration", "tuning", "golden"]
    assert {run.dataset for run in layout().runs} == {"sample"}


def test_a_bundle_is_of_a_deployment_with_widths_in_buckets() -> None:
    made = layout({"deployments": {"both": {"cascade": ["ort-w100", "ort"]}}})
    assert {"both", "ort-recipe"} <= made.deployments.keys()
    assert made.bundles() == [f"results/bundles/crnn/{name}" for name in ("torch", "ort", "ort-w100", "both")]


def test_results_may_lie_elsewhere() -> None:
    elsewhere = Layout(checked(), known_runtimes(), ROOT, "made/here")
    texts = [*elsewhere.records, *elsewhere.build("crnn", "ort"), elsewhere.words("sample")]
    assert all(text.startswith("made/here/") for text in texts)


# --- models and builds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlay", "name", "file"),
    [
        ({}, "ort", "fixed.onnx"),
        ({}, "torch", "weights.safetensors"),
        (deployment("rawer", source="raw"), "rawer", "raw.onnx"),
        (OWN, "own", "fixed.for-own.onnx"),
        (INT8, "small", "fixed.uint8-aspect.onnx"),
        (deployment("wino", precision="fp32-winograd"), "wino", "fixed.winograd.onnx"),
        (
            deployment("both", precision="int8", surgery=[{"pass": "prune_unused"}]),
            "both",
            "fixed.for-both.uint8-aspect.onnx",
        ),
        (deployment("half", runtime="openvino", precision="bf16"), "half", "fixed.onnx"),
    ],
)
def test_a_build_starts_from(overlay: Config, name: str, file: str) -> None:
    assert layout(overlay).deployments[name].model_file == file


@pytest.mark.parametrize(
    ("overlay", "command"),
    [
        (
            deployment("dev", runtime="ascend"),
            "msprobe compare -m offline_model -gp results/models/crnn/fixed.onnx "
            "-tp results/builds/crnn/dev/model.om -o compared",
        ),
        (
            deployment("dev", runtime="tensorrt", precision="fp16"),
            "polygraphy run results/models/crnn/fixed.fp16.onnx "
            "--onnxrt --trt --onnx-outputs mark all --trt-outputs mark all",
        ),
        (deployment("dev"), None),
    ],
)
def test_a_row_has_the_vendors_command_that_looks_into_its_build(overlay: Config, command: str | None) -> None:
    assert layout(overlay).run_identity(Run("sample", "crnn", "dev")).get("vendor_command") == command


def test_a_runtime_that_makes_precisions_is_told_which() -> None:
    made = layout(deployment("half", runtime="openvino", precision="bf16"))
    assert made.build_options("half") == {"precision": "bf16"}
    assert made.build_options("ort") == {}


def test_a_runtime_that_compiles_shapes_is_told_its_width_rule_and_batch() -> None:
    made = layout(deployment("om", runtime="ascend", batch=8))
    assert made.build_options("om") == {"batch": 8, "width_rule": made.config["widths"]["aspect"]}


PLANNED = {
    "widths": {"planned": {"rule": "planned", "deployment": "ort"}},
    **deployment("om", runtime="ascend", widths="planned"),
}


def test_where_widths_are_planned_the_plan_says_the_batch() -> None:
    made, plan = layout(PLANNED), "results/plans/crnn/ort/planned/plan.json"
    assert "batch" not in made.build_options("om")
    assert made.compiled_plan("om") == made.plan("planned") == [plan]
    assert made.width_rule("planned") == plan
    assert made.reader("crnn", "planned", "om").batch == plan
    assert made.plans == {"planned": plan}


def test_a_plan_counts_the_words_as_its_deployment_reads_them() -> None:
    assert layout(PLANNED).counted_samples("planned", "ort") == [
        "results/datasets/sample/tensors/aspect/1/samples.parquet"
    ]


@pytest.mark.parametrize(
    ("options", "calls", "count"), [({}, None, 1), ({"devices": [0, 1, 2]}, None, 3), ({"devices": [0, 1, 2]}, 2, 2)]
)
def test_a_job_takes_a_device_for_each_call(options: Config, calls: int | None, count: int) -> None:
    entry = {"runtime": "ascend", "options": options} | ({"calls": calls} if calls else {})
    assert layout(deployment("om", **entry)).reader("crnn", "aspect", "om").devices(cores=4) == count


# --- readings ----------------------------------------------------------------------------------------------


def test_an_audit_follows_a_word_from_pytorch_to_the_build() -> None:
    folder = "results/predictions/sample/crnn/aspect"
    assert layout().audited(ORT) == {
        "torch": [f"{folder}/torch/1.parquet"],
        "raw": [f"{folder}/raw/1.parquet"],
        "fixed": [f"{folder}/fixed/1.parquet"],
        "build": [f"{folder}/ort/1.parquet"],
    }
    assert list(layout(INT8).audited(Run("sample", "crnn", "small"))) == ["torch", "raw", "fixed", "uint8", "build"]
    assert list(layout().audited(Run("sample", "crnn", "torch"))) == ["torch", "build"]


def test_steps_between_two_onnx_files_can_be_explained() -> None:
    folder = "results/explained/sample/crnn/aspect"
    assert layout().explained(ORT) == {"fixed": f"{folder}/raw/fixed.json"}
    assert layout(INT8).explained(Run("sample", "crnn", "small")) == {
        "fixed": f"{folder}/raw/fixed.json",
        "uint8": f"{folder}/fixed/fixed.uint8-aspect.json",
    }
    assert layout().explained(Run("sample", "crnn", "torch")) == {}


def test_nothing_but_the_clocks_is_measured_unless_the_config_asks() -> None:
    assert layout().costs(ORT) == []
    asked = layout({"measure": {"starts": 2, "load": [{"scenario": "Offline"}]}})
    assert [Path(file).name for file in asked.costs(ORT)] == ["starts.json", "load.json"]
    assert asked.clock == layout().clock


def test_nothing_is_read_twice_a_deployment_of_pytorch_is_the_reference() -> None:
    renamed = {
        "deployments": {"torch": None, "eager": {"runtime": "torch", "source": "checkpoint", "widths": "aspect"}}
    }
    assert layout(renamed).reference("crnn", "aspect") == "eager"
    assert layout(renamed).reference("crnn", "w100") == "torch"
    assert layout({"deployments": {"torch": None}}).reference("crnn", "aspect") == "torch"


def test_a_reader_is_a_stage_of_the_model_or_a_build() -> None:
    made = layout(INT8)
    assert made.reader("crnn", "aspect", "ort").files == ("results/builds/crnn/ort/model.onnx",)
    assert made.reader("crnn", "w100", "torch").files == (f"{MODEL}/weights.safetensors",)
    assert made.reader("crnn", "aspect", "fixed.uint8-aspect").files == (f"{MODEL}/fixed.uint8-aspect.onnx",)
    assert made.reader("crnn", "aspect", "fixed.uint8-aspect").runtime.name == "onnxruntime"


# --- the report --------------------------------------------------------------------------------------------


def test_every_record_is_made_by_some_job_and_listed_once() -> None:
    records = layout(INT8, OWN, PLANNED).records
    assert len(records) == len(set(records))
    assert f"{MODEL}/fixed.for-own.json" in records
    assert f"{MODEL}/fixed.calibration-uint8-aspect.record.json" in records
    assert "results/plans/crnn/ort/costs.json" in records


def test_a_skipped_deployment_is_a_row_without_files() -> None:
    made = layout(deployment("later", skip="no card here"))
    assert made.skipped[0]["reason"] == "no card here"
    assert not any("later" in text for text in made.records)
    assert canonical(made.report_inputs()).count("later") == 1


def test_a_trained_checkpoint_belongs_to_the_model_that_names_it() -> None:
    made = layout(nested("models.crnn.checkpoint", "results/training/crnn/weights.safetensors"))
    assert made.model_source("crnn") == made.trained["crnn"]
    assert made.training_logs == {"crnn": "results/training/crnn/log.jsonl"}
    assert made.errors_of_training("crnn") == [
        f"results/runs/sample/crnn/{name}/errors.json" for name in made.deployments
    ]
