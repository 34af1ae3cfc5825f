"""The whole workflow, run once with every rule in its own env."""

import platform
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conda_workspace import CondaWorkspace
from contract.toolkit import DEVICES, PACKAGES, PACKAGES_NVIDIA, import_path, install
from crnn.core.files import sha256
from engine.tool_versions import pinned_versions
from examples import png, scribble
from iiit5k_archive import members, pack
from linked_env import link_distributions, with_requirements
from rule_files import ENVS
from workspace import ROOT, WORKFLOW_FILES, small_config, small_training, write_small_checkpoint


@pytest.fixture(scope="session", autouse=True)
def python_of_the_envs() -> None:
    """Skips the tests of this folder where another Python runs them: the links would be to packages built for it."""
    wanted = {pinned_versions(ROOT / "envs" / f"{name}.yaml")["python"] for name in ENVS}
    here = ".".join(platform.python_version_tuple()[:2])
    if wanted != {here}:
        pytest.skip(f"the env files ask for Python {', '.join(sorted(wanted))}, this is {here}")


def copy_of_the_workflow(folder: Path) -> Path:
    """What runs of this repository, to be edited by tests."""
    folder.mkdir()
    for name in WORKFLOW_FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def add_a_dataset_of_each_source(space: CondaWorkspace, folder: Path) -> list[str]:
    """Put what the default run does not import into the config; returns the targets."""
    folder.mkdir()
    (folder / "word.png").write_bytes(png(scribble(60, 20)))
    (folder / "labels.txt").write_text("word.png Word\n")
    archive = pack(folder / "archive.tar.gz", members())
    space.config["datasets"] |= {
        "lmdb": {"lmdb": "results/datasets/sample/words.lmdb"},
        "images": {"images": {"folder": str(folder), "labels": str(folder / "labels.txt")}},
        "archive": {"iiit5k": {"url": archive.as_uri(), "sha256": sha256(archive)}},
    }
    words = [f"results/datasets/{name}/words.json" for name in ("lmdb", "images", "archive")]
    return [*words, "results/datasets/sample/recipe_layout/aspect"]


def add_plans(space: CondaWorkspace) -> list[str]:
    """Put a planned width rule into the config; returns its plan on every runtime, and the picture of one."""
    space.config["widths"] = {"planned": {"rule": "planned", "deployment": "ort"}}
    space.config["planning"] = {"widths": [40, 400], "batches": [1, 4], "repeats": 1, "words": 4}
    plans = [f"results/plans/crnn/{name}/planned/plan.json" for name in ("ort", "torch", "om", "gpu", "trt")]
    return [*plans, "results/plans/crnn/ort/planned/plan.svg"]


def add_precisions(space: CondaWorkspace) -> list[str]:
    """Put a deployment in 8 bits into the config, on a runtime of its own; returns what needs the stages for it."""
    space.config["calibration"] = {"words": 4, "accuracy_drop": 1, "flipped": 1}
    space.config["deployments"]["ov-int8"] = {"runtime": "openvino", "widths": "aspect", "precision": "int8"}
    runs = [f"results/runs/sample/crnn/ov-int8/{name}.json" for name in ("run", "audit")]
    plan = "results/plans/crnn/ov-int8/planned/plan.json"
    return [*runs, plan, "results/models/crnn/fixed.fp16.onnx"]


def add_a_cascade(space: CondaWorkspace) -> list[str]:
    """Put a cascade over both runtimes of the processor into the config; returns its run and its bundle."""
    space.config["deployments"]["both"] = {"cascade": ["ort", "ov-int8"], "accuracy": 0.0}
    return ["results/runs/sample/crnn/both/run.json", "results/bundles/crnn/both"]


def make_what_is_asked_for(space: CondaWorkspace, *names: str, **environment: str) -> None:
    """Measure what rows cost besides, of every runtime whose env has the stages; then ask for it no more."""
    usual = space.config["measure"]
    space.config["measure"] = usual | {"starts": 1, "load": [{"scenario": "SingleStream", "seconds": 0.1}]}
    runs = "results/runs/sample/crnn"
    loads = [f"{runs}/{name}/load.json" for name in names if name != "om"]  # the generator is in no env of an NPU
    starts = [f"{runs}/{name}/starts.json" for name in names]
    make(space, "--conda-not-block-search-path-envvars", *starts, *loads, **environment)
    space.config["measure"] = usual


