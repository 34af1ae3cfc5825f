"""The record that a stage leaves beside its output: inputs, outputs, tools, machine, duration, memory.

Records are provenance for the report. They hold times and host names, so equal runs leave different ones.
"""

import os
import platform
import re
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crnn.core.files import file_facts, write_json

if TYPE_CHECKING:
    from crnn.core.command import Arguments

# Instructions that make this work several times faster: Linux's name, and the maker's.
FAST_INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx_vnni": "VNNI",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "bfloat16",
    "amx_tile": "AMX",
    "sve": "SVE",
    "i8mm": "I8MM",
    "bf16": "bfloat16",
}


def cpu_model(cpuinfo: str) -> str | None:
    """Name of the first processor of a /proc/cpuinfo, and its fast instructions; None where it has no name.

    A name alone says little on a virtual machine: hosts of several generations call themselves "AMD EPYC".
    """
    facts: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    name = facts.get("model name", facts.get("Model"))
    has = set(facts.get("flags", facts.get("Features", "")).split())
    fast = list(dict.fromkeys(kind for flag, kind in FAST_INSTRUCTIONS.items() if flag in has))
    return f"{name} ({', '.join(fast)})" if name and fast else name


def _cpu() -> str:
    """The processor as Linux states it; elsewhere what Python knows."""
    try:
        found = cpu_model(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = platform.processor()
    return found or platform.machine()


def describe_host() -> dict[str, Any]:
    """The machine, for readers of a timing: processor, usable cores, memory, system, Python."""
    return {
        "name": platform.node(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _status_mib(key: str) -> float:
    found = re.search(rf"^{key}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def resident_mib() -> float:
    """MiB in memory now, shared libraries and mapped files among them."""
    return _status_mib("VmRSS")


def peak_mib() -> float:
    """The most MiB in memory since the process began; of a program that it started and that has ended, if larger."""
    return max(_status_mib("VmHWM"), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def age_seconds() -> float:
    """Seconds since the process began, to a hundredth: before the interpreter or any import."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()  # from the third on
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def tool_versions(distributions: Iterable[str]) -> dict[str, str]:
    """Installed version of each named distribution; `absent` where there is none."""
    versions: dict[str, str] = {}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


@dataclass
class Record:
    """One stage's facts. `target`: the JSON file to write; without one, none is written."""

    stage: str
    inputs: Iterable[Path]
    parameters: dict[str, Any]
    tools: Iterable[str]
    target: Path | None
    started: float = field(default_factory=time.time)

    @classmethod
    def begin(
        cls, args: "Arguments", inputs: Iterable[Path | None], tools: Iterable[str] = (), **parameters: Any
    ) -> "Record":
        """The record of the stage that was given `args`; an input that is None was not given.

        Its parameters are the options that are no paths; `parameters` are added, or take their place.
        """
        given = [path for path in inputs if path is not None]
        return cls(args.command.stage, given, args.command.settings(args) | parameters, tools, args.record)

    def finish(self, outputs: Iterable[Path], **results: Any) -> None:
        """Write the record with its seconds and its peak memory, hashing every input and output file."""
        if self.target is None:
            return
        write_json(
            self.target,
            {
                "stage": self.stage,
                "inputs": {str(path): file_facts(path) for path in self.inputs},
                "outputs": {str(path): file_facts(path) for path in outputs},
                "parameters": self.parameters,
                "results": results,
                "tools": tool_versions(self.tools),
                "host": describe_host(),
                "command": sys.argv,
                "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
                "seconds": round(time.time() - self.started, 3),
                "peak_mib": round(peak_mib(), 1),
            },
        )
