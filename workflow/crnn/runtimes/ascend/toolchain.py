"""The CANN toolchain of this machine: where it is, which version, which chip; and ATC, without this project's Python.

The one module of the library that starts other programs. Arguments are always a list; the one shell is bash, with a
fixed text, because a `set_env.sh` can only be sourced. ATC compiles kernels with the `python3` it finds, which must
not be this project's: its own code needs a numpy before 2.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crnn.core.errors import UserError
from crnn.runtimes.ascend.chips import REMEDY, checked_soc, first_listed, soc_from_board

Environment = dict[str, str]
# Where the installers put it, as root and as a user, from CANN 8.5 and before.
PLACES = tuple(
    f"{root}/{name}/set_env.sh" for root in ("/usr/local/Ascend", "~/Ascend") for name in ("cann", "ascend-toolkit")
)
HOMES = ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH")  # what set_env.sh exports, by version
# What set_env.sh prints goes to the log; its own exit status means nothing. Then the environment, NUL-separated.
SOURCE = 'source "$1" >&2; exec env -0'
OWN_PYTHON = ("VIRTUAL_ENV", "PYTHONHOME", "CONDA_PREFIX")  # what would lead ATC to this project's Python
SECONDS_TO_ANSWER = 120  # for what only asks; npu-smi takes a second per card


@dataclass(frozen=True)
class Toolchain:
    """ATC, its CANN version, and the environment that it runs in."""

    atc: Path
    version: str
    environment: Environment

    def run(self, arguments: list[str], directory: Path) -> tuple[int, str]:
        """Run ATC in `directory`; its exit status, and all that it printed."""
        done = subprocess.run(
            [str(self.atc), *arguments],
            cwd=directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return done.returncode, done.stdout

    def soc_version(self) -> str:
        """The chip of this machine, from pyACL or else from npu-smi. Raises UserError where neither decides it."""
        answer = _answer(["python3", "-c", "import acl; print(acl.get_soc_name())"], self.environment)
        if answer is not None and re.fullmatch(r"Ascend\w+", answer.strip()):
            return checked_soc(answer.strip())
        table = _answer(["npu-smi", "info"], self.environment)
        if table is None:
            raise UserError(f"the chip is not known: neither pyACL nor npu-smi answers on this machine; {REMEDY}")
        listed = first_listed(table)
        if listed.decided:
            return checked_soc(f"Ascend{listed.name}")
        return soc_from_board(_answer(["npu-smi", *listed.board_question], self.environment) or "")


def find_toolchain(options: dict[str, Any]) -> Toolchain:
    """The toolchain that the options or this machine name. Raises UserError that says what is missing."""
    environment = _without_own_python(os.environ, options.get("python"))
    script = _script(options, environment)
    if script is not None:
        environment = _sourced(script, environment)
        environment = _without_own_python(environment, options.get("python"))
    atc = shutil.which("atc", path=environment["PATH"])
    if atc is None:
        raise UserError(
            f"options.set_env: {script} was sourced, and there is no `atc` on PATH after it; name the set_env.sh of a "
            f"CANN toolkit (nnrt and nnae have no ATC)"
        )
    _check_python(environment)
    return Toolchain(Path(atc), options.get("cann_version") or _version(environment), environment)


def _without_own_python(environment: "os._Environ[str] | Environment", python: Any) -> Environment:
    """A copy without this project's Python on PATH, and with the folder of `python` first where one is named."""
    prefixes = [sys.prefix, *(environment[name] for name in OWN_PYTHON if environment.get(name))]
    own = {Path(prefix, "bin").resolve() for prefix in prefixes}
    kept = [
        entry for entry in environment.get("PATH", os.defpath).split(os.pathsep) if Path(entry).resolve() not in own
    ]
    if python is not None:
        if not Path(str(python)).is_file():
            raise UserError(f"options.python is {python!r}, which does not exist; name a python3 with numpy before 2")
        folder = str(Path(str(python)).parent.absolute())
        kept = [folder, *(entry for entry in kept if entry != folder)]
    left = {name: value for name, value in environment.items() if name not in OWN_PYTHON}
    return {**left, "PATH": os.pathsep.join(kept)}


def _script(options: dict[str, Any], environment: Environment) -> Path | None:
    """The set_env.sh to source; None where that has been done already."""
    if "set_env" in options:
        script = Path(str(options["set_env"])).expanduser()
        if not script.is_file():
            raise UserError(f"options.set_env is {options['set_env']!r}, which does not exist")
        return script
    if shutil.which("atc", path=environment["PATH"]) and any(environment.get(name) for name in HOMES):
        return None
    places = [Path(place).expanduser() for place in PLACES]
    for place in places:
        if place.is_file():
            return place
    raise UserError(
        f"no CANN toolkit here: `atc` is not on PATH, and there is no {' or '.join(map(str, places))}; install CANN, "
        f"or name its set_env.sh in options.set_env, or build on a machine that has it (docs/ascend.md)"
    )


def _sourced(script: Path, environment: Environment) -> Environment:
    done = subprocess.run(
        ["bash", "-c", SOURCE, "bash", str(script.absolute())], env=environment, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise UserError(f"{script}: cannot be sourced ({done.stderr.decode(errors='replace').strip()})")
    entries = (entry.partition("=") for entry in done.stdout.decode(errors="surrogateescape").split("\0") if entry)
    return {name: value for name, _, value in entries}


def _answer(command: list[str], environment: Environment) -> str | None:
    """What a command prints; None where it is not there, fails or hangs."""
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS_TO_ANSWER,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _check_python(environment: Environment) -> None:
    """Raise UserError where the python3 that ATC would find lacks numpy, or has one that ATC's own code cannot use."""
    found = shutil.which("python3", path=environment["PATH"])
    remedy = "name one with numpy before 2 in options.python (`python3 -m venv D && D/bin/pip install 'numpy<2' sympy "
    remedy += "decorator attrs psutil scipy` makes one)"
    if found is None:
        raise UserError(f"ATC needs a python3 on PATH, and there is none but this project's; {remedy}")
    version = _answer(["python3", "-c", "import numpy; print(numpy.__version__)"], environment)
    if version is None:
        raise UserError(f"ATC would use {found}, which has no numpy; {remedy}")
    if int(version.partition(".")[0]) >= 2:
        raise UserError(f"ATC would use {found}, whose numpy is {version.strip()}; {remedy}")


def _version(environment: Environment) -> str:
    """CANN's version from the file that its installer leaves. Raises UserError where there is none."""
    homes = [Path(environment[name]) for name in HOMES if environment.get(name)]
    for home in homes:
        for file in sorted(home.glob(f"{platform.machine()}-linux/ascend_toolkit_install.info")):
            found = re.search(r"^version=(\S+)$", file.read_text(errors="replace"), re.MULTILINE)
            if found:
                return found[1]
    raise UserError(
        f"CANN's version is not known: no {platform.machine()}-linux/ascend_toolkit_install.info with a version below "
        f"{' or '.join(map(str, homes)) or 'ASCEND_TOOLKIT_HOME, which is not set'}; name it in options.cann_version"
    )
