"""The whole workflow through a real Slurm with the shipped profile, and what happens to jobs that are killed."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from examples import png, scribble
from slurm import Job, Slurm, wait_until
from workspace import Workspace, small_config

pytestmark = pytest.mark.dag

# What differs between equal runs, and nothing else does: times, and the last bits of floats in another batch.
TIMES = {
    "max_abs_difference",
    "generated",
    "host",
    "cold_seconds",
    "breakdown",
    "images_per_second",
    "seconds",
    "spread",
    "latency_ms",
}
NO_MEMORY_AT_FIRST = "render_words:mem_mb=40 if attempt == 1 else 1000"
A_MINUTE_AT_FIRST = "import_images:runtime=attempt"


@dataclass
class Run:
    """A finished run through the cluster."""

    workspace: Workspace
    log: str
    jobs: list[Job]

    def of(self, rule: str) -> list[Job]:
        """Its jobs of a rule or a group, in the order of their submission."""
        return [job for job in self.jobs if f"{job['Comment']}_".startswith(f"rule_{rule}_")]


@contextmanager
def running(workspace: Workspace, *arguments: str, seconds: int) -> Iterator[subprocess.Popen[bytes]]:
    """Snakemake with the shipped profile, asking Slurm more often than anybody should. It ends with the block."""
    profile = ["--profile", str(workspace.root / "profiles/slurm")]
    polling = ["--slurm-init-seconds-before-status-checks", "4", "--latency-wait", "10"]
    killed = ["setpriv", "--pdeathsig", "TERM", "timeout", "--kill-after=5", str(seconds)]
    command = [*killed, *workspace.command(*profile, *polling, *arguments)]
    with (workspace.path / "run.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def finished(process: subprocess.Popen[bytes], workspace: Workspace, cluster: Slurm) -> Run:
    code = process.wait()
    log = (workspace.path / "run.log").read_text()
    assert code == 0, log
    return Run(workspace, log, cluster.jobs(workspace.path))


@pytest.fixture(scope="module")
def config(checkpoint: Path) -> dict[str, Any]:
    """Every rule of the default workflow, with ONNX Runtime as the device; the words are in three parts."""
    only = dict.fromkeys(("ort", "ort-w100", "ort-recipe")) | {"device": {"runtime": "device", "widths": "aspect"}}
    datasets = {"sample": {"sample": {"words": 12, "seed": 3}, "parts": 3}}
    return small_config(checkpoint) | {"datasets": datasets, "deployments": only}


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, cluster: Slurm, checkout: Path, config: dict[str, Any]
) -> dict[str, Run]:
    """The report by Slurm, and beside it two datasets whose jobs are killed before they succeed."""
    # A label file that never comes: a pipe that nobody writes to, and that ends with this process.
    folder = tmp_path_factory.mktemp("images")
    (folder / "word.png").write_bytes(png(scribble(60, 20)))
    os.mkfifo(folder / "labels.txt")
    pipe = os.open(folder / "labels.txt", os.O_RDWR)
    (folder / "written.txt").write_text("word.png word\n")
    datasets = {
        "sample": {"sample": {"words": 5}},
        "late": {"images": {"folder": str(folder), "labels": str(folder / "labels.txt")}},
    }
    troubled = Workspace(tmp_path_factory.mktemp("troubled"), config | {"datasets": datasets}, checkout)
    words = [f"results/datasets/{name}/words.lmdb/data.mdb" for name in datasets]
    limits = ["--set-resources", NO_MEMORY_AT_FIRST, A_MINUTE_AT_FIRST]
    partitions = ["--default-resources", "mem_mb=500", "runtime=10", "slurm_partition='spare,other'"]
    whole = Workspace(tmp_path_factory.mktemp("whole"), config, checkout)

    def timed_out() -> bool:
        return any(job["JobState"] == "TIMEOUT" for job in cluster.jobs(troubled.path))

    with (
        running(troubled, *limits, *partitions, "--", *words, seconds=600) as in_trouble,
        running(whole, "report", seconds=900) as working,
    ):
        wait_until(timed_out, "the time limit", 300)
        (folder / "written.txt").replace(folder / "labels.txt")
        os.close(pipe)
        return {"troubled": finished(in_trouble, troubled, cluster), "whole": finished(working, whole, cluster)}


@pytest.fixture(scope="module")
def whole(runs: dict[str, Run]) -> Run:
    return runs["whole"]


@pytest.fixture(scope="module")
def troubled(runs: dict[str, Run]) -> Run:
    return runs["troubled"]


@pytest.fixture(scope="module")
def local(
    tmp_path_factory: pytest.TempPathFactory, runs: dict[str, Run], checkout: Path, config: dict[str, Any]
) -> Workspace:
    """The same report without a cluster, of the same words in one part."""
    datasets = {"sample": {**config["datasets"]["sample"], "parts": 1}}
    workspace = Workspace(tmp_path_factory.mktemp("local"), config | {"datasets": datasets}, checkout)
    result = workspace.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    return workspace


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


# --- the whole workflow ------------------------------------------------------------------------------------


def test_every_job_of_the_report_was_slurms_but_the_verdict(whole: Run) -> None:
    assert {job["JobState"] for job in whole.jobs} == {"COMPLETED"}
    assert len(whole.of("make_report")) == 1
    assert not whole.of("check_budgets")
    assert (whole.workspace.path / "results/report/budgets.json").is_file()


def test_the_report_is_the_local_one_apart_from_times(whole: Run, local: Workspace) -> None:
    assert timeless(whole.workspace.report()) == timeless(local.report())


@pytest.mark.parametrize("reader", ["torch", "raw", "fixed", "device"])
def test_three_parts_are_read_as_the_local_one(whole: Run, local: Workspace, reader: str) -> None:
    folder = f"predictions/sample/crnn/aspect/{reader}"
    parts = [whole.workspace.readings(f"{folder}/{part}.parquet") for part in (1, 2, 3)]
    together, alone = pl.concat(parts), local.readings(f"{folder}/1.parquet")
    assert [part.height for part in parts] == [4, 4, 4]
    assert together.select("index", "text").equals(alone.select("index", "text"))
    assert (together["confidence"] - alone["confidence"]).abs().max() <= 1e-5


def test_what_slurm_made_needs_no_second_run_here(whole: Run) -> None:
    assert whole.workspace.planned() == {}


def test_a_job_asks_for_what_its_rule_says(whole: Run) -> None:
    jobs = whole.of("make_tensors")
    assert len(jobs) == 3
    assert {(job["MinMemoryNode"], job["TimeLimit"], job["NumCPUs"]) for job in jobs} == {("4000M", "04:00:00", "4")}


def test_a_model_and_its_builds_on_the_processor_are_one_job(whole: Run) -> None:
    assert len(whole.of("model")) == 1
    assert whole.log.count("Group job model") == 1
    assert not any(whole.of(rule) for rule in ("import_checkpoint", "export_onnx", "fix_onnx", "build_torch"))


def test_a_reading_is_checked_in_the_same_job(whole: Run) -> None:
    assert len(whole.of("reading")) == 2
    assert not whole.of("check_batching")


def test_scores_and_audits_are_one_job(whole: Run) -> None:
    assert len(whole.of("scores")) == 1
    assert not whole.of("score_run")
    assert not whole.of("audit_run")


def test_a_timing_has_the_node_to_itself(whole: Run) -> None:
    timings = whole.of("time_words")
    assert len(timings) == 2
    assert {(job["NumCPUs"], job["OverSubscribe"]) for job in timings} == {("16", "NO")}
    for timing in timings:
        others = [job for job in whole.jobs if job["JobId"] != timing["JobId"]]
        assert not any(overlap(timing, other) for other in others)


def overlap(one: Job, other: Job) -> bool:
    return one["StartTime"] < other["EndTime"] and other["StartTime"] < one["EndTime"]


def test_of_several_partitions_slurm_takes_one(troubled: Run) -> None:
    assert {job["Partition"] for job in troubled.jobs} <= {"spare", "other"}


# --- devices -----------------------------------------------------------------------------------------------


def test_jobs_that_use_a_device_ask_for_it_and_no_other_does(whole: Run) -> None:
    asking = sorted((job["Comment"], job["TresPerNode"]) for job in whole.jobs if "TresPerNode" in job)
    assert asking == [
        ("rule_build_device_wildcards_crnn_device", "gres:gpu:1"),
        ("rule_reading_check_batching_predict", "gres:npu:1"),
        ("rule_time_words_wildcards_sample_crnn_device", "gres:npu:1"),
    ]


# --- jobs that are killed ----------------------------------------------------------------------------------


def test_a_job_that_outgrew_its_memory_is_tried_again_with_more(troubled: Run) -> None:
    assert [(job["JobState"], job["MinMemoryNode"]) for job in troubled.of("render_words")] == [
        ("FAILED", "40M"),
        ("COMPLETED", "1000M"),
    ]


def test_a_job_past_its_time_limit_is_tried_again_with_more_time(troubled: Run) -> None:
    jobs = troubled.of("import_images")
    assert [(job["JobState"], job["TimeLimit"]) for job in jobs] == [
        ("TIMEOUT", "00:01:00"),
        ("COMPLETED", "00:02:00"),
    ]
    # Its memory was not changed by hand: the rule asks for more of it as well.
    assert [job["MinMemoryNode"] for job in jobs] == ["1000M", "2000M"]


def test_what_a_killed_job_left_is_not_taken_for_a_result(troubled: Run) -> None:
    record = json.loads((troubled.workspace.path / "results/datasets/late/words.json").read_text())
    assert record["results"]["words"] == 1
