"""What the resources of a rule carry: functions of a job's wildcards, attempt and threads, as Snakemake calls them."""

from collections.abc import Callable
from typing import Any

DEVICES = ("gpu", "npu")
DeviceOf = Callable[[Any], str | None]  # wildcards → the device that a job takes
Count = Callable[[Any, int], int]  # wildcards, threads → how many of it


def needs(mb: int, minutes: int) -> dict[str, Callable[[Any, int], int]]:
    """Memory and time of a job; every further attempt gets more, for a cluster ends the job that exceeds them."""

    def grows(amount: int) -> Callable[[Any, int], int]:
        return lambda wildcards, attempt: amount * attempt  # noqa: ARG005 (Snakemake goes by the names)

    return {"mem_mb": grows(mb), "runtime": grows(minutes)}


def one_device(_wildcards: Any, _threads: int) -> int:
    """The usual number."""
    return 1


def occupies(device_of: DeviceOf, count: Count = one_device) -> dict[str, Callable[[Any, int], Any]]:
    """The resources of a job that takes devices: npu=1 is what --resources npu=… limits, gres="npu:1" Slurm's words."""

    def gres(wildcards: Any, threads: int) -> str | None:
        device = device_of(wildcards)
        return f"{device}:{count(wildcards, threads)}" if device else None

    def taken(device: str) -> Callable[[Any, int], int | None]:
        return lambda wildcards, threads: count(wildcards, threads) if device_of(wildcards) == device else None

    return {"gres": gres, **{device: taken(device) for device in DEVICES}}
