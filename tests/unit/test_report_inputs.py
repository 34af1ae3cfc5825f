"""Reading what the other stages left."""

import json
from pathlib import Path

import polars as pl
import pytest

from crnn.core.errors import UserError
from crnn.report.inputs import Inputs, RunFiles, read_published
from report_results import PUBLISHED, Results, picture

WORDS = [(picture("cafe"), "Cafe"), (picture("24"), "24"), (picture("open"), "OPEN")]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    made = Results(tmp_path, WORDS)
    made.add_run("onnxruntime", {3: "opem"})
    return made


def test_a_run_is_read_with_its_audit(results: Results) -> None:
    run = results.read()[0]
    assert (run.row["correct"], run.row["samples"]) == (2, 3)
    steps = [(step["from"], step["to"], step["broken"]) for step in run.row["audit"]["path"]]
    assert steps == [("torch", "onnxruntime", 1)]
    assert run.row["e2e"]["words"] == 3


def test_a_run_without_timings_has_none(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("torch", {}, timed=False)
    row = results.read()[0].row
    assert [row[name] for name in ("e2e", "infer_only", "latency_ms", "cold_seconds")] == [None] * 4


def test_parts_are_read_as_one_table(results: Results) -> None:
    whole = results.read()[0]
    entry = results.runs[0]
    for name in ("predictions", "samples"):
        (path,) = map(Path, entry[name])
        table = pl.read_parquet(path)
        entry[name] = []
        for number, rows in enumerate((table[:1], table[1:]), 1):
            entry[name].append(str(path.with_name(f"{name}.{number}.parquet")))
            rows.write_parquet(entry[name][-1])
    parts = results.read()[0]
    assert parts.predictions.equals(whole.predictions)
    assert parts.samples.equals(whole.samples)
    assert parts.files.contract == whole.files.contract
    assert {*parts.files.predictions, *parts.files.samples} <= set(Inputs.from_json(results.inputs).files)


def test_inputs_need_a_run() -> None:
    with pytest.raises(UserError, match="at least one run"):
        Inputs.from_json({"runs": []})


def test_unknown_input_keys_are_named(results: Results) -> None:
    with pytest.raises(UserError, match="unknown keys piktures"):
        Inputs.from_json({**results.inputs, "piktures": 3})


def test_a_run_entry_names_its_missing_files() -> None:
    with pytest.raises(UserError, match="lacks run, audit, flips"):
        RunFiles.from_json({"dataset": "d", "model": "m", "deployment": "x"})


def test_incomplete_run_json_names_file_and_keys(results: Results) -> None:
    path = Path(results.runs[0]["run"])
    facts = json.loads(path.read_text())
    del facts["accuracy"], facts["ned"]
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"run\.json: lacks accuracy, ned"):
        results.read()[0]


def test_a_run_json_of_another_deployment_is_refused(results: Results) -> None:
    results.add_run("tensorrt", {})
    results.runs[0]["run"] = results.runs[1]["run"]
    with pytest.raises(UserError, match="is the run signs/small/tensorrt, expected signs/small/onnxruntime"):
        results.read()[0]


@pytest.mark.parametrize("kind", ["flips", "predictions", "samples", "timings"])
def test_a_missing_table_names_its_path(results: Results, kind: str) -> None:
    run = results.read()[0]
    files = results.runs[0][kind]
    path = Path(files if isinstance(files, str) else files[0])
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name}: no such file"):
        getattr(run, kind)


def test_a_damaged_table_is_a_user_error(results: Results) -> None:
    Path(results.runs[0]["predictions"][0]).write_bytes(b"PAR1 but not really")
    with pytest.raises(UserError, match="cannot be read as parquet"):
        _ = results.read()[0].predictions


def test_a_table_of_another_shape_names_the_lost_columns(results: Results) -> None:
    pl.DataFrame({"index": [1]}).write_parquet(results.runs[0]["predictions"][0])
    with pytest.raises(UserError, match="lacks the columns text, confidence"):
        _ = results.read()[0].predictions


def test_shipped_published_figures_name_source_and_boundary() -> None:
    figures = read_published(PUBLISHED)
    assert all(figure["source"] and figure["boundary"] and figure["device"] for figure in figures)
    assert all(figure["accuracy"] is None or 0 < figure["accuracy"] < 1 for figure in figures)
    assert any(figure["seconds_3000"] == [5.9, 6.1] and figure["accuracy"] == 0.66 for figure in figures)


def test_published_figures_with_a_misspelt_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    path.write_text('[{"name": "x", "dataset": "d", "accuracy": 1, "boundary": "b", "device": "c", "surce": "s"}]')
    with pytest.raises(UserError, match="unknown keys surce"):
        read_published(path)
