#!/usr/bin/env python3
"""Say how a Slurm job is: status.py NUMBER prints running, success or failed.

Asks squeue, which every cluster has. A job that Slurm no longer knows, MinJobAge seconds after its end, has failed as
far as anyone can tell. Slurm not answering says nothing about the job: then it is taken to be running, and asked again.
"""

import subprocess
import sys

UNFINISHED = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "RESIZING", "STAGE_OUT")
SECONDS = 60


def status(job: str) -> str:
    command = ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "running"
    if answer.returncode:
        return "failed" if "Invalid job id" in answer.stderr else "running"
    state = answer.stdout.strip()
    if state in UNFINISHED:
        return "running"
    return "success" if state == "COMPLETED" else "failed"


if __name__ == "__main__":
    print(status(sys.argv[1]))
