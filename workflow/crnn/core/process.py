"""This process as Linux sees it: the memory that it holds, the most that it held, and its age."""

import os
import re
import resource
import time
from pathlib import Path


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
