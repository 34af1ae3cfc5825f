"""`snakemake train`: from fonts and words to a checkpoint, in one go and across a kill -9."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from workspace import SMALL, Workspace, small_training

pytestmark = pytest.mark.dag

TRAINED = "results/training/crnn"


def workspace(path: Path) -> Workspace:
    path.mkdir()
    return Workspace(path, {"training": {"crnn": small_training()}})


def kill_once_it_saved(space: Workspace, steps: int) -> None:
    """Start `snakemake train` and kill everything it started after so many saved steps, as a power cut would."""
    command = space.command("--cores", "2", "train")
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    state = space.path / TRAINED / "state.pt"
    saves: set[int] = set()
    deadline = time.monotonic() + 120
    while len(saves) < steps:
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        if state.exists():
            saves.add(state.stat().st_mtime_ns)
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def history(space: Workspace) -> list[dict[str, Any]]:
    lines = (space.path / TRAINED / "log.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, killed = workspace(tmp_path / "undisturbed"), workspace(tmp_path / "killed")
    done = undisturbed.run("train")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = undisturbed.path / TRAINED
    for name in ("weights.safetensors", "curve.svg", "sheet.png", "README.md"):
        assert (folder / name).stat().st_size > 0
    assert not (folder / "state.pt").exists()

    kill_once_it_saved(killed, steps=5)
    assert not (killed.path / TRAINED / "weights.safetensors").exists()
    assert killed.run("--unlock").returncode == 0  # Snakemake was killed with its jobs
    done = killed.run("train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "going on after word" in (killed.path / "logs/train_checkpoint/crnn.log").read_text()
    assert history(killed) == history(undisturbed)
    assert (killed.path / TRAINED / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()


def test_a_model_may_name_the_checkpoint_that_a_training_makes(tmp_path: Path) -> None:
    space = workspace(tmp_path / "both")
    model = {"checkpoint": f"{TRAINED}/weights.safetensors", "channels": list(SMALL.channels), "hidden": SMALL.hidden}
    space.config["models"] = {"crnn": model}
    assert {"train_checkpoint", "import_checkpoint"} <= space.planned().keys()


def test_training_is_no_part_of_the_report(tmp_path: Path) -> None:
    assert "train_checkpoint" not in workspace(tmp_path / "report").planned()
