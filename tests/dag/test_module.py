"""The workflow from outside: imported as a module by another one, by workflow/Snakefile, with results elsewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from warm_snakemake import warm_snakemake
from workspace import ROOT, small_config

pytestmark = pytest.mark.dag

# Without `config:` the module has this workflow's defaults, and what --configfile says.
SNAKEFILE = f"""
module crnn:
    snakefile: "{ROOT}/workflow/Snakefile"
PATHVARS
use rule * from crnn as crnn_*

rule all:
    default_target: True
    input: rules.crnn_report.input
"""
ELSEWHERE = """    pathvars:
        results="elsewhere"
"""


def dry_run(folder: Path, snakefile: Path) -> str:
    """What Snakemake prints of its plan."""
    arguments = ["--snakefile", str(snakefile), "--directory", str(folder), "--cores", "2", "--dry-run"]
    status, text = warm_snakemake(arguments)
    assert status == 0, text
    return text


def jobs(text: str) -> dict[str, int]:
    """Rule → jobs of a plan, but for what is made by default."""
    found = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    return {rule: count for rule, count in found.items() if rule not in {"all", "report", "total"}}


def put_snakefile(folder: Path, pathvars: str = "") -> Path:
    (folder / "Snakefile").write_text(SNAKEFILE.replace("PATHVARS\n", pathvars))
    return folder / "Snakefile"


def test_a_workflow_that_imports_this_one_plans_the_default_report(tmp_path: Path) -> None:
    """As the Snakefile that the catalogue runs, and as the map."""
    imported = jobs(dry_run(tmp_path, put_snakefile(tmp_path)))
    assert imported["crnn_make_report"] == 1
    assert {rule.removeprefix("crnn_"): count for rule, count in imported.items()} == jobs(
        dry_run(tmp_path, ROOT / "workflow/Snakefile")
    )
    assert jobs(dry_run(tmp_path, ROOT / "workflow/Snakefile")) == jobs(dry_run(tmp_path, ROOT / "Snakefile"))


def test_results_of_the_module_may_lie_elsewhere(tmp_path: Path) -> None:
    text = dry_run(tmp_path, put_snakefile(tmp_path, ELSEWHERE))
    assert "elsewhere/report/index.html" in text
    assert " results/" not in text


@pytest.mark.slow
def test_a_workflow_that_imports_this_one_makes_the_report(tmp_path: Path, small_checkpoint: Path) -> None:
    put_snakefile(tmp_path, ELSEWHERE)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(small_config(small_checkpoint)))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "mine.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "elsewhere/report/report.json").read_text())["rows"]
    assert {row["samples"] for row in rows} == {12}
    assert not (tmp_path / "results").exists()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Nothing to be done" in again.stdout + again.stderr
