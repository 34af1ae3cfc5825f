"""`make why`: what would run and for which cause, asked of a finished run."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workspace import ROOT, Workspace

pytestmark = [pytest.mark.dag, pytest.mark.xdist_group("dag")]


def why(workspace: Workspace, config: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Ask with a config laid over that of the finished run."""
    overlay = workspace.path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(workspace.config))
    changes = workspace.path / "changes.yaml"
    changes.write_text(yaml.safe_dump(config))
    command = [sys.executable, "workflow/engine/why.py", "--directory", str(workspace.path)]
    command += ["--configfile", str(overlay), str(changes), "--", "report"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_finished_run_has_nothing_to_do(finished: Workspace) -> None:
    result = why(finished, {})
    assert (result.stdout, result.stderr, result.returncode) == ("Nothing to do.\n", "", 0)


def test_a_config_value_is_named_with_what_it_was_and_is(finished: Workspace) -> None:
    result = why(finished, {"measure": {"passes": 4}})
    assert result.returncode == 0
    assert result.stdout == (
        "config measure.passes: 1 → 4\n"
        "    time_words     sample crnn ort, sample crnn ort-recipe, sample crnn ort-w100, sample crnn torch\n"
        "\n"
        "because time_words reruns\n"
        "    score_run      sample crnn ort, sample crnn ort-recipe, sample crnn ort-w100, sample crnn torch\n"
        "    make_report\n"
        "    check_budgets\n"
        "\n"
        "10 jobs would run.\n"
    )


def test_a_deployment_that_is_new_or_gone_is_named(finished: Workspace) -> None:
    entry = {"runtime": "onnxruntime", "widths": "aspect"}
    assert why(finished, {"deployments": {"ort-8": entry}}).stdout.startswith("new: deployment ort-8\n    build_onnx")
    assert why(finished, {"deployments": {"ort": None}}).stdout.startswith("removed: deployment ort\n    make_report\n")


def test_a_version_of_a_tool_is_named(finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "altair-99.0.dist-info").mkdir()
    (tmp_path / "altair-99.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: altair\nVersion: 99.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert why(finished, {}).stdout.splitlines()[0].endswith(" → 99.0")


def test_a_result_that_is_missing_or_altered_is_named(finished: Workspace) -> None:
    page = finished.path / "results/report/index.html"
    before = page.read_bytes()
    page.unlink()
    assert why(finished, {}).stdout.startswith("results/report/index.html is missing\n")
    page.write_bytes(before + b"<p>more</p>")
    assert why(finished, {}).stdout.startswith("results/report/index.html is not what its stage wrote\n")
    page.write_bytes(before)
    assert why(finished, {}).stdout == "Nothing to do.\n"


def test_a_config_with_a_fault_is_refused_as_a_run_would_refuse_it(finished: Workspace) -> None:
    result = why(finished, {"report": {"titel": "words"}})
    assert result.returncode == 1
    assert result.stdout == ""
    assert "report: unknown key 'titel'; allowed: title, words_mib, previous" in result.stderr
