"""Runs that end before their end: no half file is taken for a result, and the next run completes the work.

The workflow is small: one dataset, one deployment. CRNN_KILLS says how often a run is killed; without it, twice.
"""

import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from checkout import Checkout, new_checkout
from crnn.core.files import sha256

pytestmark = [pytest.mark.dag, pytest.mark.slow]

KILLS = int(os.environ.get("CRNN_KILLS", "2"))
JOBS = 15  # that a whole run has
# What differs between equal runs: times and what holds them, and the names that ONNX Runtime gives to nodes it makes.
TIMES = {"generated", "host", "e2e", "infer_only", "latency_ms", "cold_seconds"}
TIMED = {"timings.parquet", "index.html", "report.json", "run.json", "accuracy.csv"}
RENAMED = {"results/builds/crnn/ort/model.onnx"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clone in which nothing has run."""
    clone = new_checkout(tmp_path_factory.mktemp("original") / "clone")
    clone.config["datasets"] = {"sample": {"sample": {"words": 4, "seed": 3}}}
    return clone


@pytest.fixture
def clone(original: Checkout, tmp_path: Path) -> Checkout:
    return original.copy(tmp_path / "clone")


@pytest.fixture(scope="module")
def undisturbed(original: Checkout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run leaves that nothing interrupts."""
    clone = original.copy(tmp_path_factory.mktemp("undisturbed") / "clone")
    finish(clone)
    return outcome(clone)


def finish(clone: Checkout) -> None:
    """Run as a person would run again, unlocking what a killed run left locked; nothing is left to do afterwards."""
    if any((clone.path / ".snakemake/locks").glob("*")):
        assert clone.run("--unlock").returncode == 0
    result = clone.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    assert clone.planned() == {}


def outcome(clone: Checkout) -> dict[str, Any]:
    """The report without its times, and the content of every result that holds none.

    Hidden files and folders are what a killed stage leaves of work that it had not finished.
    """
    results = {path.relative_to(clone.path).as_posix(): path for path in (clone.path / "results").rglob("*")}
    compared = {
        name: sha256(path)
        for name, path in results.items()
        if path.is_file() and "/." not in name and path.name not in TIMED and name not in RENAMED
        if '"started"' not in path.read_text(errors="ignore")  # a record, which says when
    }
    return {"report": without_times(clone.report()), "files": compared}


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@contextmanager
def running(clone: Checkout) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a session of its own, killed with all its jobs at the end of the block if it is still there."""
    with (clone.path / "run.log").open("wb") as log:
        command = clone.command("--cores", "2", "report")
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_jobs(clone: Checkout, process: subprocess.Popen[bytes], count: int) -> None:
    """Return when so many jobs have started, or when the run has ended."""
    log = clone.path / "run.log"
    while process.poll() is None and len(re.findall(r"^Job \d+: ", log.read_text(), re.MULTILINE)) < count:
        time.sleep(0.05)


# --- kill -9 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_run_that_was_killed_is_completed_by_the_next(
    seed: int, clone: Checkout, undisturbed: dict[str, Any]
) -> None:
    """Killed at a random moment: every second time with its jobs, else alone, so that jobs go on without it."""
    moment = random.Random(seed)
    with running(clone) as process:
        wait_for_jobs(clone, process, moment.randint(1, JOBS))
        time.sleep(moment.uniform(0, 1.5))
        kill = os.killpg if seed % 2 else os.kill
        kill(process.pid, signal.SIGKILL)
        process.wait()
        finish(clone)
        assert outcome(clone) == undisturbed


# --- two at once -------------------------------------------------------------------------------------------


def test_of_two_runs_at_once_the_second_is_refused_and_the_first_goes_on(
    clone: Checkout, undisturbed: dict[str, Any]
) -> None:
    with running(clone) as first:
        wait_for_jobs(clone, first, 1)
        second = clone.run("report")
        assert second.returncode == 1
        assert "cannot be locked" in second.stdout + second.stderr
        assert first.wait() == 0
    assert clone.planned() == {}
    assert outcome(clone) == undisturbed


# --- a full disk -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [20_000, 60_000], ids=lambda limit: f"{limit} bytes")
def test_a_run_that_can_write_no_more_fails_and_the_next_completes_it(
    limit: int, clone: Checkout, undisturbed: dict[str, Any]
) -> None:
    """No file may grow over the limit, which every stage meets as it meets a full disk: a write that fails."""
    limited = f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    command = [sys.executable, "-c", f"{limited}; sys.argv[0] = 'snakemake'; runpy.run_module('snakemake')"]
    command += clone.command("--cores", "2", "report")[3:]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit
    finish(clone)
    assert outcome(clone) == undisturbed
