"""What the NVIDIA driver says of itself in its files: its version, and the names of the GPUs. No program is started."""

import re
from pathlib import Path

from crnn.runtimes.probe import KERNEL_MODULE, Probe

DRIVER = Path("/proc/driver/nvidia")


def gpu_name(driver: Path = DRIVER) -> str:
    """The model of this machine's GPUs; all of them where they differ, as their order is CUDA's to decide."""
    texts = [path.read_text(errors="replace") for path in sorted(driver.glob("gpus/*/information"))]
    models = [found[1].strip() for found in (re.search(r"^Model:(.+)$", text, re.MULTILINE) for text in texts) if found]
    return " or ".join(dict.fromkeys(models)) or "NVIDIA GPU"


def driver_version(driver: Path = DRIVER) -> str:
    """The driver's version; empty where there is none."""
    return Probe(("version",), KERNEL_MODULE).version(driver)
