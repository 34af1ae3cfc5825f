"""Do the env files solve? Three answers, from what is always at hand to what seldom is.

1. On a channel made here, by conda's own rules (py-rattler): each file is read as conda reads it, its pins go together,
   and they leave nothing to chance that pip would then add. The channel has the packages of this environment under
   their conda names, with the requirements that they state. It does not show that conda-forge has them.
2. On the package index, by pip: each name and version is there, and they go together. Asked where CI=true, as what
   sets the checks up there needs the index anyway; nothing is installed.
3. On the real channels, by a real conda of 24.7.1 or later, called by Snakemake.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from engine.tool_versions import DISTRIBUTIONS, distribution, pinned_versions
from linked_env import NOT_HERE, pinned_distributions, with_requirements
from rule_files import ELSEWHERE, ENVS, INSTALLED, ROOT
from workspace import Workspace

SOLVE = Path(__file__).with_name("solve.py")
CONDA_NAMES = {
    name: [each for each, meant in DISTRIBUTIONS.items() if meant == name] for name in DISTRIBUTIONS.values()
}
NEWER = "9999.0"  # a version of each package that no env file asks for


# --- by conda's rules ----------------------------------------------------------------------------------------


def conda_spec(requirement: Requirement) -> str:
    name = distribution(requirement.name)
    return f"{CONDA_NAMES.get(name, [name])[0]} {requirement.specifier}".strip()


def conda_requirements(name: str) -> list[str]:
    """What an installed distribution requires on this machine, in conda's words."""
    stated = map(Requirement, metadata.requires(name) or [])
    return [conda_spec(each) for each in stated if each.marker is None or each.marker.evaluate({"extra": ""})]


def package(name: str, version: str, depends: list[str]) -> dict[str, Any]:
    identity = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": depends}
    return {**identity, "subdir": "noarch", "noarch": "generic", "sha256": "0" * 64, "md5": "0" * 32, "size": 0}


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a channel `conda-forge` that lists what is installed here and an unwanted newer one of each."""
    pytest.importorskip("rattler", reason="py-rattler, which solves as conda does, is not installed")
    names = with_requirements(name for env in INSTALLED for name in pinned_distributions(ROOT / "envs" / f"{env}.yaml"))
    listed = [package("python", version, []) for version in ("3.11.7", "3.12.0")] + [package("pip", "26.0", [])]
    for name in sorted(names):
        version = metadata.version(name).partition("+")[0]
        for conda_name in CONDA_NAMES.get(name, [name]):
            listed += [package(conda_name, each, conda_requirements(name)) for each in (version, NEWER)]
    every_pin = [pin for env in INSTALLED for pin in pinned_versions(ROOT / "envs" / f"{env}.yaml").items()]
    listed += [package(name, version, []) for name, version in every_pin if name in NOT_HERE]
    folder = tmp_path_factory.mktemp("channels")
    files = {f"{each['name']}-{each['version']}-0.tar.bz2": each for each in listed}
    for platform, packages in (("noarch", files), ("linux-64", {})):
        repodata = {"info": {"subdir": platform}, "packages": packages, "packages.conda": {}, "repodata_version": 1}
        (folder / "conda-forge" / platform).mkdir(parents=True)
        (folder / "conda-forge" / platform / "repodata.json").write_text(json.dumps(repodata))
    return folder


def solve(channels: Path, env: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SOLVE), str(channels), str(env)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", INSTALLED)
def test_an_env_file_solves_to_its_pins_by_condas_rules(name: str, channels: Path) -> None:
    env = ROOT / "envs" / f"{name}.yaml"
    done = solve(channels, env)
    assert done.returncode == 0, done.stderr
    solved = {distribution(each): version for each, version in json.loads(done.stdout).items()}

    from_pip = {pin.partition("==")[0] for each in dependencies(env) if isinstance(each, dict) for pin in each["pip"]}
    pins = pinned_distributions(env)
    assert {each: version for each, version in solved.items() if each in pins} == {
        each: version for each, version in pins.items() if each not in from_pip
    }
    assert solved["python"].startswith(f"{pinned_versions(env)['python']}.")
    assert with_requirements(pins) <= solved.keys() | from_pip  # pip has nothing to add but what the file names


def dependencies(env: Path) -> list[Any]:
    found: list[Any] = yaml.safe_load(env.read_text())["dependencies"]
    return found


def test_pins_that_do_not_go_together_are_refused(channels: Path, tmp_path: Path) -> None:
    env = tmp_path / "env.yaml"
    env.write_text(
        f"channels: [conda-forge]\ndependencies: [python=3.11, scipy={metadata.version('scipy')}, numpy=9999]\n"
    )
    done = solve(channels, env)
    assert done.returncode == 1
    assert "numpy" in done.stderr


# --- on the package index --------------------------------------------------------------------------------------


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="asks the package index; CI=true runs it")
@pytest.mark.parametrize("names", [INSTALLED, *([name] for name in sorted(ELSEWHERE))], ids=" ".join)
def test_the_pins_of_envs_that_go_together_solve_on_the_package_index(names: list[str]) -> None:
    pins = dict(pin for name in names for pin in pinned_distributions(ROOT / "envs" / f"{name}.yaml").items())
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary", ":all:"]
    command += ["--quiet", "--report", "-", *(f"{name}=={version}" for name, version in pins.items())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [entry["metadata"] for entry in json.loads(done.stdout)["install"]]
    assert pins.items() <= {distribution(each["name"]): each["version"].partition("+")[0] for each in found}.items()


# --- on the real channels ----------------------------------------------------------------------------------------


def real_conda() -> Version | None:
    """Version of the conda on PATH; None where there is none that works."""
    if shutil.which("conda") is None:
        return None
    done = subprocess.run(["conda", "--version"], capture_output=True, text=True, check=False)
    return Version(done.stdout.split()[-1]) if done.returncode == 0 else None


@pytest.mark.dag
def test_snakemake_makes_every_env_with_a_real_conda(tmp_path: Path) -> None:
    found = real_conda()
    if found is None or found < Version("24.7.1"):
        pytest.skip(f"needs conda 24.7.1 or later and the channel conda-forge; found {found or 'no conda'}")
    result = Workspace(tmp_path, {}).run("--sdm", "conda", "--conda-create-envs-only", "report")
    assert result.returncode == 0, result.stdout + result.stderr
    made = {path.read_bytes() for path in (tmp_path / ".snakemake" / "conda").glob("*.yaml")}
    assert made == {(ROOT / "envs" / f"{name}.yaml").read_bytes() for name in ENVS}
