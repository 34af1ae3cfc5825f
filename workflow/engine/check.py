"""The check: every row of a config on a few rendered words, and how far Snakemake came with each."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from crnn.core.record import tool_versions
from engine.config import Config, ConfigError
from engine.layout import Layout

Steps = dict[str, list[str]]  # step of a row → the files that it leaves, in the order of the work


def with_check(config: Config) -> Config:
    """The config itself or, where it has `check`, one whose only words are rendered: none of the user's is read."""
    if "check" not in config:
        return config
    config = deepcopy(config)
    for entry in (config["calibration"], config["planning"], *config["widths"].values()):
        for names_words in ("lmdb", "datasets"):
            entry.pop(names_words, None)
    return {**config, "datasets": {"check": {"sample": config["check"]}}}


def rows_to_check(layout: Layout) -> dict[str, Steps]:
    """The steps of every row by its name; a cascade is made of rows and is none. Raises ConfigError without `check`."""
    if "check" not in layout.config:
        raise ConfigError(["there is no `check` to make; lay config/check.yaml over yours (--configfile)"])
    rows: dict[str, Steps] = {}
    for run in (run for run in layout.runs if run.deployment in layout.alone):
        rows[run.deployment if len(layout.config["models"]) == 1 else f"{run.model} {run.deployment}"] = {
            "build": [f"{layout.results}/builds/{run.model}/{run.deployment}/build.json"],
            "read": [file.replace(".parquet", ".json") for file in layout.predictions_of(run)],
            **{name: [layout.run_file(run, f"{name}.json")] for name in ("audit", "batching", "run")},
        }
    return rows


def progress(layout: Layout, dag: Any) -> list[tuple[str, Steps, list[Any]]]:
    """Of each row its name, the steps that are done and the jobs that failed; nothing where `check` was not asked for.

    A file of an earlier run counts only where all that it is made of was made: what failed may have been before it.
    """
    if all(job.rule.name != "check" for job in dag.jobs):
        return []
    made_by = {str(file): job for job in dag.jobs for file in job.output}

    @cache
    def failed(job: Any) -> tuple[Any, ...]:
        before = tuple(each for needed in dag.dependencies[job] for each in failed(needed))
        return before or (() if all(Path(file).exists() for file in job.output) else (job,))

    def came(steps: Steps) -> tuple[Steps, list[Any]]:
        lacks = {step: [job for file in files for job in failed(made_by[file])] for step, files in steps.items()}
        done = {step: files for step, files in steps.items() if not lacks[step]}
        return done, list(dict.fromkeys(job for jobs in lacks.values() for job in jobs))

    return [(name, *came(steps)) for name, steps in rows_to_check(layout).items()]


def installed(layout: Layout) -> Mapping[str, str]:
    """Tool → version as it is installed here, of every runtime in use."""
    runtimes = layout.runtimes_in_use.values()
    probed = {name: probe.version() or "absent" for each in runtimes for name, probe in each.probes.items()}
    return tool_versions(name for each in runtimes for name in each.tools) | probed
