"""The conda envs: each that a rule names is there, pinned as requirements.lock is, and holds what its stages import.

Imports are followed through this repository's own modules, as the digests of the rules are. No conda runs here.
"""

import ast
import re
import sys
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.digest import source_closure
from engine.environment import distribution, installed_versions, pinned_versions
from engine.targets import declared_targets

ROOT = Path(__file__).parents[2]
STAGES = ROOT / "workflow"
TARGETS = declared_targets(STAGES / "crnn" / "targets")
UNLOCKED = {"python", "pip"}  # what the environment is made with, not what a stage imports


def env_file(name: str) -> Any:
    return yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())


def locked_versions() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return {distribution(name): version for name, found, version in (line.partition("==") for line in lines) if found}


def pins(name: str) -> dict[str, str]:
    return pinned_versions(ROOT / "envs" / f"{name}.yaml")


def sources_by_env() -> dict[str, set[str]]:
    """Env → source files of the stages that its rules run, read from the rules.

    A rule that takes its env from the deployment's runtime runs in every runtime's, with that runtime's module.
    """
    found = defaultdict(set)
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"^ *rule\b", path.read_text(), flags=re.MULTILINE):
            stage, env = re.search(r'stage=stage\("(\w+)"\)', block), re.search(r"conda:\s+(\S+)", block)
            if stage is None or env is None:
                continue
            named = re.search(r"envs/(\w+)\.yaml", env[1])
            if named:
                found[named[1]] |= {f"{stage[1]}.py", *re.findall(r'"(crnn/targets/\w+\.py)"', block)}
            else:
                for runtime in TARGETS:
                    found[runtime] |= {f"{stage[1]}.py", f"crnn/targets/{runtime}.py"}
    return found


def imported_distributions(files: set[str]) -> set[str]:
    """Third-party distributions that files of workflow/ import, directly or through this repository's modules."""
    modules = set()
    for path in source_closure(STAGES, [STAGES / name for name in files]):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    outside = modules - sys.stdlib_module_names - {"crnn", "engine"}
    distributions = metadata.packages_distributions()
    # A toolchain that is not installed here is taken to be named as its module is.
    return {distribution(distributions.get(module, [module])[0]) for module in outside}


SOURCES = sources_by_env()
ENVS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))


def test_every_rule_with_a_stage_was_found() -> None:
    rules = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    assert sum(text.count("stage=stage(") for text in rules) == sum(text.count("conda:") for text in rules) > 10
    assert {name for files in SOURCES.values() for name in files if "/" not in name} == {
        path.name for path in STAGES.glob("*.py")
    }


def test_every_env_that_a_rule_names_exists_and_none_is_spare() -> None:
    assert sorted(SOURCES) == ENVS


@pytest.mark.parametrize("name", ENVS)
def test_an_env_takes_packages_from_conda_forge_alone(name: str) -> None:
    assert env_file(name)["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("name", ENVS)
def test_an_env_pins_what_the_lock_file_pins(name: str) -> None:
    locked = locked_versions()
    pinned = {package: version for package, version in pins(name).items() if package not in UNLOCKED}
    assert all(pinned.values())
    assert pinned == {package: locked.get(package, version) for package, version in pinned.items()}


@pytest.mark.parametrize("name", ENVS)
def test_an_env_holds_exactly_what_its_stages_import(name: str) -> None:
    assert set(pins(name)) - UNLOCKED == imported_distributions(SOURCES[name])


@pytest.mark.parametrize("name", ENVS)
def test_this_environment_has_what_the_env_pins(name: str) -> None:
    installed = installed_versions(ROOT / "envs" / f"{name}.yaml")
    assert {package: installed[package] for package in pins(name).keys() - UNLOCKED} == {
        package: version for package, version in pins(name).items() if package not in UNLOCKED
    }
