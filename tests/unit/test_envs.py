"""The conda envs: each that a rule names is there, pinned as requirements.lock is, and holds what its stages import.
The lock files in turn have a version of all that pyproject.toml asks for, and of nothing else: requirements.lock for a
run, requirements-dev.lock for what comes on top.

Imports are followed through this repository's own modules, as the digests of the rules are. No conda runs here, and
nothing is installed: tests/conda has the tests that run in the envs.
"""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from crnn.runtimes.probe import Probe
from crnn.runtimes.registry import find_runtime
from engine.code_digest import Modules
from engine.tool_versions import DISTRIBUTIONS, LOCAL, distribution, installed_versions, pinned_versions, tool_versions
from linked_env import NOT_HERE
from rule_files import (
    ELSEWHERE,
    ENVS,
    INSTALLED,
    ROOT,
    WITHOUT_RULE,
    WORKFLOW,
    rule_blocks,
    sources_by_env,
    stage_of,
    stages_by_env,
)
from stage import stage_files

LOCKS = ("requirements.lock", "requirements-dev.lock")
UNLOCKED = {"python", "pip"}  # what the environment is made with, not what a stage imports
UNINDEXED = {"aclruntime", "ais-bench"}  # built on the machine that has CANN (docs/ascend.md)
# Distributions that hold a module which another holds in the environment of these tests.
IN_PLACE_OF = {"onnxruntime-cann": "onnxruntime", "onnxruntime-gpu": "onnxruntime"}
# Has wheels for x86-64 alone, which few machines with Ascend NPUs are; who loads one installs it (docs/measuring.md).
UNWHEELED = {"mlcommons-loadgen"}
NPU_ENVS = {"ascend", "onnxruntime_cann", "torch_npu"}
# Loaded by what the stages import, which does not require them; or required by it, and had from pip alone.
LOADED = {"nvidia-cublas", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime", "nvidia-cudnn-cu13", "nvidia-cufft"}
LOADED |= {"nvidia-curand", "openvino-telemetry"}
# What a device's packages do not go with in the version of the lock file (the env file says why).
UNLIKE_THE_LOCK = {"onnxruntime_cann": {"numpy", "opencv-python-headless"}}
# What the modules of a toolchain that is not installed here come from; nothing where another module stands in for one.
MODULES = {
    "tensorrt-bindings": {"tensorrt-cu13-bindings", "libnvinfer", "libnvinfer-plugin", "libnvonnxparser"},
    "tensorrt": set(),
    "cuda": {"cuda-bindings"},
    "pycuda": set(),
}


def env_file(name: str) -> Any:
    return yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())


def locked_versions(*files: str) -> dict[str, str]:
    """Distribution → version of some lock files; of both without a name."""
    lines = "".join((ROOT / file).read_text() for file in files or LOCKS).splitlines()
    pinned = (line.partition(";")[0].partition("==") for line in lines)
    return {distribution(name): version for name, found, version in pinned if found}


def pins(name: str) -> dict[str, str]:
    return pinned_versions(ROOT / "envs" / f"{name}.yaml")


def imported_distributions(files: set[str]) -> set[str]:
    """Third-party distributions that files of workflow/ import, directly or through this repository's modules."""
    outside = CODE.packages(*files) - sys.stdlib_module_names - LOCAL
    distributions = metadata.packages_distributions()
    # A toolchain that is not installed here is taken to be named as its module is, if MODULES does not know better.
    names = {distribution(distributions.get(module, [module])[0]) for module in outside}
    return set().union(*(MODULES.get(name, {name}) for name in names))


