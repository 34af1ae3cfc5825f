"""One command from words and a checkpoint to a report."""

import json
import shutil
import subprocess
import sys

import pytest

from stage_calls import call
from workspace import ROOT, Workspace

pytestmark = pytest.mark.dag


def test_every_contract_file_is_there(finished: Workspace) -> None:
    results = finished.path / "results"
    for name in (
        "datasets/sample/words.lmdb/data.mdb",
        "datasets/sample/tensors/aspect/1/samples.parquet",
        "datasets/sample/tensors/aspect/1/contract.json",
        "models/crnn/raw.onnx",
        "models/crnn/fixed.onnx",
        "builds/crnn/ort/model.onnx",
        "builds/crnn/ort/build.json",
        "predictions/sample/crnn/aspect/ort/1.parquet",
        "runs/sample/crnn/ort/timings.parquet",
        "runs/sample/crnn/ort/run.json",
        "report/index.html",
        "report/report.json",
        "report/accuracy.csv",
        "report/audit.csv",
        "report/readings.parquet",
    ):
        assert (results / name).is_file(), name


def test_a_second_run_has_nothing_to_do(finished: Workspace) -> None:
    result = finished.run("report")
    assert "Nothing to be done" in result.stdout + result.stderr


def test_the_three_width_rules_stand_side_by_side(finished: Workspace) -> None:
    assert {row["widths"] for row in finished.report()["rows"]} == {"aspect", "w100", "recipe"}


def test_torch_raw_fixed_and_onnxruntime_agree_on_every_word(finished: Workspace) -> None:
    readers = ("torch", "raw", "fixed", "ort")
    texts = [finished.readings(f"predictions/sample/crnn/aspect/{name}/1.parquet")["text"] for name in readers]
    assert all(each.equals(texts[0]) for each in texts)
    audit = json.loads((finished.path / "results/runs/sample/crnn/ort/audit.json").read_text())
    assert [edge["flipped"] for edge in audit["path"]] == [0, 0, 0]


def test_a_row_has_both_clocks_and_their_sample_counts(finished: Workspace) -> None:
    for row in finished.report()["rows"]:
        assert row["e2e"]["words"] == row["infer_only"]["words"] == row["samples"] == 12
        parts = sum(row["e2e"]["breakdown"].values())
        assert parts == pytest.approx(row["e2e"]["seconds"], rel=1e-6)
        assert row["simulated"] is False


def test_published_rows_are_apart_and_carry_their_source(finished: Workspace) -> None:
    published = finished.report()["published"]
    assert published
    assert all(row["source"] and row["boundary"] for row in published)
    names = {row["deployment"] for row in finished.report()["rows"]}
    assert not names & {row["name"] for row in published}


def test_every_record_names_versions_hashes_and_host(finished: Workspace) -> None:
    record = json.loads((finished.path / "results/models/crnn/fixed.json").read_text())
    assert record["tools"]["onnx"] != "absent"
    assert all(len(facts["sha256"]) == 64 for facts in [*record["inputs"].values(), *record["outputs"].values()])
    assert record["host"]["cores"] >= 1
    assert record["results"]["matched"]["drop_zero_states"]


def test_the_recipe_layout_is_a_target_of_its_own(finished: Workspace) -> None:
    target = "results/datasets/sample/recipe_layout/recipe"
    result = finished.run(target)
    assert result.returncode == 0, result.stdout + result.stderr
    files = sorted(path.name for path in (finished.path / target).glob("[!.]*"))
    assert files == sorted(["label.txt", *(f"test_{i}.npy" for i in range(1, 13))])


def test_a_run_is_compared_with_the_report_that_the_config_names(finished: Workspace) -> None:
    results, config = finished.path / "results", finished.config
    shutil.copytree(results / "report", finished.path / "baseline")
    report = {"previous": "baseline/report.json"}
    try:
        finished.config = {**config, "report": report, "deployments": {"ort-w100": {"skip": "no time for it"}}}
        result = finished.run("report")
        assert result.returncode == 0, result.stdout + result.stderr
        call(
            "compare_reports",
            old=finished.path / "baseline",
            new=results / "report",
            output_dir=finished.path / "comparison",
        )
        made = finished.report()
        assert made["skipped"][0]["reason"] == "no time for it"
        assert made["previous"]["removed"] == [["sample", "crnn", "ort-w100"]]
        comparison = json.loads((finished.path / "comparison/comparison.json").read_text())
        assert {row["audit"]["flipped"] for row in comparison["rows"]} == {0}
        assert comparison["verdicts"]
        assert "Since the report of" in (results / "report/index.html").read_text()
    finally:
        finished.config = config
        shutil.rmtree(finished.path / "baseline")
        assert finished.run("report").returncode == 0


def test_snakemake_report_embeds_the_page(finished: Workspace) -> None:
    result = finished.run("--report", "archive.zip", "report")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (finished.path / "archive.zip").stat().st_size > 0


def test_no_stage_leaves_a_temporary_file(finished: Workspace) -> None:
    hidden = [path for path in (finished.path / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
    assert hidden == []


def test_logs_are_kept_by_rule(finished: Workspace) -> None:
    rules = {path.parent.name for path in (finished.path / "logs").rglob("*.log")}
    assert {"render_words", "make_tensors", "export_onnx", "fix_onnx", "build_onnxruntime", "time_words"} <= rules


def test_clocks_get_every_core(finished: Workspace) -> None:
    records = sorted(finished.path.glob("results/runs/*/*/*/timings.json"))
    assert records
    assert all(json.loads(record.read_text())["parameters"]["threads"] == 2 for record in records)


def test_an_interrupted_run_can_be_unlocked_as_the_docs_say(finished: Workspace) -> None:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--unlock"]
    result = subprocess.run(command, cwd=finished.path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
