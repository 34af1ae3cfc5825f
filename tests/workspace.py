"""A working directory in which tests run Snakemake as a user would."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
import yaml

from crnn.model.network import CRNN, NetworkSize
from crnn.model.weights import write_weights
from warm_snakemake import warm_snakemake

ROOT = Path(__file__).parents[1]
# What a run needs of the repository.
WORKFLOW_FILES = ("Snakefile", "rules", "workflow", "config", "envs", "profiles", "resources")
SMALL = NetworkSize(channels=(4, 4, 8, 8, 8, 8, 8), hidden=8, classes=37)


def benchmark(name: str, *arguments: str | Path) -> None:
    """Run one of the benchmarks as a user would."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Workspace:
    """A working directory with a config overlay; `run` calls Snakemake there as a user would.

    `source` is the checkout whose workflow runs: this repository, or a copy that a test may edit.
    """

    path: Path
    config: dict[str, Any]
    root: Path = ROOT

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs Snakemake here with the config as it is now."""
        overlay = self.path / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(self.root / "Snakefile")]
        return [*command, "--directory", str(self.path), "--configfile", str(overlay), *arguments]

    def run(self, *arguments: str, cores: int = 2, **environment: str) -> subprocess.CompletedProcess[str]:
        command = self.command("--cores", str(cores), *arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)

    def report(self) -> dict[str, Any]:
        return json.loads((self.path / "results/report/report.json").read_text())

    def readings(self, file: str) -> pl.DataFrame:
        """What a run or a reference read: a Parquet file below results/."""
        return pl.read_parquet(self.path / "results" / file)

    def dry_run(self, *targets: str, **environment: str) -> "Plan":
        """What a run for the targets, the report by default, would do, and what Snakemake prints of it."""
        arguments = self.command("--cores", "2", "--dry-run", *targets)[3:]
        status, text = warm_snakemake(arguments, **environment)
        assert status == 0, text
        table = re.search(r"^Job stats:\n.*\n-+ .*\n((?:\w+ +\d+\n)*)total", text, re.MULTILINE)
        jobs = dict(line.split() for line in table[1].splitlines()) if table else {}
        return Plan({rule: int(count) for rule, count in jobs.items() if rule not in (*targets, "report")}, text)

    def planned(self, *targets: str, **environment: str) -> dict[str, int]:
        """Rules that a run would run for the targets, with how many jobs each."""
        return self.dry_run(*targets, **environment).jobs


@dataclass(frozen=True)
class Plan:
    """A dry run: rule → jobs, and the text with their reasons."""

    jobs: dict[str, int]
    text: str


def write_small_checkpoint(path: Path, seed: int = 5, size: NetworkSize = SMALL) -> Path:
    """Weights of a network that takes milliseconds, the same at every call with a seed."""
    torch.manual_seed(seed)
    write_weights(CRNN(size).eval().state_dict(), size, path)
    return path


def small_training() -> dict[str, Any]:
    """Training of a few seconds: 48 steps, the fonts and words of this repository."""
    return {
        "fonts": [str(ROOT / "resources" / "fonts")],
        "lexicons": [str(ROOT / "resources" / "words" / "english.txt")],
        "words": 768,
        "batch": 16,
        "learning_rate": 0.01,
        "average": 0.9,
        "channels": list(SMALL.channels),
        "hidden": SMALL.hidden,
        "validation": {"words": 6, "every": 256, "fonts": 0.3},
        "save_seconds": 0,
    }


def small_config(checkpoint: Path) -> dict[str, Any]:
    return {
        "datasets": {"sample": {"sample": {"words": 12, "seed": 3}}},
        "models": {
            "crnn": {"checkpoint": str(checkpoint), "channels": list(SMALL.channels), "hidden": SMALL.hidden},
        },
        "measure": {"passes": 1, "warmup": 2},
        "batching": {"sizes": [1, 3], "words": 6},
    }
