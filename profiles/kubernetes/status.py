#!/usr/bin/env python3
"""Say how a Kubernetes Job is: status.py NAME prints running, success or failed.

A Job that is not there any more has failed. An API server that does not answer says nothing about the Job: then it is
taken to be running, and asked again.
"""

import json
import subprocess
import sys
from typing import Any

SECONDS = 60


def status(name: str) -> str:
    command = ["kubectl", "get", "job", name, "--output=json"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "running"
    if answer.returncode:
        return "failed" if "NotFound" in answer.stderr else "running"
    return state(json.loads(answer.stdout))


def state(job: dict[str, Any]) -> str:
    conditions = job.get("status", {}).get("conditions", [])
    true = {condition["type"] for condition in conditions if condition["status"] == "True"}
    if "Complete" in true:
        return "success"
    return "failed" if "Failed" in true else "running"


if __name__ == "__main__":
    print(status(sys.argv[1]))
