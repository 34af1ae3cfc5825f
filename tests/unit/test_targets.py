"""Targets: each builds the files it declares and runs them; one more is one more module; a missing one says so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256
from crnn.model.checkpoint import write_weights
from crnn.model.export import export_onnx
from crnn.model.parity import prove_equal
from crnn.model.precision import VARIANTS
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.registry import find_runtime, known_runtimes
from crnn.runtimes.runtime import Session
from engine.targets import (
    built_files,
    compiles_shapes,
    declared_targets,
    makes_precisions,
    occupied_cards,
    occupied_device,
    offered_precisions,
    takes_weights,
)
from networks import EXPORTS, SMALL, images, repaired, small_network
from stages.model import build_model

pytestmark = EXPORTS

WORKFLOW = Path(__file__).parents[2] / "workflow"
TARGETS = WORKFLOW / "crnn" / "targets"
LEVELS = ["disabled", "basic", "extended", "all"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small network as each source that a build starts from."""
    directory = tmp_path_factory.mktemp("models")
    write_weights(small_network().state_dict(), SMALL, directory / "weights.safetensors")
    export_onnx(small_network(), directory / "raw.onnx")
    onnx.save(repaired(directory / "raw.onnx"), directory / "fixed.onnx")
    return directory


# Those whose devices are here; tests/contract has the others, over doubles.
SOURCES = {"torch": "weights.safetensors", "onnxruntime": "raw.onnx", "openvino": "fixed.onnx"}


def built(name: str, models: Path, directory: Path, **options: Any) -> Session:
    module = find_runtime(name)
    module.build(models / SOURCES[name], directory, options)
    return module.load(directory, options, threads=1)


# --- every target ------------------------------------------------------------------------------------------


def test_targets_are_the_modules_of_the_package() -> None:
    devices = ["ascend", "onnxruntime_cann", "onnxruntime_cuda", "tensorrt", "torch_cuda", "torch_npu"]
    assert known_runtimes() == sorted([*devices, *SOURCES])


def test_what_rules_read_from_the_source_is_what_the_modules_say() -> None:
    assert declared_targets(TARGETS) == {name: find_runtime(name).files for name in known_runtimes()}
    for name in known_runtimes():
        offered = offered_precisions(TARGETS / f"{name}.py")
        assert offered == getattr(find_runtime(name), "PRECISIONS", {"fp32": "fp32"})


def test_every_target_has_fp32_and_takes_forms_that_there_are() -> None:
    for name in known_runtimes():
        offered = offered_precisions(TARGETS / f"{name}.py")
        assert offered["fp32"] == "fp32"
        assert set(offered.values()) <= {"fp32", *VARIANTS}


def test_a_target_that_makes_two_precisions_of_one_file_is_told_which() -> None:
    assert makes_precisions({"fp32": "fp32", "bf16": "fp32"})
    assert not makes_precisions({"fp32": "fp32", "int8": "uint8"})


@pytest.mark.parametrize("source", ["PRECISIONS = {}", "PRECISIONS = ['fp32']", "PRECISIONS = {'fp32': 32}"])
def test_a_table_of_precisions_that_is_no_literal_dict_of_names_is_refused(source: str, tmp_path: Path) -> None:
    (tmp_path / "device.py").write_text(source)
    with pytest.raises(ValueError, match="expected PRECISIONS"):
        offered_precisions(tmp_path / "device.py")


@pytest.mark.parametrize("name", SOURCES)
def test_a_build_writes_the_declared_files_and_no_others(name: str, models: Path, tmp_path: Path) -> None:
    paths = find_runtime(name).build(models / SOURCES[name], tmp_path / "build", {})
    assert paths == [tmp_path / "build" / file for file in find_runtime(name).files]
    assert sorted((tmp_path / "build").iterdir()) == sorted(paths)