def add_a_foreign_model(space: CondaWorkspace) -> list[str]:
    """Put an ONNX file beside the checkpoint; returns its import, and an explanation of two files of the other."""
    space.config["deployments"]["torch"] = {"models": ["crnn"]}
    space.config["deployments"]["gpu"]["models"] = ["crnn"]
    space.config["models"]["foreign"] = {"onnx": "results/models/crnn/raw.onnx"}
    return ["results/models/foreign/raw.onnx", "results/explained/sample/crnn/aspect/raw/fixed.json"]


def ascend_deployment(folder: Path) -> dict[str, Any]:
    """A deployment that converts with the toolkit of tests/contract."""
    toolkit = install(folder / "cann")
    options = {"set_env": str(toolkit.set_env), "soc_version": "Ascend310P3"}
    return {"runtime": "ascend", "widths": "aspect", "options": options}


def packages_of_a_card(folder: Path) -> dict[str, str]:
    """Where an env finds what is not here: the doubles, and ONNX Runtime, which computes for that of an NPU."""
    link_distributions(with_requirements(["onnxruntime"]), folder / "card")
    return {
        **import_path(PACKAGES, PACKAGES_NVIDIA, DEVICES, folder / "card"),
        **{"TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")},
    }


def make(space: CondaWorkspace, *targets: str, **environment: str) -> None:
    result = space.run(*targets, **environment)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def session_in_own_envs(tmp_path_factory: pytest.TempPathFactory) -> CondaWorkspace:
    """A working directory in which every stage has run under --sdm conda, in each env that a rule gives it."""
    base = tmp_path_factory.mktemp("conda")
    config = small_config(write_small_checkpoint(base / "small.safetensors"))
    config["deployments"] = {"ort-w100": None, "ort-recipe": None}
    checkout = copy_of_the_workflow(base / "checkout")
    space = CondaWorkspace(checkout, config, checkout, prefix=base / "envs")
    make(space, "report")
    space.config["deployments"]["om"] = ascend_deployment(base)
    space.config["deployments"]["gpu"] = {"runtime": "torch_cuda", "source": "checkpoint", "widths": "aspect"}
    space.config["deployments"]["trt"] = {"runtime": "tensorrt", "widths": "aspect"}
    card = packages_of_a_card(base)
    make(space, "--conda-not-block-search-path-envvars", "report", **card)  # as docs/ascend.md says
    make(space, "--conda-not-block-search-path-envvars", *add_plans(space), **card)
    bundles = [f"results/bundles/crnn/{name}" for name in ("ort", "torch", "om", "gpu", "trt")]
    make(space, "--conda-not-block-search-path-envvars", *bundles, **card)
    make_what_is_asked_for(space, "ort", "torch", "om", "gpu", "trt", **card)
    make(space, *add_a_dataset_of_each_source(space, base / "sources"))
    make(space, *add_a_foreign_model(space))
    del space.config["models"]["foreign"]
    make(space, *add_precisions(space))
    make_what_is_asked_for(space, "ov-int8")
    make(space, *add_a_cascade(space))
    for name in ("both", "ov-int8"):
        del space.config["deployments"][name]
    space.config["training"] = {"crnn": {**small_training(), "words": 32}}
    make(space, "train", "results/runs/sample/crnn/ort/errors.json")
    for name in ("lmdb", "images", "archive"):
        del space.config["datasets"][name]
    make(space, "report")
    return space


@pytest.fixture
def in_own_envs(session_in_own_envs: CondaWorkspace, tmp_path: Path) -> CondaWorkspace:
    """A copy of that checkout, in which paths are relative, with all that was made in it; for one test to change."""
    copy = shutil.copytree(session_in_own_envs.path, tmp_path / "checkout")
    return replace(session_in_own_envs, path=copy, root=copy)
