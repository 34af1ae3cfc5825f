"""A short run through Slurm by its commands, with the profile for clusters that have no plugin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurm import SEARCH, Slurm
from workspace import ROOT, Workspace, small_config

pytestmark = pytest.mark.dag

PROFILE = ROOT / "profiles/cluster-generic"
TARGETS = ("results/datasets/sample/words.lmdb/data.mdb", "results/models/crnn/raw.onnx")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, cluster: Slurm, checkpoint: Path) -> Workspace:
    """A run of two jobs, of which one first gets less memory than Python takes."""
    space = Workspace(tmp_path_factory.mktemp("generic"), small_config(checkpoint))
    polling = ["--seconds-between-status-checks", "1", "--latency-wait", "10"]
    too_little = ["--set-resources", "render_words:mem_mb=40 if attempt == 1 else 1000"]
    command = space.command("--profile", str(PROFILE), *polling, *too_little, "--", *TARGETS)
    killed = ["timeout", "--kill-after=5", "150"]
    done = subprocess.run([*killed, *command], cwd=space.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return space


def test_the_run_makes_what_was_asked_for(workspace: Workspace) -> None:
    assert all((workspace.path / target).is_file() for target in TARGETS)


def test_a_chain_of_short_jobs_is_one_job(workspace: Workspace, cluster: Slurm) -> None:
    names = sorted(job["JobName"] for job in cluster.jobs(workspace.path))
    assert names == ["model", "render_words", "render_words"]


def test_a_job_that_was_killed_is_tried_again_with_more(workspace: Workspace, cluster: Slurm) -> None:
    tries = [job for job in cluster.jobs(workspace.path) if job["JobName"] == "render_words"]
    assert [job["MinMemoryNode"] for job in tries] == ["40M", "1000M"]
    assert [status(job["JobId"]) for job in tries] == ["failed", "success"]


def test_a_job_that_slurm_does_not_know_has_failed(cluster: Slurm) -> None:
    assert status("99999") == "failed"


def test_a_scheduler_that_does_not_answer_says_nothing_of_the_job(tmp_path: Path) -> None:
    unreachable = tmp_path / "squeue"
    unreachable.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1\n")
    unreachable.chmod(0o755)
    assert status("1", path=f"{tmp_path}{os.pathsep}{SEARCH}") == "running"


def status(job: str, path: str = SEARCH) -> str:
    command = [sys.executable, str(PROFILE / "status.py"), job]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env={"PATH": path})
    return done.stdout.strip()
