"""Toolkits and drivers that are no Python packages: their versions, read from their files. No program is started."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Probe:
    """Where a tool says its version: the first file that exists and matches `pattern`, whose one group it is."""

    files: tuple[str, ...]
    pattern: str

    def version(self, root: Path = Path("/")) -> str:
        """The version that the files under `root` state; empty where there is none."""
        for file in self.files:
            try:
                found = re.search(self.pattern, (root / file).read_text(encoding="utf-8", errors="replace"), re.M)
            except OSError:
                continue
            if found:
                return found[1]
        return ""


CANN = {
    "CANN": Probe(
        (
            "usr/local/Ascend/ascend-toolkit/latest/version.cfg",
            "usr/local/Ascend/nnae/latest/version.cfg",
            "usr/local/Ascend/latest/version.cfg",
        ),
        r"^\w*running_version=\[([^:\]]+)",
    ),
    "Ascend driver": Probe(("usr/local/Ascend/driver/version.info",), r"^Version=(\S+)"),
}
KERNEL_MODULE = r"Kernel Module\D*([\d.]+)"  # in /proc/driver/nvidia/version
NVIDIA = {"NVIDIA driver": Probe(("proc/driver/nvidia/version",), KERNEL_MODULE)}
