"""The env directive decides which Python a rule's command runs, shown on a workflow of two rules.

`conda` is replaced (command.py), Snakemake is the real one. What a rule sees is written down by its own command.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from conda_workspace import path_with_conda

pytestmark = pytest.mark.dag

SNAKEFILE = """
rule both:
    input: "left.json", "right.json"

for side in ("left", "right"):
    rule:
        name: side
        input: "look.py"
        output: f"{side}.json"
        conda: f"{side}.yaml"
        shell: "python {input:q} >{output:q}"
"""

LOOK = """
import importlib.util, json, sys
packages = ("tqdm", "rapidfuzz", "snakemake")
print(json.dumps({"prefix": sys.prefix, "finds": [name for name in packages if importlib.util.find_spec(name)]}))
"""


def write_env(path: Path, *packages: str) -> None:
    pins = "".join(f"  - {name}={metadata.version(name)}\n" for name in packages)
    path.write_text(f"channels: [conda-forge]\ndependencies:\n  - python=3.{sys.version_info.minor}\n{pins}")


@dataclass
class TwoRules:
    """A folder with the workflow; `left` runs with tqdm and `right` with rapidfuzz."""

    folder: Path

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *options]
        environment = os.environ | {"PATH": path_with_conda()}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def seen(self) -> dict[str, Any]:
        return {side: json.loads((self.folder / f"{side}.json").read_text()) for side in ("left", "right")}


@pytest.fixture
def two_rules(tmp_path: Path) -> TwoRules:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "look.py").write_text(LOOK)
    write_env(tmp_path / "left.yaml", "tqdm")
    write_env(tmp_path / "right.yaml", "rapidfuzz")
    return TwoRules(tmp_path)


def test_each_rule_runs_the_python_of_its_env_and_finds_only_its_packages(two_rules: TwoRules) -> None:
    result = two_rules.run("--sdm", "conda")
    assert result.returncode == 0, result.stderr
    seen = two_rules.seen()
    assert [seen["left"]["finds"], seen["right"]["finds"]] == [["tqdm"], ["rapidfuzz"]]
    prefixes = {Path(side["prefix"]) for side in seen.values()}
    assert len(prefixes) == 2
    assert {prefix.parent for prefix in prefixes} == {two_rules.folder / ".snakemake" / "conda"}


def test_an_edited_env_reruns_the_rules_that_name_it_and_no_other(two_rules: TwoRules) -> None:
    assert two_rules.run("--sdm", "conda").returncode == 0
    before, made = two_rules.seen(), (two_rules.folder / "left.json").stat().st_mtime_ns
    write_env(two_rules.folder / "right.yaml", "rapidfuzz", "tqdm")
    result = two_rules.run("--sdm", "conda")
    assert result.returncode == 0, result.stderr
    after = two_rules.seen()
    assert after["right"]["finds"] == ["tqdm", "rapidfuzz"]
    assert after["right"]["prefix"] != before["right"]["prefix"]
    assert (two_rules.folder / "left.json").stat().st_mtime_ns == made


def test_without_the_option_every_rule_runs_the_python_on_path(two_rules: TwoRules) -> None:
    result = two_rules.run()
    assert result.returncode == 0, result.stderr
    everything = {"prefix": sys.prefix, "finds": ["tqdm", "rapidfuzz", "snakemake"]}
    assert two_rules.seen() == {"left": everything, "right": everything}
