#!/usr/bin/env python3
"""How long a report takes in which nothing is to be done, against Snakemake alone on an equal but empty DAG.

Makes the report of a few rendered words with M deployments in a folder that is removed afterwards. Its twin is written
from what Snakemake recorded of it: as many jobs, the same files and dependencies, and no settings, no code, no envs.
Then both are asked again by turns, and all that happens is that Snakemake finds nothing to do.

    python benchmarks/no_op.py --deployments 10 --repeats 7 --output benchmarks/results/no_op.json
"""

import argparse
import base64
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from crnn.core.command import LOG, Command
from crnn.core.files import write_json
from crnn.core.record import describe_host, tool_versions
from stage import run

ROOT = Path(__file__).parents[1]
WIDTHS = ("aspect", "w100", "recipe")


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--deployments", type=int, default=10, help="rows of the report, torch among them")
    command.add_argument("--words", type=int, default=20, help="words that are rendered")
    command.add_argument("--repeats", type=int, default=7)
    command.add_argument("--output", type=Path, required=True, help="JSON file to write")
    return command


def overlay(deployments: int, words: int) -> dict[str, Any]:
    rows = {
        f"ort-{number}": {"runtime": "onnxruntime", "widths": WIDTHS[number % len(WIDTHS)], "batch": 1 + number}
        for number in range(1, deployments)
    }
    shipped = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["deployments"]
    others = dict.fromkeys(name for name in shipped if name != "torch")
    return {
        "datasets": {"sample": {"sample": {"words": words}}},
        "deployments": {**others, **rows},
        "measure": {"passes": 1, "words": words},
    }


def snakemake(folder: Path, *arguments: str) -> float:
    """Run Snakemake in a folder; seconds of wall time. Raises RuntimeError with its output where it fails."""
    command = [sys.executable, "-m", "snakemake", "--directory", str(folder), "--cores", "2", *arguments]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def recorded_jobs(folder: Path) -> list[tuple[list[str], list[str]]]:
    """Inputs and outputs of every job that ran in a folder, as Snakemake recorded them beside each output."""
    metadata = folder / ".snakemake" / "metadata"
    jobs: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    for record in filter(Path.is_file, metadata.rglob("*")):
        facts = json.loads(record.read_text())
        output = base64.b64decode(record.relative_to(metadata).as_posix()).decode()
        _, outputs = jobs.setdefault((facts["rule"], *facts["log"]), (list(facts["input"]), []))
        outputs.append(output)
    return sorted(jobs.values(), key=lambda job: job[1])


def write_twin(jobs: list[tuple[list[str], list[str]]], folder: Path) -> None:
    """Write a Snakefile of these jobs, each with its files and nothing else. What no job makes is left out."""
    made = {output for _, outputs in jobs for output in outputs}
    lines = ["rule report:", f"    input: {json.dumps(sorted(made))}"]
    for number, (inputs, outputs) in enumerate(jobs):
        lines += [
            f"rule job_{number}:",
            f"    input: {json.dumps(sorted(made & set(inputs)))}",
            f"    output: {json.dumps(sorted(outputs))}",
            '    shell: "touch {output}"',
        ]
    (folder / "Snakefile").write_text("\n".join(lines) + "\n")


def main(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as full_name, tempfile.TemporaryDirectory() as empty_name:
        full, empty = Path(full_name), Path(empty_name)
        (full / "overlay.yaml").write_text(yaml.safe_dump(overlay(args.deployments, args.words)))
        report = ("--snakefile", str(ROOT / "Snakefile"), "--configfile", "overlay.yaml", "--", "report")
        LOG.info("making the report took %.0f s", snakemake(full, *report))
        jobs = recorded_jobs(full)
        write_twin(jobs, empty)
        snakemake(empty, "report")
        seconds: dict[str, list[float]] = {"report": [], "empty": []}
        for number in range(args.repeats):
            seconds["report"].append(snakemake(full, *report))
            seconds["empty"].append(snakemake(empty, "report"))
            LOG.info("%d of %d: %s", number + 1, args.repeats, {name: each[-1] for name, each in seconds.items()})
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    ratio = medians["report"] / medians["empty"]
    LOG.info("%d jobs: %.2f s against %.2f s, %.2f times", len(jobs), medians["report"], medians["empty"], ratio)
    facts = {"command": sys.argv, "host": describe_host(), "tools": tool_versions(["snakemake"])}
    write_json(args.output, {**facts, "jobs": len(jobs), "seconds": seconds, "ratio": ratio})


if __name__ == "__main__":
    run(main, arguments())