@pytest.mark.parametrize("name", SOURCES)
def test_a_runtime_maps_images_to_steps(name: str, models: Path, tmp_path: Path) -> None:
    runtime = built(name, models, tmp_path)
    for batch, width in ((1, 32), (3, 101)):
        output = runtime.infer(images(batch, width))
        assert output.shape == (width // 4 + 1, batch, SMALL.classes)
        assert output.dtype == np.float32
    runtime.close()


@pytest.mark.parametrize("name", SOURCES)
def test_a_runtime_describes_itself_for_the_report(name: str, models: Path, tmp_path: Path) -> None:
    facts = built(name, models, tmp_path).describe()
    assert facts["device"]
    assert facts["simulated"] is False
    assert facts[name][0].isdigit()  # its version


@pytest.mark.parametrize("name", SOURCES)
def test_an_option_that_a_target_does_not_have_is_an_error(name: str, models: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"unknown key 'graph_optimisation'; allowed: (none|graph_optimization|precision)$"
    ):
        built(name, models, tmp_path, graph_optimisation="all")
    assert list(tmp_path.iterdir()) == []


# --- equal answers -----------------------------------------------------------------------------------------


def test_torch_and_onnxruntime_compute_the_same(models: Path, tmp_path: Path) -> None:
    first, second = built("torch", models, tmp_path / "a"), built("onnxruntime", models, tmp_path / "b")
    assert prove_equal(first.infer, second.infer, 1e-4, "torch and onnxruntime") > 0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("source", ["raw.onnx", "fixed.onnx"])
def test_graph_optimisation_changes_no_answer(source: str, level: str, models: Path, tmp_path: Path) -> None:
    onnxruntime = find_runtime("onnxruntime")
    options = {"graph_optimization": level}
    onnxruntime.build(models / source, tmp_path, options)
    optimised, as_it_is = onnxruntime.load(tmp_path, options, threads=1), OnnxSession(models / source, threads=1)
    assert prove_equal(as_it_is.infer, optimised.infer, 1e-5, f"{source} and its build") >= 0


def test_the_optimiser_runs_when_building(models: Path, tmp_path: Path) -> None:
    operators = {}
    for level in ("disabled", "extended"):
        find_runtime("onnxruntime").build(models / "fixed.onnx", tmp_path / level, {"graph_optimization": level})
        operators[level] = {node.op_type for node in onnx.load(tmp_path / level / "model.onnx").graph.node}
    assert {"Conv", "Relu"} <= operators["disabled"]
    assert "FusedConv" in operators["extended"]
    assert "Relu" not in operators["extended"]


# --- faults ------------------------------------------------------------------------------------------------


def test_an_unknown_runtime_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="runtime 'coreml': expected one of ascend, onnxruntime, onnxruntime_cann"):
        find_runtime("coreml")


def test_an_unknown_level_is_an_error_that_lists_the_known_ones(models: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="graph_optimization 'most': expected one of disabled, basic, extended, all"):
        built("onnxruntime", models, tmp_path, graph_optimization="most")


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_a_broken_model_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        find_runtime("onnxruntime").build(tmp_path / "model.onnx", tmp_path / "build", {})
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        find_runtime("onnxruntime").load(tmp_path, {}, threads=1)


def python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python of its own that imports from `paths`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


def test_a_missing_toolchain_is_named_with_the_remedy() -> None:
    done = python(
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from crnn.runtimes import known_targets, target\n"
        "print(*known_runtimes())\n"
        "find_runtime('onnxruntime')",
        WORKFLOW,
    )
    assert done.stdout.split() == [path.stem for path in sorted(TARGETS.glob("[!_]*.py"))]
    fault = "runtime onnxruntime: the Python package 'onnxruntime' is not installed here"
    assert f"crnn.core.errors.UserError: {fault}; run with `--sdm conda`" in done.stderr
    assert "envs/onnxruntime.yaml" in done.stderr


def test_naming_the_targets_imports_no_toolchain() -> None:
    loaded = "print(*sorted({'torch', 'onnxruntime', 'onnx', 'openvino'} & sys.modules.keys()))"
    done = python(f"import sys; from crnn.runtimes import known_targets; known_runtimes(); {loaded}", WORKFLOW)
    assert (done.stdout.strip(), done.stderr) == ("", "")


# --- one more device ---------------------------------------------------------------------------------------

