#!/usr/bin/env python3
"""Give a job of Snakemake to Slurm and print its number: submit.py JOBSCRIPT.

The script holds what the job needs. For another scheduler, this is the file to change.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from snakemake.utils import read_job_properties


def command(job: dict[str, Any], script: Path) -> list[str]:
    """The call of sbatch, from what Snakemake says of the job: rule or groupid, threads, resources."""
    resources = job["resources"]
    name = job["groupid"] if job["type"] == "group" else job["rule"]
    options = {
        "job-name": name,
        "cpus-per-task": job["threads"],
        "mem": resources["mem_mb"],
        "time": resources["runtime"],
        "output": f"logs/slurm/{name}-%j.log",
        "gres": resources.get("gres"),
        "partition": resources.get("slurm_partition"),
        "account": resources.get("slurm_account"),
    }
    given = [f"--{option}={value}" for option, value in options.items() if value is not None]
    exclusive = ["--exclusive"] if resources.get("exclusive") else []
    return ["sbatch", "--parsable", *given, *exclusive, str(script)]


def main() -> None:
    script = Path(sys.argv[1])
    Path("logs/slurm").mkdir(parents=True, exist_ok=True)  # sbatch makes no folders
    sys.exit(subprocess.run(command(read_job_properties(str(script)), script), check=False).returncode)


if __name__ == "__main__":
    main()
