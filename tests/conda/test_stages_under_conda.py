"""The real rules under `--sdm conda`, every stage at its real work, each in an env of what its env file pins.

`conda` is replaced (command.py): its envs are made of links to what is installed here. So these tests show that the
rules name their envs, that Snakemake makes and activates them, and that no stage needs a package that its env file
does not lead to. They do not show that a conda channel has the packages, or that its builds work.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_workspace import CondaWorkspace
from rule_files import ENVS, INSTALLED, stages_by_env

pytestmark = pytest.mark.dag


# MLPerf's load generator has no wheel for an NPU's processors, and is in no env of theirs.
WITHOUT_GENERATOR = {(env, "load_words") for env in ("ascend", "onnxruntime_cann", "torch_npu")}
STAGE = re.compile(r"^\s*crnn (\w+) ")  # in the command of a rule


def jobs(space: CondaWorkspace) -> Iterator[tuple[str, str]]:
    """(env, stage) of every output that Snakemake has made, from what it notes of it: env file and command."""
    names = {(space.root / "envs" / f"{name}.yaml").read_bytes(): name for name in ENVS}
    for path in (space.path / ".snakemake" / "metadata").rglob("*"):
        note = json.loads(path.read_bytes())
        stage = STAGE.search(note["shellcmd"] or "")
        if stage is not None:
            yield names[base64.b64decode(note["conda_env"])], stage[1]


def without(package: str, env: Path) -> None:
    """Take the pin of a package out of an env file."""
    lines = env.read_text().splitlines(keepends=True)
    left = [line for line in lines if f"- {package}=" not in line]
    assert len(left) == len(lines) - 1
    env.write_text("".join(left))


def test_every_stage_worked_in_every_env_that_a_rule_gives_it(session_in_own_envs: CondaWorkspace) -> None:
    named = {(env, name) for env in INSTALLED for name in stages_by_env()[env]}
    assert set(jobs(session_in_own_envs)) == named - WITHOUT_GENERATOR


def test_nothing_is_left_to_do(in_own_envs: CondaWorkspace) -> None:
    assert in_own_envs.planned() == {}


def test_another_pin_reruns_the_rules_of_its_env_and_what_follows(in_own_envs: CondaWorkspace) -> None:
    env = in_own_envs.root / "envs" / "score.yaml"
    env.write_text(env.read_text() + "# a comment\n")
    assert in_own_envs.planned() == {}
    env.write_text(env.read_text().replace("- rapidfuzz=", "- rapidfuzz=99."))
    assert in_own_envs.planned() == {"score_run": 5, "audit_run": 5, "make_report": 1, "check_budgets": 1}


def test_a_stage_fails_where_its_env_lacks_what_it_imports(in_own_envs: CondaWorkspace) -> None:
    without("rapidfuzz", in_own_envs.root / "envs" / "score.yaml")
    result = in_own_envs.run("results/runs/sample/crnn/ort/run.json")
    assert result.returncode != 0
    assert "ModuleNotFoundError: No module named 'rapidfuzz'" in result.stdout + result.stderr


def test_a_pin_that_cannot_be_had_stops_the_run_before_any_stage(in_own_envs: CondaWorkspace) -> None:
    env = in_own_envs.root / "envs" / "score.yaml"
    env.write_text(re.sub(r"rapidfuzz=\S+", "rapidfuzz=0.0.1", env.read_text()))
    result = in_own_envs.run("results/runs/sample/crnn/ort/run.json")
    assert result.returncode != 0
    assert re.search(r"wants rapidfuzz 0\.0\.1, here is [\d.]+", result.stdout + result.stderr)
    assert (in_own_envs.path / "results/runs/sample/crnn/ort/run.json").exists()
