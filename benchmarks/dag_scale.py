#!/usr/bin/env python3
"""What Snakemake takes to plan a report of many datasets and deployments, and to find one up to date.

Writes a config with N datasets and M deployments into a folder that is removed afterwards, and asks for a dry run of
the report. Then every file of it is made, empty, and recorded as up to date (`snakemake --touch`), and the report is
asked for again: nothing is to be done. Prints a row of a Markdown table for each N: jobs, and of both the seconds of
wall clock and of processor time and the largest resident memory. No dataset is opened: planning looks at files alone.

    python benchmarks/dag_scale.py --datasets 1 10 100 --deployments 10 --output benchmarks/results/dag_scale.json
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import yaml

from crnn.core.files import write_json
from crnn.core.record import describe_host, tool_versions

ROOT = Path(__file__).parents[1]
WIDTHS = ("aspect", "w100", "recipe")


@dataclass(frozen=True)
class Cost:
    """What a run of Snakemake took: seconds of wall clock, seconds of processor time, MiB."""

    seconds: float
    processor: float
    memory: float


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, nargs="+", default=[1, 10, 100], help="how many, a row each")
    parser.add_argument("--deployments", type=int, default=10, help="how many per dataset, torch among them")
    parser.add_argument(
        "--no-op-up-to",
        type=int,
        default=10,
        metavar="N",
        help="datasets up to which a run with nothing to do is measured too (default: 10); Snakemake records some ten "
        "jobs a second as done",
    )
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


@dataclass(frozen=True)
class Report:
    """The report of a config in a folder, as a cluster of `profile` would make it where one is given."""

    folder: Path
    profile: Path | None

    def write(self, overlay: dict[str, Any]) -> None:
        (self.folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))

    def snakemake(self, *flags: str) -> tuple[Cost, str]:
        """Run it; what it took and what it said. Raises RuntimeError where Snakemake fails."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--configfile", str(self.folder / "overlay.yaml"), "--cores", "4"]
        command += [*flags, *(["--profile", str(self.profile.resolve())] if self.profile else []), "--", "report"]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{output}")
        memory = usage.ru_maxrss / 1024  # KiB on Linux
        return Cost(seconds, usage.ru_utime + usage.ru_stime, memory), output

    def dry_run(self) -> tuple[Cost, int]:
        """What planning took, and how many jobs there are."""
        cost, output = self.snakemake("--dry-run", "--quiet", "rules")
        total = re.search(r"^total\s+(\d+)", output, re.MULTILINE)
        assert total is not None, output
        return cost, int(total[1])

    def pretend(self) -> None:
        """Make every file of the report, empty, and have Snakemake record it as up to date."""
        _, summary = self.snakemake("--summary")
        for line in summary.splitlines():
            if line.startswith("results/"):
                file = self.folder / line.partition("\t")[0]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
        self.snakemake("--touch")

    def no_op(self) -> Cost:
        """What it took to find nothing to do."""
        cost, output = self.snakemake()
        if "Nothing to be done" not in output:
            raise RuntimeError(f"expected nothing to do, but Snakemake said:\n{output}")
        return cost


def measured(datasets: int, args: argparse.Namespace) -> dict[str, Any]:
    """A row: datasets, deployments, jobs, the cost of a dry run and, where asked for, that of finding nothing to do."""
    with tempfile.TemporaryDirectory() as name:
        report = Report(Path(name), args.profile)
        report.write(config(report.folder, datasets, args.deployments))
        dry_run, jobs = report.dry_run()
        row = {"datasets": datasets, "deployments": args.deployments, "jobs": jobs, "dry_run": asdict(dry_run)}
        if datasets > args.no_op_up_to:
            return row
        report.pretend()
        return {**row, "no_op": asdict(report.no_op())}


def main(args: argparse.Namespace) -> None:
    print("| datasets | jobs | dry run, s | of processor time | MiB | nothing to do, s | of processor time | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for datasets in args.datasets:
        rows.append(row := measured(datasets, args))
        runs = [row["dry_run"], row.get("no_op", {})]
        costs = [f"{run[what]:.1f}" if run else "–" for run in runs for what in ("seconds", "processor", "memory")]
        print(f"| {datasets} | {row['jobs']} | {' | '.join(costs)} |", flush=True)
    if args.output:
        write_json(
            args.output,
            {"command": sys.argv, "host": describe_host(), "tools": tool_versions(["snakemake"]), "rows": rows},
        )


if __name__ == "__main__":
    main(arguments().parse_args())
