"""Runtimes: each builds the files it declares and runs them; one more is one more folder; a missing one says so."""

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
from crnn.model.export import export_onnx
from crnn.model.parity import prove_equal
from crnn.model.precision import VARIANTS
from crnn.model.weights import write_weights
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.registry import find_runtime, known_runtimes
from crnn.runtimes.runtime import Session
from examples import CONTRACT
from networks import EXPORTS, SMALL, images, repaired, small_network
from stage_calls import call, put_runtime

pytestmark = EXPORTS

WORKFLOW = Path(__file__).parents[2] / "workflow"
LEVELS = ["disabled", "basic", "extended", "all"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small network as each source that a build starts from."""
    directory = tmp_path_factory.mktemp("models")
    write_weights(small_network().state_dict(), SMALL, directory / "weights.safetensors")
    export_onnx(small_network(), CONTRACT, directory / "raw.onnx")
    onnx.save(repaired(directory / "raw.onnx"), directory / "fixed.onnx")
    return directory


# Those whose devices are here; tests/contract has the others, over doubles.
SOURCES = {"torch": "weights.safetensors", "onnxruntime": "raw.onnx", "openvino": "fixed.onnx"}


def built(name: str, models: Path, directory: Path, **options: Any) -> Session:
    runtime = find_runtime(name)
    model, *_ = runtime.build(models / SOURCES[name], directory, options)
    return runtime.load(model, options, threads=1)


# --- the facts ---------------------------------------------------------------------------------------------


def named(**facts: object) -> set[str]:
    """The runtimes of which these facts hold."""
    runtimes = known_runtimes().values()
    return {each.name for each in runtimes if all(getattr(each, name) == value for name, value in facts.items())}


def test_runtimes_are_those_of_every_folder() -> None:
    devices = {"ascend", "onnxruntime_cann", "onnxruntime_cuda", "tensorrt", "torch_cuda", "torch_npu"}
    assert known_runtimes().keys() == {*devices, *SOURCES}


def test_every_runtime_has_fp32_and_takes_files_that_there_are() -> None:
    for runtime in known_runtimes().values():
        assert runtime.precisions["fp32"] == "fp32"
        assert set(runtime.precisions.values()) <= {"fp32", *VARIANTS}


def test_a_runtime_that_makes_two_precisions_of_one_file_is_told_which() -> None:
    assert named(makes_precisions=True) == {"openvino"}


def test_what_a_runtime_builds_from_and_whether_it_compiles_shapes() -> None:
    assert named(source="checkpoint") == {"torch", "torch_cuda", "torch_npu"}
    assert named(compiles_shapes=True) == {"ascend", "tensorrt"}


def test_which_device_a_job_occupies() -> None:
    assert named(device=None) == set(SOURCES)
    assert named(device="npu") == {"ascend", "onnxruntime_cann", "torch_npu"}
    assert named(build_device="gpu") == {"tensorrt"}


# --- every runtime that runs here --------------------------------------------------------------------------


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
    assert prove_equal(first.infer, second.infer, CONTRACT, 1e-4, "torch and onnxruntime") > 0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("source", ["raw.onnx", "fixed.onnx"])
def test_graph_optimisation_changes_no_answer(source: str, level: str, models: Path, tmp_path: Path) -> None:
    onnxruntime = find_runtime("onnxruntime")
    options = {"graph_optimization": level}
    (model,) = onnxruntime.build(models / source, tmp_path, options)
    optimised, as_it_is = onnxruntime.load(model, options, threads=1), OnnxSession(models / source, threads=1)
    assert prove_equal(as_it_is.infer, optimised.infer, CONTRACT, 1e-5, f"{source} and its build") >= 0


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
    with pytest.raises(UserError, match="graph_optimization is 'most'; expected one of disabled, basic, extended, all"):
        built("onnxruntime", models, tmp_path, graph_optimization="most")


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_a_broken_model_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        find_runtime("onnxruntime").build(tmp_path / "model.onnx", tmp_path / "build", {})
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        find_runtime("onnxruntime").load(tmp_path / "model.onnx", {}, threads=1)


def python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python of its own that imports from `paths`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


def test_a_missing_toolchain_is_named_with_the_remedy() -> None:
    done = python(
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from crnn.runtimes.registry import find_runtime, known_runtimes\n"
        "print(*known_runtimes())\n"
        "find_runtime('onnxruntime').check({}, building=False)",
        WORKFLOW,
    )
    assert done.stdout.split() == list(known_runtimes())
    fault = "runtime onnxruntime: the Python package 'onnxruntime' is not installed here"
    assert f"crnn.core.errors.UserError: {fault}; run with `--sdm conda`" in done.stderr
    assert "envs/onnxruntime.yaml" in done.stderr


def test_naming_the_runtimes_imports_no_toolchain() -> None:
    loaded = "print(*sorted({'torch', 'onnxruntime', 'onnx', 'openvino'} & sys.modules.keys()))"
    done = python(
        f"import sys; from crnn.runtimes.registry import known_runtimes; known_runtimes(); {loaded}", WORKFLOW
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


# --- one more device ---------------------------------------------------------------------------------------

# A device that answers with zeros, and needs nothing.
DEVICE = """
import shutil
import numpy as np

class Zeros:
    calls = 1
    def infer(self, images):
        return np.zeros((images.shape[3] // 4 + 1, images.shape[0], 37), np.float32)
    def describe(self):
        return {"device": "none", "simulated": True}
    def close(self):
        pass

def build(source, directory, options):
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, directory / "model.bin")
    return [directory / "model.bin"]

def load(model, options, threads, calls=1):
    return Zeros()
"""


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A copy of the workflow to which one folder was added, and nothing else done."""
    copy = tmp_path / "workflow"
    shutil.copytree(WORKFLOW, copy, ignore=shutil.ignore_patterns("__pycache__", ".*cache"))
    put_runtime(copy / "crnn" / "runtimes", "zeros", DEVICE)
    return copy


def test_adding_a_device_is_adding_a_folder(extended: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"any")
    CONTRACT.write(tmp_path / "contract.json")
    paths = {
        "--source": "model.onnx",
        "--contract": "contract.json",
        "--output": "build",
        "--record": "build/build.json",
    }
    options = [part for option, name in paths.items() for part in (option, str(tmp_path / name))]
    stage = [sys.executable, str(extended / "stage.py"), "build_model", "--runtime", "zeros", *options]
    done = subprocess.run(stage, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "build" / "model.bin").read_bytes() == b"any"
    ran = python(
        "import numpy as np; from pathlib import Path; from crnn.runtimes.registry import find_runtime\n"
        "print(find_runtime('zeros').load(Path(), {}, 1).infer(np.zeros((2, 1, 32, 100), np.float32)).shape)",
        extended,
    )
    assert ran.stdout.strip() == "(26, 2, 37)"


# --- the stage ---------------------------------------------------------------------------------------------


def test_the_stage_records_what_was_built_from_what(models: Path, tmp_path: Path) -> None:
    CONTRACT.write(models / "contract.json")
    paths = {"source": models / "raw.onnx", "contract": models / "contract.json"}
    made = {"output": tmp_path, "record": tmp_path / "build.json"}
    call("build_model", runtime="onnxruntime", options='{"graph_optimization": "basic"}', **paths, **made)
    record = read_json(tmp_path / "build.json")
    assert record["inputs"][str(models / "raw.onnx")]["sha256"] == sha256(models / "raw.onnx")
    assert record["outputs"][str(tmp_path / "model.onnx")]["sha256"] == sha256(tmp_path / "model.onnx")
    assert record["parameters"] == {"runtime": "onnxruntime", "options": {"graph_optimization": "basic"}}
    assert record["tools"]["onnxruntime"][0].isdigit()
