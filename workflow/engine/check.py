"""The check: every row of a config on a few rendered words, and how far Snakemake came with each.

Not here: the table of it (`crnn.report.check`).
"""

from functools import cache
from pathlib import Path
from typing import Any

from crnn.core.record import tool_versions
from engine.config import Config, ConfigError
from engine.layout import Layout, Run

DATASET = "check"


def with_check(config: Config) -> Config:
    """The config itself or, where it has `check`, one whose only words are rendered: none of the user's is read."""
    if "check" not in config:
        return config
    own = {name: _without(config[name], "lmdb") for name in ("calibration", "planning")}
    widths = {name: _without(entry, "datasets") for name, entry in config["widths"].items()}
    return {**config, **own, "widths": widths, "datasets": {DATASET: {"sample": config["check"]}}}


def _without(entry: Config, key: str) -> Config:
    return {name: value for name, value in entry.items() if name != key}


def row_files(layout: Layout, run: Run) -> dict[str, list[str]]:
    """What each step of a row leaves, in the order of the work."""
    folder = f"{layout.results}/runs/{run.dataset}/{run.model}/{run.deployment}"
    widths = layout.deployments[run.deployment].widths
    return {
        "build": [f"{layout.results}/builds/{run.model}/{run.deployment}/build.json"],
        "read": layout.predictions(run.dataset, run.model, widths, run.deployment, ".json"),
        **{name: [f"{folder}/{name}.json"] for name in ("audit", "batching", "run")},
    }


def checked_files(layout: Layout) -> list[str]:
    """Every file of every row; cascades are made of rows and are none. Raises ConfigError where there is no `check`."""
    if "check" not in layout.config:
        raise ConfigError(["there is no `check` to make; lay config/check.yaml over yours (--configfile)"])
    runs = (run for run in layout.runs if run.deployment in layout.alone)
    return [file for run in runs for files in row_files(layout, run).values() for file in files]


def checked_rows(layout: Layout, dag: Any) -> list[dict[str, Any]]:
    """How far each row came: the files of the steps that are done, and the jobs that failed; no row without a check.

    A file of an earlier run counts only where all that it is made of was made: what failed may have been before it.
    """
    if all(job.rule.name != "check" for job in dag.jobs):
        return []
    made_by = {str(file): job for job in dag.jobs for file in job.output}

    @cache
    def failed(job: Any) -> tuple[Any, ...]:
        before = tuple(each for needed in dag.dependencies[job] for each in failed(needed))
        return before or (() if all(Path(file).exists() for file in job.output) else (job,))

    def row(run: Run) -> dict[str, Any]:
        steps = row_files(layout, run)
        lacks = {name: [each for file in files for each in failed(made_by[file])] for name, files in steps.items()}
        jobs = dict.fromkeys(each for found in lacks.values() for each in found)
        name = run.deployment if len(layout.config["models"]) == 1 else f"{run.model} {run.deployment}"
        done = {step: files for step, files in steps.items() if not lacks[step]}
        return {"name": name, "files": done, "failed": [_told(job) for job in jobs]}

    return [row(run) for run in layout.runs if run.deployment in layout.alone]


def _told(job: Any) -> dict[str, Any]:
    command = " ".join((job.shellcmd or "").replace("\\\n", " ").split())
    return {"step": job.rule.name, "log": next(map(str, job.log), None), "command": command}


def installed(layout: Layout) -> dict[str, str]:
    """Tool → version as it is installed here, of every runtime in use."""
    found: dict[str, str] = {}
    for runtime in layout.runtimes_in_use.values():
        found |= tool_versions(runtime.tools)
        found |= {name: probe.version() or "absent" for name, probe in runtime.probes.items()}
    return found
