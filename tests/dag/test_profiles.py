"""The profiles fit the rules: what they name is there, and a report can be planned with each."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crnn.runtimes.registry import known_runtimes
from rule_files import rule_blocks, stage_of
from workspace import ROOT, Workspace

pytestmark = [pytest.mark.dag]

CLUSTERS = ("cluster-generic", "kubernetes", "slurm")
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))


def profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_report_can_be_planned(name: str, workspace: Workspace) -> None:
    result = workspace.run("--profile", str(ROOT / "profiles" / name), "--dry-run", "report")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_profile_names_rules_that_there_are(name: str) -> None:
    builds = {f"build_{name}" for name in known_runtimes()}
    rules = {*re.findall(r"^rule (\w+):", RULES, re.MULTILINE), *re.findall(r" as (\w+) with:", RULES), *builds}
    rules |= {stage for stage in map(stage_of, rule_blocks()) if stage}  # those of a loop are named by their stage
    for key in ("groups", "set-threads", "set-resources"):
        assert profile(name).get(key, {}).keys() <= rules


@pytest.mark.parametrize("name", CLUSTERS)
def test_profiles_differ_in_their_scheduler_alone(name: str) -> None:
    common = ("jobs", "retries", "latency-wait", "cores", "resources", "set-threads", "groups", "group-components")
    assert {key: profile(name)[key] for key in common} == {key: profile("slurm")[key] for key in common}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_profile_leaves_the_default_one_in_force(name: str) -> None:
    """Of two profiles with a key, Snakemake takes the default one's."""
    assert not profile(name).keys() & profile("default").keys()


def test_every_attempt_at_a_rule_may_ask_for_more() -> None:
    assert not re.findall(r"\b(?:mem_mb|runtime)=(?:\d|lambda)", RULES)  # `needs` has what grows


def test_no_rule_tries_again_by_itself() -> None:
    """Its retries would act inside the job as well, with the memory and time that were not enough."""
    assert set(re.findall(r"\bretries: (\d+)", RULES)) <= {"0"}


def test_what_a_profile_calls_can_be_called() -> None:
    for config in sorted(Path(ROOT / "profiles").glob("*/config.yaml")):
        for script in config.parent.glob("*.py"):
            assert script.stat().st_mode & 0o111, script
