#!/usr/bin/env python3
"""Create a Kubernetes Job for a job of Snakemake and print its name: submit.py JOBSCRIPT.

The script holds what the job needs; job.yaml, beside this file, what all jobs have in common.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import read_job_properties

# SITE: what the device plugins of the cluster call its devices.
DEVICES = {"gpu": "nvidia.com/gpu", "npu": "huawei.com/Ascend310P"}


def manifest(job: dict[str, Any], script: Path, common: dict[str, Any]) -> dict[str, Any]:
    """The Job of `common` with what this job needs. What it requests is also its limit, so no job has less."""
    resources = job["resources"]
    needs = {"cpu": str(job["threads"]), "memory": f"{resources['mem_mb']}M"}
    needs |= {DEVICES[name]: str(resources[name]) for name in DEVICES if name in resources}
    name = job["groupid"] if job["type"] == "group" else job["rule"]
    common["metadata"]["generateName"] = f"{name.replace('_', '-')}-"
    common["spec"]["activeDeadlineSeconds"] = 60 * resources["runtime"]
    container = common["spec"]["template"]["spec"]["containers"][0]
    container |= {"command": ["sh", str(script)], "resources": {"requests": needs, "limits": needs}}
    return common


def main() -> None:
    script = Path(sys.argv[1]).resolve()
    common = yaml.safe_load(Path(__file__).with_name("job.yaml").read_text(encoding="utf-8"))
    created = json.dumps(manifest(read_job_properties(str(script)), script, common))
    command = ["kubectl", "create", "--filename=-", "--output=jsonpath={.metadata.name}"]
    sys.exit(subprocess.run(command, input=created, text=True, check=False).returncode)


if __name__ == "__main__":
    main()
