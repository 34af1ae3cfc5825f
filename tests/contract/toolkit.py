"""An installed CANN toolkit and a card's tools, as far as the runtime looks at them: files in a folder of a test.

set_env.sh exports what that of CANN 8.1 does. `atc` is the double in atc.py, run by the Python of the tests; `python3`
beside it stands for the interpreter that a user gives ATC, and has a numpy before 2.
"""

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CONTRACT = Path(__file__).parent
PACKAGES, PACKAGES_2023 = CONTRACT / "packages", CONTRACT / "packages_2023"
DEVICES = CONTRACT / "packages_devices"
PACKAGES_NVIDIA = CONTRACT / "packages_nvidia"
Use = Callable[..., None]  # puts folders of packages where Python finds them
SET_ENV = """
export ASCEND_TOOLKIT_HOME={home}
export LD_LIBRARY_PATH={home}/lib64:$LD_LIBRARY_PATH
export PYTHONPATH={home}/python/site-packages:$PYTHONPATH
export PATH={home}/bin:$PATH
echo "sourced with status one, which means nothing"
false
"""


@dataclass(frozen=True)
class Toolkit:
    """A toolkit below `home`."""

    home: Path

    @property
    def set_env(self) -> Path:
        return self.home / "set_env.sh"

    def put_command(self, name: str, text: str) -> None:
        path = self.home / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def put_module(self, name: str, text: str) -> None:
        (self.home / "python/site-packages" / f"{name}.py").write_text(text)

    def put_npu_smi(self, **answers: str) -> None:
        """A `npu-smi` that prints the file of each answer: `info` the table, `board` what -t board gives."""
        for name, text in answers.items():
            (self.home / f"{name}.txt").write_text(text)
        self.put_command(
            "npu-smi", f'case "$*" in *board*) cat {self.home}/board.txt;; *) cat {self.home}/info.txt;; esac'
        )


def install(home: Path, version: str = "8.0.RC3") -> Toolkit:
    toolkit = Toolkit(home)
    for folder in ("bin", "python/site-packages", f"{platform.machine()}-linux"):
        (home / folder).mkdir(parents=True)
    toolkit.set_env.write_text(SET_ENV.format(home=home))
    info = f"package_name=Ascend-cann-toolkit\nversion={version}\ninnerversion=V100R001C20\narch={platform.machine()}\n"
    (home / f"{platform.machine()}-linux/ascend_toolkit_install.info").write_text(info)
    toolkit.put_module("numpy", '__version__ = "1.26.4"\n')
    toolkit.put_command("atc", f'exec "{sys.executable}" -E "{CONTRACT / "atc.py"}" "$@"')
    toolkit.put_command("python3", f'exec "{sys._base_executable}" "$@"')  # type: ignore[attr-defined]
    return toolkit


def import_path(*folders: Path) -> dict[str, str]:
    """PYTHONPATH by which a stage finds the doubles of a card's packages."""
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}
