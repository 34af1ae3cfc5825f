"""Working directories in which Snakemake runs with --sdm conda, and the `conda` of the tests for it to find."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from workspace import Plan, Workspace

COMMANDS = Path(__file__).parent / "conda" / "bin"


def path_with_conda() -> str:
    """A PATH on which `conda` is the one of the tests, and `python3` the Python that runs them."""
    return os.pathsep.join([str(COMMANDS), str(Path(sys.executable).parent), os.environ["PATH"]])


@dataclass
class CondaWorkspace(Workspace):
    """A working directory where every rule runs in its env; envs are made below `prefix` and stay there."""

    prefix: Path = field(kw_only=True)

    def command(self, *arguments: str) -> list[str]:
        return super().command("--sdm", "conda", "--conda-prefix", str(self.prefix), *arguments)

    def run(self, *arguments: str, cores: int = 2, **environment: str) -> subprocess.CompletedProcess[str]:
        return super().run(*arguments, cores=cores, PATH=path_with_conda(), **environment)

    def dry_run(self, *targets: str, **environment: str) -> Plan:
        return super().dry_run(*targets, PATH=path_with_conda(), **environment)
