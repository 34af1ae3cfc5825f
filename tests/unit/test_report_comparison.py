"""Two reports compared: words paired, times judged only where they were taken alike."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crnn.core.errors import UserError
from crnn.report.comparison import Side, compare_reports, console_table, paired_interval
from crnn.score.audit import Comparison
from report_results import EVERYTHING, Results, picture
from stage_calls import call

ROOT = Path(__file__).parents[2]
WORDS = [(picture(word), word) for word in ("cafe", "24", "open", "exit", "hotel")]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = Results(tmp_path_factory.mktemp("old"), WORDS)
    results.add_run("ort", {1: "cafo"}, pace=0.002)
    results.add_run("gone", {})
    return results.report()


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = Results(tmp_path_factory.mktemp("new"), WORDS, budgets={"accuracy_drop": 0.1, "slowdown": 0.5})
    results.add_run("ort", {2: "2a", 4: "exlt"}, pace=0.004)
    results.add_run("fresh", {})
    return results.report()


def altered(report: Path, copy: Path, **facts: object) -> Path:
    """A copy of a report whose first row says otherwise."""
    shutil.copytree(report, copy)
    rows = json.loads((copy / "report.json").read_text())
    rows["rows"][0].update(facts)
    (copy / "report.json").write_text(json.dumps(rows))
    return copy


def test_words_are_paired(old: Path, new: Path) -> None:
    (change,) = compare_reports(Side.read(old), Side.read(new)).changes
    assert [change.row["audit"][name] for name in ("flipped", "fixed", "broken")] == [3, 1, 2]
    assert change.row["difference"] == pytest.approx(-0.2)
    assert change.flipped.select("index", "kind").rows() == [(1, "fixed"), (2, "broken"), (4, "broken")]


def test_speed_is_a_ratio_with_what_the_spreads_allow(old: Path, new: Path) -> None:
    (change,) = compare_reports(Side.read(old), Side.read(new)).changes
    low, high = change.row["speed"]["spread"]
    assert change.row["speed"]["ratio"] == pytest.approx(0.5)
    assert low == pytest.approx(0.5 * 0.97 / 1.06)
    assert high == pytest.approx(0.5 * 1.06 / 0.97)
    assert change.row["slowdown"] == pytest.approx(1 / high - 1)


def test_times_of_another_processor_are_shown_and_not_judged(old: Path, new: Path, tmp_path: Path) -> None:
    other = altered(new, tmp_path / "other", host={"name": "n", "cpu": "another", "cores": 2})
    (change,) = compare_reports(Side.read(old), Side.read(other)).changes
    assert not change.row["speed"]["comparable"]
    assert change.row["slowdown"] is None


def test_runs_of_only_one_report_are_named(old: Path, new: Path) -> None:
    comparison = compare_reports(Side.read(old), Side.read(new))
    assert comparison.added == (("signs", "small", "fresh"),)
    assert comparison.removed == (("signs", "small", "gone"),)
    assert "signs / small / gone: only in the old report" in console_table(comparison)


def test_other_words_under_the_same_name_are_not_paired(old: Path, tmp_path: Path) -> None:
    results = Results(tmp_path, [*WORDS[:-1], (picture("motel"), "motel")])
    results.add_run("ort", {})
    (change,) = compare_reports(Side.read(old), Side.read(results.report())).changes
    assert change.row["not_compared"] == "1 words have other labels"
    assert change.row["audit"] is None


def test_the_interval_is_that_of_agresti_and_min() -> None:
    """1600 voters asked twice, 150 changed one way and 86 the other (Agresti, Categorical Data Analysis, ch. 10)."""
    low, high = paired_interval(Comparison(1600, 236, 150, 86, 0.0))
    assert (round(low, 3), round(high, 3)) == (0.021, 0.059)


def test_an_interval_without_a_change_still_has_a_width() -> None:
    low, high = paired_interval(Comparison(3000, 0, 0, 0, 1.0))
    assert low == -high < 0


def test_a_side_may_be_the_folder_around_its_report(old: Path) -> None:
    assert Side.read(old.parent).rows == Side.read(old).rows == Side.read(old / "report.json").rows


def test_a_folder_without_a_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no report in it"):
        Side.read(tmp_path)


def test_a_report_without_what_was_read_is_refused(old: Path, tmp_path: Path) -> None:
    shutil.copy(old / "report.json", tmp_path)
    with pytest.raises(UserError, match=r"readings\.parquet: no such file"):
        Side.read(tmp_path)


# --- the command -------------------------------------------------------------------------------------------


def test_a_budget_that_is_exceeded_is_an_error_after_the_files_are_written(
    old: Path, new: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        call("compare_reports", old=old, new=new, output_dir=tmp_path)
    assert "accuracy_drop is 0.2, over the budget of 0.1" in str(error.value)
    assert "slowdown is 0.83" in str(error.value)
    verdicts = json.loads((tmp_path / "comparison.json").read_text())["verdicts"]
    assert [verdict["kept"] for verdict in verdicts] == [False, False]
    assert "accuracy lost against the reference" in (tmp_path / "index.html").read_text()


def test_kept_budgets_end_with_a_table(
    old: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("compare_reports", old=old, new=new, output_dir=tmp_path, budgets='{"accuracy_drop": 0.5}')
    shown = capsys.readouterr().out
    head, row, *_ = shown.splitlines()
    assert head.split() == [
        *("run", "old", "new", "difference,", "points", "(95", "%)"),
        *("flipped", "gained,", "lost", "McNemar", "p", "speed"),
    ]
    assert row.startswith("signs / small / ort  80.00 %  60.00 %  -20.00")
    assert "1 of 1 budgets kept" in shown


def test_the_verdict_can_be_left_to_the_file(old: Path, new: Path, tmp_path: Path) -> None:
    options = ["--old", old, "--new", new, "--output-dir", tmp_path, "--exit-zero"]
    command = [sys.executable, ROOT / "workflow" / "stage.py", "compare_reports", *options]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_page_shows_hostile_labels_as_text(tmp_path: Path) -> None:
    label = "<script>alert(1)</script>"
    sides = []
    for name, readings in (("old", {}), ("new", {1: label + "!"})):
        results = Results(tmp_path / name, [(picture("x"), label), (picture("y"), "y")], policy=EVERYTHING)
        results.add_run("ort", readings)
        sides.append(results.report())
    call("compare_reports", old=sides[0], new=sides[1], output_dir=tmp_path, budgets="{}")
    page = (tmp_path / "index.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