# A device that answers with zeros, and needs nothing.
DEVICE = """
import shutil
import numpy as np

FILES = ("model.bin",)
TOOLS = ()

class Zeros:
    lanes = 1
    def infer(self, images):
        return np.zeros((images.shape[3] // 4 + 1, images.shape[0], 37), np.float32)
    def describe(self):
        return {"device": "none", "simulated": True}
    def close(self):
        pass

def build(source, directory, options):
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, directory / FILES[0])
    return [directory / FILES[0]]

def load(directory, options, threads, lanes=1):
    return Zeros()
"""


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A copy of the workflow in which one file was added, and nothing else done."""
    copy = tmp_path / "workflow"
    shutil.copytree(WORKFLOW, copy, ignore=shutil.ignore_patterns("__pycache__", ".*cache"))
    (copy / "crnn" / "targets" / "zeros.py").write_text(DEVICE)
    return copy


def test_adding_a_device_is_adding_a_module(extended: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"any")
    paths = {"--source": "model.onnx", "--output": "build", "--record": "build/build.json"}
    options = [part for option, name in paths.items() for part in (option, str(tmp_path / name))]
    stage = [sys.executable, str(extended / "build_model.py"), "--runtime", "zeros", *options]
    done = subprocess.run(stage, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "build" / "model.bin").read_bytes() == b"any"
    ran = python(
        "import numpy as np; from pathlib import Path; from crnn.runtimes import target\n"
        "print(find_runtime('zeros').load(Path(), {}, 1).infer(np.zeros((2, 1, 32, 100), np.float32)).shape)",
        extended,
    )
    assert ran.stdout.strip() == "(26, 2, 37)"


def test_the_rules_learn_of_an_added_device(extended: Path) -> None:
    assert declared_targets(extended / "crnn" / "targets")["zeros"] == ("model.bin",)


def test_the_rules_read_a_device_whose_toolchain_is_absent(tmp_path: Path) -> None:
    (tmp_path / "npu.py").write_text('import no_such_toolchain\nFILES = ("model.om", "model.json")\n')
    (tmp_path / "__init__.py").write_text("")
    assert declared_targets(tmp_path) == {"npu": ("model.om", "model.json")}


@pytest.mark.parametrize(
    ("options", "lanes", "cards"),
    [({}, 4, 1), ({"devices": [0, 1, 2]}, 2, 2), ({"devices": [0, 1]}, 16, 2), ({"devices": [3]}, 1, 1)],
)
def test_a_job_asks_for_a_card_per_call_under_way(options: dict[str, Any], lanes: int, cards: int) -> None:
    assert occupied_cards(options, lanes) == cards


@pytest.mark.parametrize("devices", [[], "0", 3])
def test_cards_that_are_named_wrongly_are_left_to_the_target_to_refuse(devices: Any) -> None:
    assert occupied_cards({"devices": devices}, 2) == 1


def test_a_module_may_say_that_it_builds_from_the_weights() -> None:
    named = [name for name in known_runtimes() if takes_weights(TARGETS / f"{name}.py")]
    assert named == ["torch", "torch_cuda", "torch_npu"]


def test_a_module_may_say_that_it_compiles_shapes(tmp_path: Path) -> None:
    (tmp_path / "npu.py").write_text('FILES = ("model.om",)\nCOMPILES_SHAPES = True\n')
    assert compiles_shapes(tmp_path / "npu.py")
    assert [name for name in known_runtimes() if compiles_shapes(TARGETS / f"{name}.py")] == ["ascend", "tensorrt"]


@pytest.mark.parametrize(
    "source",
    ["", "FILES = ()", 'FILES = "model.om"', 'FILES = ("model.om")', 'FILES = ["model.om"]', 'FILES = ("m.om", 1)'],
)
def test_a_module_that_does_not_say_what_it_builds_is_named(source: str, tmp_path: Path) -> None:
    (tmp_path / "npu.py").write_text(source)
    with pytest.raises(ValueError, match=r"npu\.py: expected FILES = "):
        built_files(tmp_path / "npu.py")


def test_a_module_may_say_which_device_it_occupies(tmp_path: Path) -> None:
    (tmp_path / "card.py").write_text('FILES = ("model.om",)\nDEVICE = "npu"\n')
    assert occupied_device(tmp_path / "card.py", "DEVICE") == "npu"
    assert occupied_device(tmp_path / "card.py", "BUILD_DEVICE") is None


def test_building_and_running_an_engine_both_take_a_gpu() -> None:
    assert [occupied_device(TARGETS / "tensorrt.py", name) for name in ("DEVICE", "BUILD_DEVICE")] == ["gpu", "gpu"]


def test_a_device_that_no_rule_asks_for_is_named(tmp_path: Path) -> None:
    (tmp_path / "card.py").write_text('FILES = ("model.om",)\nDEVICE = "tpu"\n')
    with pytest.raises(ValueError, match=r"card\.py: DEVICE is 'tpu'; expected one of 'gpu', 'npu'"):
        occupied_device(tmp_path / "card.py", "DEVICE")


# --- the stage ---------------------------------------------------------------------------------------------


def test_the_stage_records_what_was_built_from_what(models: Path, tmp_path: Path) -> None:
    paths = ["--source", models / "raw.onnx", "--output", tmp_path, "--record", tmp_path / "build.json"]
    options = ["--runtime", "onnxruntime", "--options", '{"graph_optimization": "basic"}']
    build_model.main(build_model.arguments().parse_args([*map(str, paths), *options]))
    record = read_json(tmp_path / "build.json")
    assert record["inputs"][str(models / "raw.onnx")]["sha256"] == sha256(models / "raw.onnx")
    assert record["outputs"][str(tmp_path / "model.onnx")]["sha256"] == sha256(tmp_path / "model.onnx")
    assert record["parameters"] == {"runtime": "onnxruntime", "options": {"graph_optimization": "basic"}}
    assert record["tools"]["onnxruntime"][0].isdigit()
