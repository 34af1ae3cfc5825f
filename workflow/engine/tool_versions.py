"""Versions of the tools that a stage uses: what its env file pins, what is installed here, what a driver says."""

import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import yaml

from crnn.runtimes.runtime import Runtime
from engine.code_digest import digits

# Where conda-forge has another name than the Python package index.
DISTRIBUTIONS = {"pytorch-cpu": "torch", "pytorch-gpu": "torch", "python-lmdb": "lmdb"}
# Where a module has another name than its distribution.
PROVIDERS = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "mlperf_loadgen": "mlcommons_loadgen",
    "vl_convert": "vl-convert-python",
}
# Imported and yet unable to change an output: tqdm draws progress.
UNCOUNTED = {"tqdm"}
LOCAL = {"crnn", "stages", "stage", "engine"}  # of this repository: they have digests


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


def installed_versions(modules: Iterable[str]) -> dict[str, str]:
    """Distribution → version installed here, of the Python and of the third-party modules that a stage imports.

    Modules are top-level names; one whose distribution is not installed counts under its own name, without a version.
    """
    names = {distribution(_provider(module)) for module in modules}
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, **{name: _installed(name) for name in sorted(names - UNCOUNTED)}}


def tool_versions(packages: set[str], runtime: Runtime | None = None, env: Path | None = None) -> dict[str, str]:
    """Tool → version of what a stage uses that imports `packages`, on a runtime.

    Where conda makes the env, that is what its file pins, and the digests of the files beside it.
    """
    probed = {name: probe.version() for name, probe in runtime.probes.items()} if runtime else {}
    if env is None:
        return installed_versions(packages - sys.stdlib_module_names - LOCAL) | probed
    beside = {path.name: digits(path.read_bytes()) for path in sorted(env.parent.glob(f"{env.stem}.*")) if path != env}
    return {"--sdm": "conda"} | pinned_versions(env) | beside | probed


_providers = cache(metadata.packages_distributions)


@cache
def _provider(module: str) -> str:
    """The distribution that holds a module; its own name where none does."""
    likely = PROVIDERS.get(module, module)
    # Asking for one is faster than reading what all of them hold, and what cannot be imported none of them does.
    if _installed(likely) or find_spec(module) is None:
        return likely
    return _providers().get(module, [module])[0]


@cache
def _installed(name: str) -> str:
    try:
        return metadata.version(name).partition("+")[0]  # a local label (+cpu) names a build, not a version
    except metadata.PackageNotFoundError:
        return ""
