"""Environments that hold what an env file pins and nothing else, made in a second and without a package index.

A linked env is a virtual environment of this Python's base interpreter, without pip. Its site-packages holds links to
the pinned distributions, and to those that they require themselves, as they are installed where the tests run. A pin
that is not installed here in just that version is an error, so what runs in the env runs with the env file's versions.

It stands for what conda makes in that any other import fails. It does not stand for conda's builds: the binaries are
the package index's, and a conda package may bring more, or fewer, packages along.
"""

import sys
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from engine.tool_versions import distribution, pinned_versions

# Pinned for a machine with an NVIDIA GPU, and not installed where the tests run: a linked env goes without, and the
# doubles of tests/contract stand for them.
NOT_HERE = {"libnvinfer", "libnvinfer-plugin", "libnvonnxparser", "tensorrt-cu13-bindings", "cuda-bindings"}
INTERPRETER = {"python", "pip"}  # `python` is checked and `pip` left out: no stage needs it


class EnvError(ValueError):
    """An env file asks for what cannot be linked here."""


def pinned_distributions(env: Path) -> dict[str, str]:
    """Distribution → version of every package of an env file that a stage may import here."""
    return {name: version for name, version in pinned_versions(env).items() if name not in INTERPRETER | NOT_HERE}


def with_requirements(names: Iterable[str]) -> set[str]:
    """Installed distributions named, and all that they require on this machine, by normalised name."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        requirements = map(Requirement, metadata.requires(name) or [])
        needed = {distribution(entry.name) for entry in requirements if _applies(entry)}
        waiting |= needed - found
    return found


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def make_linked_env(env: Path, prefix: Path) -> None:
    """Make at `prefix` an environment of what the file `env` pins. Raises EnvError naming each pin not installed."""
    faults = [
        f"{env}: wants {name} {version or '(no version)'}, here is {_installed(name) or 'none'}"
        for name, version in pinned_versions(env).items()
        if name not in {"pip", *NOT_HERE} and version != _installed(name)
    ]
    if faults:
        raise EnvError("\n".join(faults))
    venv.EnvBuilder(symlinks=True).create(prefix)
    link_distributions(with_requirements(pinned_distributions(env)), site_packages(prefix))


def link_distributions(names: Iterable[str], folder: Path) -> None:
    """Link installed distributions into a folder that Python imports from."""
    for name in names:
        _link(metadata.distribution(name), folder)


def _installed(name: str) -> str:
    """The version that is here, without the label of a build (+cpu); empty where there is none."""
    if name == "python":
        return "{}.{}".format(*sys.version_info)
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""


def site_packages(prefix: Path) -> Path:
    return prefix / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"


def _link(found: metadata.Distribution, folder: Path) -> None:
    """Link a distribution's packages, each whole, and its other files; commands, outside site-packages, are left out.

    A namespace, which is a folder without __init__.py, may be shared, so what is in it is linked one by one.
    """
    packages = {file.parent for file in found.files or [] if file.name == "__init__.py"}
    inside = [file for file in found.files or [] if file.parts[0] != ".."]
    for path in {next((top for top in reversed(file.parents) if top in packages), file) for file in inside}:
        link = folder / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(str(found.locate_file(path)))
