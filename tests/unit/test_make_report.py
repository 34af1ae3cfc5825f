"""The stage: five files from the results of a run."""

import csv
import json
from pathlib import Path

import pytest

from crnn.core.errors import UserError
from report_results import Results, picture

CONTRACT = {
    *("dataset", "model", "deployment", "runtime", "precision", "device", "simulated", "samples", "correct"),
    *("accuracy", "accuracy_ci95", "ned", "e2e", "infer_only", "latency_ms", "audit"),
}


def results_in(directory: Path) -> Results:
    made = Results(directory, [(picture(word), word) for word in ("cafe", "24", 'say "hi", you')])
    made.add_run("torch", {1: "cafo"}, before={"torch": {1: "cafo"}})
    made.add_run("int8", {1: "cafo", 3: "sayhi"}, before={"torch": {1: "cafo"}, "raw": {}})
    return made


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Results with their report made."""
    made = results_in(tmp_path_factory.mktemp("results"))
    made.report()
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_stage_writes_its_five_files_and_a_record(results: Results) -> None:
    names = {"index.html", "report.json", "accuracy.csv", "audit.csv", "readings.parquet"}
    assert {path.name for path in (results.directory / "report").iterdir()} == {*names, "record.json"}
    record = json.loads((results.directory / "report" / "record.json").read_text())
    assert {Path(path).name for path in record["outputs"]} == names


def test_report_json_keeps_its_contract(results: Results) -> None:
    report = json.loads((results.directory / "report" / "report.json").read_text(encoding="utf-8"))
    assert {"generated", "host", "rows", "published"} <= set(report)
    for row, entry in zip(report["rows"], results.runs, strict=True):
        assert set(row) >= CONTRACT
        assert {"reference", "flipped", "fixed", "broken", "mcnemar_p"} <= set(row["audit"])
        stored = json.loads(Path(entry["run"]).read_text())
        assert {key: row[key] for key in stored} == stored
    assert [verdict["kept"] for verdict in report["verdicts"]] == [True, True]


def test_accuracy_csv_has_a_row_per_run(results: Results) -> None:
    torch, int8 = rows(results.directory / "report" / "accuracy.csv")
    assert (torch["deployment"], torch["correct"], torch["samples"]) == ("torch", "2", "3")
    assert float(int8["accuracy"]) == 1 / 3
    assert float(int8["accuracy_low"]) < 1 / 3 < float(int8["accuracy_high"])
    assert (int8["flipped"], int8["broken"]) == ("1", "1")


def test_audit_csv_has_a_row_per_flip_and_edge(results: Results) -> None:
    flips = rows(results.directory / "report" / "audit.csv")
    assert [(row["deployment"], row["from"], row["to"], row["index"], row["kind"]) for row in flips] == [
        ("int8", "torch", "raw", "1", "fixed"),
        ("int8", "raw", "int8", "1", "broken"),
        ("int8", "raw", "int8", "3", "broken"),
    ]
    assert flips[2]["label"] == "sayhiyou"


def test_a_missing_input_stops_with_one_clear_line(tmp_path: Path) -> None:
    results = results_in(tmp_path)
    Path(results.runs[1]["audit"]).unlink()
    with pytest.raises(UserError) as error:
        results.report()
    assert str(error.value) == f"{results.runs[1]['audit']}: no such file"
    assert not (results.directory / "report").exists()
