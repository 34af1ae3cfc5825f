"""Planned widths, from the sizes of words and the costs of calls to the report, and to an Ascend conversion's gears."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from contract.toolkit import PACKAGES, import_path, install
from crnn.data.sources.soundness import import_words
from workspace import ROOT, Workspace, small_config

pytestmark = [pytest.mark.dag, pytest.mark.slow]

OVERLAY = yaml.safe_load((ROOT / "config/planned.yaml").read_text())
TENSORS = "results/datasets/sample/tensors/planned"
PLAN = "results/plans/crnn/ort/planned/plan.json"
PLANNED_RUNS = {"check_batching", "time_words", "score_run", "audit_run"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, varied_checkpoint: Path) -> Workspace:
    """The report of the shipped overlay on a dozen words, with a card of the doubles beside the processor."""
    folder = tmp_path_factory.mktemp("planned")
    config = small_config(varied_checkpoint)
    config["widths"] = {"planned": {**OVERLAY["widths"]["planned"], "datasets": ["sample"]}}
    config["planning"] = {"widths": [32, 400], "batches": [1, 4], "repeats": 1, "words": 6}
    options = {"shapes": "gears", "soc_version": "Ascend310P3", "set_env": str(install(folder / "cann").set_env)}
    config["deployments"] = {name: entry for name, entry in OVERLAY["deployments"].items() if name != "ort-even"}
    config["deployments"]["om-planned"] = {"runtime": "ascend", "widths": "planned", "options": options}
    space = Workspace(folder, config)
    result = space.run("report", "plan", TMPDIR=str(folder), **import_path(PACKAGES))
    assert result.returncode == 0, result.stdout + result.stderr
    return space


@pytest.fixture
def changed(made: Workspace) -> Any:
    """The workspace's config, to be changed by one test and put back after it."""
    before = deepcopy(made.config)
    yield made.config
    made.config = before


def read(space: Workspace, file: str) -> Any:
    return json.loads((space.path / file).read_text())


def planned(space: Workspace, target: str = "report") -> dict[str, int]:
    return space.planned(target, **import_path(PACKAGES))


def batches(space: Workspace) -> dict[int, int]:
    return {bucket["width"]: bucket["batch"] for bucket in read(space, PLAN)["buckets"]}


# --- what it makes -----------------------------------------------------------------------------------------


def test_words_get_the_widths_of_the_plan(made: Workspace) -> None:
    rule = read(made, PLAN)["rule"]
    assert read(made, f"{TENSORS}/1/contract.json")["rule"]["widths"] == rule["widths"]
    samples = pl.read_parquet(made.path / TENSORS / "1/samples.parquet")
    counted = {bucket["width"]: bucket["words"] for bucket in read(made, PLAN)["buckets"]}
    assert dict(samples.group_by("tensor_width").len().sort("tensor_width").iter_rows()) == counted


def test_a_timed_run_calls_in_the_batches_of_the_plan(made: Workspace) -> None:
    timings = pl.read_parquet(made.path / "results/runs/sample/crnn/ort-planned/timings.parquet")
    for width, batch in timings.filter(pl.col("phase") == "e2e").select("width", "batch").iter_rows():
        assert batch <= batches(made)[width]


def test_every_planned_deployment_reads_what_the_reference_reads(made: Workspace) -> None:
    rows = {row["deployment"]: row for row in made.report()["rows"]}
    assert rows.keys() == {"ort", "ort-planned", "om-planned"}
    for row in rows.values():
        assert row["batching"]["changed"] == row["audit"]["flipped"] == 0
    readings = [
        made.readings(f"predictions/sample/crnn/planned/{name}/1.parquet")["text"].to_list()
        for name in ("ort-planned", "om-planned")
    ]
    assert readings[0] == readings[1]


def test_gears_are_those_of_the_plan(made: Workspace) -> None:
    conversion = read(made, "results/builds/crnn/om-planned/conversion.json")
    gears = [[batch, width] for width, largest in batches(made).items() for batch in sorted({1, largest})]
    assert conversion["shapes"]["listed"] == gears
    assert "--dynamic_dims=" + ";".join(f"{batch},{width}" for batch, width in gears) in conversion["command"]


def test_a_plan_is_drawn_and_recorded(made: Workspace) -> None:
    folder = (made.path / PLAN).parent
    assert (folder / "plan.svg").read_text().startswith("<svg")
    assert set(read(made, f"{folder}/record.json")["outputs"]) == {PLAN}
    assert read(made, "results/plans/crnn/ort/costs.json")["parameters"]["threads"] == 2  # all cores of the run
    page = (made.path / "results/report/index.html").read_text()
    assert "plan_buckets" in page


# --- what runs again ---------------------------------------------------------------------------------------


def test_nothing_is_left_to_do(made: Workspace) -> None:
    assert planned(made) == {}
    assert planned(made, "plan") == {}


def test_another_bound_plans_anew_and_measures_nothing(made: Workspace, changed: dict[str, Any]) -> None:
    changed["widths"]["planned"]["buckets"] = 6
    jobs = planned(made)
    assert jobs["plan_buckets"] == jobs["make_tensors"] == jobs["predict_surgery"] == jobs["build_ascend"] == 1
    assert {rule: jobs[rule] for rule in PLANNED_RUNS} == dict.fromkeys(PLANNED_RUNS, 2)  # and not those of ort
    assert jobs["predict"] == 3  # the reference too
    assert not {"measure_costs", "render_words", "build_onnxruntime"} & set(jobs)


def test_another_grid_measures_anew(made: Workspace, changed: dict[str, Any]) -> None:
    changed["planning"]["repeats"] = 2
    jobs = planned(made)
    assert jobs["measure_costs"] == jobs["plan_buckets"] == 1
    assert not {"render_words", "build_onnxruntime"} & set(jobs)


def test_a_batch_of_the_deployment_says_nothing_where_a_plan_does(made: Workspace, changed: dict[str, Any]) -> None:
    changed["deployments"]["ort-planned"]["batch"] = 2
    assert planned(made) == {}


# --- other words -------------------------------------------------------------------------------------------


def test_parts_get_the_widths_of_the_plan_too(made: Workspace, changed: dict[str, Any]) -> None:
    import_words(made.path / "results/datasets/sample/words.lmdb", made.path / "words")
    changed["datasets"]["parted"] = {"lmdb": "words", "parts": 2}
    files = [f"results/datasets/parted/tensors/planned/{part}/samples.parquet" for part in (1, 2)]
    result = made.run(*files)
    assert result.returncode == 0, result.stdout + result.stderr
    parts = pl.concat([pl.read_parquet(made.path / file) for file in files])
    whole = pl.read_parquet(made.path / TENSORS / "1/samples.parquet")
    assert parts.drop("row").equals(whole.drop("row"))


def test_a_plan_may_be_tuned_on_words_of_ones_own(made: Workspace, changed: dict[str, Any]) -> None:
    (made.path / "mine").mkdir()
    import_words(made.path / "results/datasets/tuning/words.lmdb", made.path / "mine/words")
    changed["planning"]["lmdb"] = "mine/words"
    del changed["planning"]["words"]
    result = made.run(PLAN)
    assert result.returncode == 0, result.stdout + result.stderr
    record = read(made, "results/datasets/tuning/words.json")
    assert record["parameters"]["source"] == "mine/words"
