"""Versions of the tools that a stage uses: what its env file pins, and what is installed here.

Not here: making an env (conda does), the versions a finished stage had (its record has them).
"""

import platform
import re
from functools import cache
from importlib import metadata
from pathlib import Path

import yaml

# Where conda-forge has another name than the Python package index.
DISTRIBUTIONS = {"pytorch-cpu": "torch", "python-lmdb": "lmdb"}


def distribution(package: str) -> str:
    """The distribution behind a package of an env file, named as the index compares names (PEP 503)."""
    return DISTRIBUTIONS.get(package, re.sub(r"[-_.]+", "-", package).lower())


@cache
def pinned_versions(env: Path) -> dict[str, str]:
    """Distribution → version of everything that an env file names; conda writes name=version, pip name==version."""
    found = {}
    for entry in yaml.safe_load(env.read_text(encoding="utf-8"))["dependencies"]:
        for pin in entry["pip"] if isinstance(entry, dict) else [entry]:
            package, _, version = pin.partition("==" if isinstance(entry, dict) else "=")
            found[distribution(package)] = version
    return found


@cache
def installed_versions(env: Path) -> dict[str, str]:
    """Distribution → version that is installed in this environment, of everything that an env file names."""
    return {name: _installed(name) for name in pinned_versions(env)}


def _installed(name: str) -> str:
    if name == "python":
        return ".".join(platform.python_version_tuple()[:2])
    try:
        return metadata.version(name).partition("+")[0]  # a local label (+cpu) names a build, not a version
    except metadata.PackageNotFoundError:
        return ""