def declared_requirements() -> tuple[list[Requirement], list[Requirement]]:
    """What pyproject.toml asks for: for a run, and for profiles and checks besides."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [entry for group in project["dependency-groups"].values() for entry in group]
    return [Requirement(entry) for entry in project["project"]["dependencies"]], list(map(Requirement, groups))


def required_distributions(requirements: list[Requirement]) -> set[str]:
    """Distributions that requirements lead to on this machine, as the installed ones say; extras are followed too."""
    found: set[str] = set()
    waiting = [(distribution(entry.name), extra) for entry in requirements for extra in ("", *entry.extras)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        found.add(name)
        for entry in map(Requirement, metadata.requires(name) or []):
            if entry.marker is None or entry.marker.evaluate({"extra": extra}):
                new = {(distribution(entry.name), wanted) for wanted in ("", *entry.extras)} - seen
                seen |= new
                waiting += new
    return found


SOURCES, CODE = sources_by_env(), Modules(WORKFLOW)
OF_A_RUN, BESIDES = declared_requirements()


def test_every_rule_with_a_stage_was_found() -> None:
    assert set().union(*stages_by_env().values()) == stage_files().keys() - WITHOUT_RULE


def test_every_rule_that_runs_a_command_has_an_env() -> None:
    """Also where the rule is a local one. `script`, `run` and the like would see more than the env, or not use it."""
    for block in (each.replace("run:\n        pass\n", "") for each in rule_blocks()):  # that runs nothing
        found = set(
            re.findall(r"^ +(conda|shell|script|run|notebook|wrapper|template_engine|cwl):", block, re.MULTILINE)
        )
        assert found in ({"conda", "shell"}, set()), block
        assert ("shell" in found) == (stage_of(block) is not None), block


def test_every_env_that_a_rule_names_exists_and_none_is_spare() -> None:
    assert sorted(SOURCES) == ENVS


@pytest.mark.parametrize("name", ENVS)
def test_an_env_takes_packages_from_conda_forge_alone(name: str) -> None:
    assert env_file(name)["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("name", ENVS)
def test_an_env_is_written_as_conda_and_pip_read_it(name: str) -> None:
    *packages, last = env_file(name)["dependencies"]
    conda, pip = (packages, last["pip"]) if isinstance(last, dict) else ([*packages, last], [])
    version = r"\d+(\.\d+)+(\.post\d+)?"
    assert "pip" in conda or not pip
    assert all(re.fullmatch(rf"[a-z0-9][a-z0-9_.-]*={version}", entry) for entry in set(conda) - {"pip"})
    assert all(re.fullmatch(rf"[a-z0-9][a-z0-9-]*=={version}", entry) for entry in pip)


def test_every_name_that_conda_has_another_of_is_used() -> None:
    names = {
        entry.partition("=")[0] for env in ENVS for entry in env_file(env)["dependencies"] if isinstance(entry, str)
    }
    assert set(DISTRIBUTIONS) <= names


def test_no_pin_file_drops_what_pip_installs() -> None:
    """Where ENV.PLATFORM.pin.txt stands beside an env file, Snakemake makes the env of it and reads no pip list."""
    pinned = {path.name.partition(".")[0] for path in (ROOT / "envs").glob("*.pin.txt")}
    assert not {name for name in pinned if isinstance(env_file(name)["dependencies"][-1], dict)}


def test_the_documentation_lists_what_each_env_holds() -> None:
    page = (ROOT / "docs" / "environments.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", page, flags=re.MULTILINE)
    assert {name: sorted(packages.split(", ")) for name, packages in rows} == {
        name: sorted(set(pins(name)) - UNLOCKED) for name in ENVS
    }


@pytest.mark.parametrize("name", ENVS)
def test_an_env_pins_what_the_lock_file_pins(name: str) -> None:
    locked = locked_versions()
    free = UNLOCKED | UNLIKE_THE_LOCK.get(name, set())
    pinned = {package: version for package, version in pins(name).items() if package not in free}
    assert all(pinned.values())
    assert pinned == {package: locked.get(package, version) for package, version in pinned.items()}


@pytest.mark.parametrize("name", ENVS)
def test_an_env_holds_exactly_what_its_stages_import(name: str) -> None:
    pinned = {IN_PLACE_OF.get(package, package) for package in set(pins(name)) - UNLOCKED - LOADED}
    assert pinned == imported_distributions(SOURCES[name]) - UNINDEXED - (UNWHEELED if name in NPU_ENVS else set())


def test_an_env_that_cannot_be_here_pins_what_the_lock_file_cannot_have() -> None:
    locked = locked_versions()
    assert {name for name in ENVS if not pins(name).keys() - UNLOCKED - NOT_HERE <= locked.keys()} == ELSEWHERE


def test_what_no_index_has_is_explained_where_it_is_needed() -> None:
    page = (ROOT / "docs" / "ascend.md").read_text()
    assert imported_distributions(SOURCES["ascend"]) >= UNINDEXED
    assert all(name.replace("-", "_") in page for name in UNINDEXED)


@pytest.mark.parametrize("name", INSTALLED)
def test_this_environment_has_what_the_env_pins(name: str) -> None:
    pinned = {package: version for package, version in pins(name).items() if package not in UNLOCKED | NOT_HERE}
    assert {package: metadata.version(package).partition("+")[0] for package in pinned} == pinned


# --- lock file and pyproject.toml ----------------------------------------------------------------------------


def test_the_lock_files_have_versions_that_the_project_allows() -> None:
    locked = locked_versions()
    declared = [*OF_A_RUN, *BESIDES]
    assert [entry for entry in declared if not entry.specifier.contains(locked[distribution(entry.name)])] == []


def test_a_run_is_given_what_it_leads_to_and_nothing_of_the_checks() -> None:
    """But for setuptools, which `pip freeze` leaves out, and what only another build of PyTorch needs (CUDA)."""
    run, checks = (set(locked_versions(file)) for file in LOCKS)
    needed, besides = required_distributions(OF_A_RUN), required_distributions(BESIDES)
    assert run - needed == set()
    assert checks - besides == set()
    assert run & checks == set()
    missing = needed - run | besides - run - checks
    unfrozen = ("setuptools", "nvidia-", "cuda-", "triton")
    assert {name for name in missing if not name.startswith(unfrozen)} == set()


def test_every_env_is_of_the_python_that_the_project_requires() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {f">={pins(name)['python']}" for name in ENVS} == {project["requires-python"]}


# --- versions of tools -------------------------------------------------------------------------------------


def test_versions_are_those_of_the_distributions_behind_the_modules() -> None:
    versions = installed_versions({"cv2", "PIL", "onnx_graphsurgeon"})
    assert list(versions) == ["python", "onnx-graphsurgeon", "opencv-python-headless", "pillow"]
    assert versions["pillow"] == metadata.version("pillow")
    assert versions["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_progress_bar_is_no_tool_that_results_depend_on() -> None:
    assert list(installed_versions({"tqdm"})) == ["python"]


def test_a_toolchain_that_is_not_installed_has_no_version() -> None:
    assert installed_versions({"no_such_toolchain"})["no-such-toolchain"] == ""


def put(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


def test_a_probe_reads_the_first_file_that_states_a_version(tmp_path: Path) -> None:
    probe = Probe(("opt/new/version", "opt/old/version"), r"^Version=(\S+)")
    assert probe.version(tmp_path) == ""
    put(tmp_path, "opt/old/version", "Name=tool\nVersion=8.1\n")
    assert probe.version(tmp_path) == "8.1"
    put(tmp_path, "opt/new/version", "no version here\n")
    assert probe.version(tmp_path) == "8.1"
    put(tmp_path, "opt/new/version", "Version=8.2\n")
    assert probe.version(tmp_path) == "8.2"


@pytest.mark.parametrize(
    ("runtime", "tool", "file", "text", "version"),
    [
        (
            "ascend",
            "CANN",
            "usr/local/Ascend/ascend-toolkit/latest/version.cfg",
            "# version: 1.0\nruntime_running_version=[7.5.0.1.129:8.0.RC3]\n",
            "7.5.0.1.129",
        ),
        ("ascend", "Ascend driver", "usr/local/Ascend/driver/version.info", "Version=24.1.0\n", "24.1.0"),
        (
            "tensorrt",
            "NVIDIA driver",
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\n",
            "580.65.06",
        ),
    ],
)
def test_drivers_and_toolkits_are_asked_by_their_files(
    runtime: str, tool: str, file: str, text: str, version: str, tmp_path: Path
) -> None:
    probe = find_runtime(runtime).probes[tool]
    assert probe.version(tmp_path) == ""
    put(tmp_path, file, text)
    assert probe.version(tmp_path) == version


def test_the_versions_of_a_runtimes_toolkit_are_among_those_of_its_stages() -> None:
    assert tool_versions(set(), find_runtime("ascend")).keys() >= {"CANN", "Ascend driver"}
    assert tool_versions(set(), find_runtime("onnxruntime")).keys() == {"python"}
