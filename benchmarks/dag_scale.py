#!/usr/bin/env python3
"""How long Snakemake plans a report of many datasets and deployments, and in how much memory.

Writes a config with N datasets and M deployments into a folder that is removed afterwards, asks for a dry run of the
report (`snakemake --dry-run report`) and prints a row of a Markdown table for each N: jobs, seconds of wall clock and
of processor time, and the largest resident memory of the process. No dataset is opened: a dry run looks at files, not
into them.

    python benchmarks/dag_scale.py --datasets 1 10 100 --deployments 10 --output benchmarks/results/dag_scale.json
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
WIDTHS = ("aspect", "w100", "recipe")


@dataclass(frozen=True)
class Plan:
    """What a dry run took: seconds of wall clock, seconds of processor time, MiB."""

    jobs: int
    seconds: float
    processor: float
    memory: float


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, nargs="+", default=[1, 10, 100], help="how many, a row each")
    parser.add_argument("--deployments", type=int, default=10, help="how many per dataset, torch among them")
    parser.add_argument("--profile", type=Path, help="of the cluster to plan for, such as profiles/slurm")
    parser.add_argument("--output", type=Path, help="JSON file to write as well")
    return parser


def config(folder: Path, datasets: int, deployments: int) -> dict[str, Any]:
    """A config overlay: LMDB folders that are there, and ONNX Runtime by every width rule and batch size in turn."""
    names = [f"words-{number:03}" for number in range(datasets)]
    for name in names:
        (folder / name).mkdir()
        (folder / name / "data.mdb").write_bytes(name.encode())
    rows: dict[str, Any] = {
        f"ort-{number}": {"runtime": "onnxruntime", "widths": WIDTHS[number % len(WIDTHS)], "batch": 1 + number}
        for number in range(1, deployments)
    }
    unused = dict.fromkeys(("ort", "ort-w100", "ort-recipe"))
    return {
        "datasets": {"sample": None, **{name: {"lmdb": str(folder / name)} for name in names}},
        "deployments": {**unused, **rows},
    }


def plan(folder: Path, overlay: dict[str, Any], profile: Path | None) -> Plan:
    """Dry-run the report in a folder. Raises RuntimeError where Snakemake fails."""
    file = folder / "overlay.yaml"
    file.write_text(yaml.safe_dump(overlay))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(file), "--cores", "4", "--dry-run", "--quiet", "rules"]
    command += [*(["--profile", str(profile.resolve())] if profile else []), "--", "report"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    total = re.search(r"^total\s+(\d+)", output, re.MULTILINE)
    if process.returncode or total is None:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output}")
    return Plan(
        int(total[1]), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    )  # ru_maxrss is in KiB on Linux


def main(args: argparse.Namespace) -> None:
    print("| datasets | deployments | jobs | seconds | of processor time | memory, MiB |")
    print("|---|---|---|---|---|---|")
    rows = []
    for datasets in args.datasets:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            took = plan(folder, config(folder, datasets, args.deployments), args.profile)
        rows.append({"datasets": datasets, "deployments": args.deployments, **asdict(took)})
        row = (
            datasets,
            args.deployments,
            took.jobs,
            f"{took.seconds:.1f}",
            f"{took.processor:.1f}",
            f"{took.memory:.0f}",
        )
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps({"command": sys.argv, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(arguments().parse_args())
