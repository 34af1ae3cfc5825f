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
NVIDIA_FACTS = "proc/driver/nvidia"
NVIDIA = {"NVIDIA driver": Probe((f"{NVIDIA_FACTS}/version",), r"Kernel Module\D*([\d.]+)")}


def driver_version(root: Path = Path("/")) -> str:
    """The NVIDIA driver's version; empty where there is none."""
    return NVIDIA["NVIDIA driver"].version(root)


def gpu_name(root: Path = Path("/")) -> str:
    """The model of this machine's GPUs; all of them where they differ, as their order is CUDA's to decide."""
    texts = [path.read_text(errors="replace") for path in sorted(root.glob(f"{NVIDIA_FACTS}/gpus/*/information"))]
    models = [found[1].strip() for found in (re.search(r"^Model:(.+)$", text, re.MULTILINE) for text in texts) if found]
    return " or ".join(dict.fromkeys(models)) or "NVIDIA GPU"
