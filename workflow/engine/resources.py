"""What the resources of a rule carry: functions of a job's wildcards, attempt and threads, as Snakemake calls them."""

from collections.abc import Callable
from typing import Any

DEVICES = ("gpu", "npu")
DeviceOf = Callable[[Any], str | None]  # wildcards → the device that a job takes
Count = Callable[[Any, int], int]  # wildcards, threads → how many of it
Resources = dict[str, Callable[[Any, int], Any]]


def needs(mb: int, minutes: int) -> Resources:
    """Memory and time of a job; every further attempt gets more, for a cluster ends the job that exceeds them."""
    return {
        "mem_mb": lambda wildcards, attempt: mb * attempt,  # noqa: ARG005 (Snakemake goes by the names)
        "runtime": lambda wildcards, attempt: minutes * attempt,  # noqa: ARG005
    }


def occupies(device_of: DeviceOf, count: Count = lambda _wildcards, _threads: 1) -> Resources:
    """The resources of a job that takes devices: npu=1 is what --resources npu=… limits, gres="npu:1" Slurm's words."""

    def gres(wildcards: Any, threads: int) -> str | None:
        device = device_of(wildcards)
        return f"{device}:{count(wildcards, threads)}" if device else None

    def taken(device: str) -> Callable[[Any, int], int | None]:
        return lambda wildcards, threads: count(wildcards, threads) if device_of(wildcards) == device else None

    return {"gres": gres, **{device: taken(device) for device in DEVICES}}
