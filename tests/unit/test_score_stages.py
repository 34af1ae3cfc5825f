"""Audit and budgets as their rules call them: on parts, with what surgery did, and with one word misread."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crnn.core.errors import UserError
from crnn.core.files import read_json, write_json
from stage_calls import run_stage

STAGES = ("torch", "raw", "fixed", "build")
TEXTS = ("one", "two", "three", "four", "five")
PARTS = (range(1, 4), range(4, 6))  # the words of each
LABELS = json.dumps({"characters": "abcdefghijklmnopqrstuvwxyz"})
BUDGETS = {
    **{"accuracy_drop": 0, "flipped": 0, "changed_by_surgery": 0, "max_abs_difference": 1e-5},
    **{"changed_by_batching": 0, "changed_by_repeating": 0},
}


def write_part(table: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(path)
    return path


def audited(folder: Path, *, changed: int = 0, difference: float = 2e-6, **misread: int) -> dict[str, Any]:
    """Audit torch → raw → fixed → build on two parts, where a named stage misreads one word. Returns audit.json."""
    options: list[str] = []
    samples, surgery = [], []
    for number, indices in enumerate(PARTS, 1):
        texts = [TEXTS[index - 1] for index in indices]
        labelled = pl.DataFrame({"index": indices, "text": texts, "status": ["ok"] * len(texts)})
        samples.append(str(write_part(labelled, folder / f"samples/{number}.parquet")))
        results = {"changed": changed, "max_abs_difference": difference / number}
        surgery.append(str(folder / f"surgery.{number}.json"))
        write_json(Path(surgery[-1]), {"results": results})
        for stage in STAGES:
            read = ["misread" if misread.get(stage) == i else text for i, text in zip(indices, texts, strict=True)]
            table = pl.DataFrame({"index": indices, "text": read, "confidence": [0.5] * len(read)})
            options += ["--stage", f"{stage}={write_part(table, folder / f'{stage}/{number}.parquet')}"]
    options += ["--samples", *samples, "--surgery", *surgery, "--labels", LABELS]
    options += ["--output", f"{folder}/audit.json", "--flips", f"{folder}/audit.parquet"]
    run_stage("audit_run", options)
    summary: dict[str, Any] = read_json(folder / "audit.json")
    return summary


def judged(folder: Path, **changes: Any) -> None:
    """Audit as `audited`, and hold the row against BUDGETS."""
    row = {
        **{"dataset": "five", "model": "none", "deployment": "columns", "audit": audited(folder, **changes)},
        **{"batching": {"changed": 0}, "repeat_texts": {"e2e_changed": 0, "infer_only_changed": 0}},
    }
    write_json(folder / "report.json", {"rows": [row]})
    options = ["--report", f"{folder}/report.json", "--output", f"{folder}/budgets.json"]
    run_stage("check_budgets", [*options, "--budgets", json.dumps(BUDGETS)])


def test_audit_run_gives_a_lost_word_its_address(tmp_path: Path) -> None:
    summary = audited(tmp_path, build=5)
    assert (summary["reference"], summary["samples"], summary["flipped"], summary["broken"]) == ("torch", 5, 1, 1)
    flips = pl.read_parquet(tmp_path / "audit.parquet")
    assert flips.select("index", "from", "to", "text_from", "text_to", "kind").rows() == [
        (5, "fixed", "build", "five", "misread", "broken")
    ]


def test_audit_run_puts_surgery_on_the_edge_it_is_about(tmp_path: Path) -> None:
    summary = audited(tmp_path, changed=1)
    assert [edge["max_abs_difference"] for edge in summary["path"]] == [None, 2e-6, None]
    assert summary["surgery"] == {"changed": 2, "max_abs_difference": 2e-6}


def test_audit_run_refuses_a_stage_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_stage("audit_run", ["--stage", "torch.parquet"])
    assert "'torch.parquet': expected name=path" in capsys.readouterr().err


def test_audit_run_needs_something_to_compare(tmp_path: Path) -> None:
    options = ["--samples", "s.parquet", "--labels", LABELS, "--output", "audit.json", "--flips", "audit.parquet"]
    parts = ["--stage", "torch=1.parquet", "--stage", "torch=2.parquet"]
    with pytest.raises(UserError, match="an audit compares two or more"):
        run_stage("audit_run", [*options, *parts])


def test_check_budgets_writes_the_verdicts_of_a_run_within_them(tmp_path: Path) -> None:
    judged(tmp_path)
    verdicts = read_json(tmp_path / "budgets.json")["verdicts"]
    assert {verdict["budget"]: verdict["kept"] for verdict in verdicts} == dict.fromkeys(BUDGETS, True)


def test_check_budgets_stops_a_run_beyond_them(tmp_path: Path) -> None:
    with pytest.raises(UserError) as stopped:
        judged(tmp_path, build=5)
    assert "five / none / columns: accuracy_drop is 0.2, over the budget of 0" in str(stopped.value)
    assert "five / none / columns: flipped is 0.2, over the budget of 0" in str(stopped.value)
    assert str(tmp_path / "index.html") in str(stopped.value)
    assert not (tmp_path / "budgets.json").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"changed": 1}, "changed_by_surgery is 2, over the budget of 0"),
        ({"difference": 3e-5}, "max_abs_difference is 3e-05, over the budget of 1e-05"),
    ],
)
def test_check_budgets_stops_where_surgery_changed_a_real_word(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        judged(tmp_path, **changes)
