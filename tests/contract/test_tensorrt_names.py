"""The names of TensorRT, pycuda and cuda-python that the runtime uses, held against what these have.

tensorrt_names.json lists the members of the classes in question, as the bindings of 10.16.1.11 and 11.4.0.106 have
them, and what earlier versions from 8.6 on had and 11.4 has no longer (`removed`). gpu_names.json is from a pycuda
2026.1 that was built on the headers of CUDA 13.0, and from the wheel of cuda-bindings 13.4.4. Names are found in the
syntax trees, by the names of the variables that they are asked of (`crnn.runtimes.tensorrt`).
"""

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contract.bindings import compile_stubs, download, look, run
from contract.toolkit import PACKAGES_NVIDIA, Use
from crnn.runtimes.tensorrt.profiles import Profile, Profiles
from crnn.runtimes.tensorrt.settings import COMPATIBILITY, BuildSettings

LANE = Path(__file__).parents[2] / "workflow" / "crnn" / "runtimes" / "tensorrt"
NAMES = json.loads(Path(__file__).with_name("tensorrt_names.json").read_text())
GPU_NAMES = json.loads(Path(__file__).with_name("gpu_names.json").read_text())
REMOVED = NAMES.pop("removed")
VERSIONS = list(NAMES)
# Variable, in the modules that talk to TensorRT → class; `trt` is the module itself.
CLASSES = {
    **{"trt": "", "builder": "Builder", "config": "IBuilderConfig", "network": "INetworkDefinition"},
    **{"parser": "OnnxParser", "profile": "IOptimizationProfile", "cache": "ITimingCache", "tensor": "ITensor"},
    **{"runtime": "Runtime", "engine": "ICudaEngine", "context": "IExecutionContext", "get_error": "ParserError"},
}
PYCUDA = {
    **{"cuda": "driver", "device": "Device", "context": "Context", "stream": "Stream", "event": "Event"},
    **{"end": "Event", "owner": "DeviceAllocation", "Device": "Device", "Context": "Context"},
}


class Used(NamedTuple):
    """An attribute that is asked of a class, where, and with how many arguments if it is called."""

    owner: str
    name: str
    place: str
    arguments: int | None = None


def asked_of(node: ast.expr) -> str:
    """The last name of what an attribute is asked of, without the underscore of a private one."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.removeprefix("_")
        case ast.Call(func=ast.Attribute(attr=name)):
            return name
    return ""


def used(modules: list[str], classes: dict[str, str]) -> Iterator[Used]:
    """Every attribute that modules of the runtime ask of a variable in `classes`, or of a class of `trt`."""
    for module in modules:
        tree = ast.parse((LANE / f"{module}.py").read_text())
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or node.attr.startswith("__"):
                continue
            owner = classes.get(asked_of(node.value))
            if owner is None and isinstance(node.value, ast.Attribute) and asked_of(node.value.value) == "trt":
                owner = node.value.attr
            if owner is not None:
                call = calls.get(id(node))
                given = None if call is None else len(call.args) + len(call.keywords)
                starred = call is not None and any(isinstance(each, ast.Starred) for each in call.args)
                yield Used(owner, node.attr, f"{module}.py:{node.lineno}", None if starred else given)


def chosen_by_name() -> Iterator[Used]:
    """Members that options choose, which no attribute in the source shows."""
    everything = BuildSettings(Profiles((Profile(1, 32, 32, 32),)), tf32=True, version_compatible=True, refit=True)
    yield from (Used("BuilderFlag", name, "settings.py") for name in everything.builder_flags())
    yield from (Used("HardwareCompatibilityLevel", name, "settings.py") for name in COMPATIBILITY.values())


def of_tensorrt() -> list[Used]:
    return [*used(["library", "engine", "session", "bundled"], CLASSES), *chosen_by_name()]


def missing(uses: list[Used], names: dict[str, list[str]]) -> list[str]:
    return [f"{use.place}: {use.owner}.{use.name}" for use in uses if use.name not in names.get(use.owner, [])]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_name_that_is_used_is_there_in_both_majors(version: str) -> None:
    uses = of_tensorrt()
    assert {use.owner for use in uses} >= set(CLASSES.values())
    assert missing(uses, NAMES[version]) == []


def words_of(source: str) -> set[str]:
    """Every attribute, of whatever variable, and every text: `getattr` takes one."""
    nodes = list(ast.walk(ast.parse(source)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


REMOVED_NAMES = {name for names in REMOVED.values() for name in names}


@pytest.mark.parametrize("module", sorted(LANE.glob("*.py")), ids=lambda module: str(module.stem))
def test_no_removed_name_is_used_of_whatever_variable(module: Path) -> None:
    assert {"FP16", "build_engine", "num_bindings", "max_workspace_size"} <= REMOVED_NAMES
    assert words_of(module.read_text()) & REMOVED_NAMES == set()


@pytest.mark.parametrize(
    "line", ["chosen.max_workspace_size = 1", "flags(getattr(module, 'FP16'))", "each.engine().num_bindings"]
)
def test_a_removed_name_of_an_unknown_variable_would_be_found(line: str) -> None:
    assert len(words_of(line) & REMOVED_NAMES) == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("config.set_flag(trt.BuilderFlag.FP16)", "BuilderFlag.FP16"),
        ("self._config.max_workspace_size = 1 << 30", "IBuilderConfig.max_workspace_size"),
        ("trt.IInt8EntropyCalibrator2()", ".IInt8EntropyCalibrator2"),
        ("self._engine.num_bindings", "ICudaEngine.num_bindings"),
        ("context.set_binding_shape(0, shape)", "IExecutionContext.set_binding_shape"),
    ],
)
def test_a_removed_name_would_be_found(line: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new.py").write_text(line)
    monkeypatch.setitem(globals(), "LANE", tmp_path)
    assert f"new.py:1: {found}" in missing(list(used(["new"], CLASSES)), NAMES["11.4.0.106"])


def test_pycuda_has_what_is_used_of_it() -> None:
    uses = list(used(["gpu"], PYCUDA))
    assert {use.owner for use in uses} == set(PYCUDA.values())
    assert missing(uses, GPU_NAMES["pycuda 2026.1"]) == []


def test_cuda_python_has_what_is_used_of_it() -> None:
    names = GPU_NAMES["cuda-bindings 13.4.4"]
    enums = {name: name for name in names if name != "runtime"} | {"attributes": "cudaDeviceAttr"}
    uses = list(used(["gpu"], {"cudart": "runtime"} | enums))
    assert len(uses) > 30
    assert missing(uses, names) == []


# --- the doubles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_the_double_of_tensorrt_has_no_name_of_its_own(version: str, packages: Use) -> None:
    packages(PACKAGES_NVIDIA)
    double = importlib.import_module("tensorrt")
    classes = {
        name: value for name, value in vars(double).items() if isinstance(value, type) and name in NAMES[version]
    }
    assert len(classes) > 15
    for name, value in classes.items():
        public = {member for member in vars(value) if not member.startswith("_")} - {"shape", "name"}
        assert public <= set(NAMES[version][name]), name


def test_the_doubles_of_the_drivers_have_no_name_of_their_own(packages: Use) -> None:
    packages(PACKAGES_NVIDIA)
    driver, runtime = importlib.import_module("pycuda.driver"), importlib.import_module("cuda.bindings.runtime")
    for name in set(GPU_NAMES["pycuda 2026.1"]) - {"driver"}:
        public = {member for member in vars(getattr(driver, name)) if not member.startswith("_")}
        assert public <= set(GPU_NAMES["pycuda 2026.1"][name]), name
    public = {name for name in vars(runtime) if name.startswith("cuda") and name != "cudaStream_t"}
    assert public <= set(GPU_NAMES["cuda-bindings 13.4.4"]["runtime"])


# --- the real bindings -------------------------------------------------------------------------------------


class Real(NamedTuple):
    """Unpacked bindings and stub libraries for them."""

    packages: Path
    stubs: Path


@pytest.fixture(scope="module", params=VERSIONS)
def bindings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Real:
    """The real bindings of a version; TENSORRT_BINDINGS names a folder that holds one per version, unpacked."""
    folder, version = tmp_path_factory.mktemp("bindings"), request.param
    if shutil.which("gcc") is None:
        pytest.skip("the stub libraries are compiled with gcc, which is not here")
    if "TENSORRT_BINDINGS" in os.environ:
        packages = Path(os.environ["TENSORRT_BINDINGS"], version)
    elif os.environ.get("CI") == "true":
        try:
            packages = download(version, folder)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"the bindings are not to be had from the package index ({error.stderr.strip()[-200:]})")
    else:
        pytest.skip("takes two wheels from the package index; CI=true does, or TENSORRT_BINDINGS=FOLDER names them")
    compile_stubs(folder / "stubs", int(version.partition(".")[0]))
    return Real(packages, folder / "stubs")


@pytest.fixture(scope="module")
def real(bindings: Real) -> dict[str, Any]:
    """What the bindings say of themselves."""
    return look(*bindings)


def test_the_name_list_is_that_of_the_bindings(real: dict[str, Any]) -> None:
    for owner, names in NAMES[real["version"]].items():
        here = set(real["classes"][owner]) - {"__init__"}
        assert set(names) <= here if owner == "" else set(names) == here


def takes(signature: str) -> range:
    """How many arguments, besides self, a signature of pybind11's takes."""
    inside = re.sub(r"^\w+\(|\) -> .*$", "", signature)
    parameters = [part for part in re.split(r", (?=\w+: )", inside) if part and not part.startswith("self: ")]
    return range(sum(" = " not in part for part in parameters), len(parameters) + 1)


def test_every_call_has_as_many_arguments_as_a_signature_takes(real: dict[str, Any]) -> None:
    checked = 0
    for use in of_tensorrt():
        created = use.owner == "" and use.name in real["classes"]
        text = real["classes"][use.name]["__init__"] if created else real["classes"][use.owner][use.name]
        name = "__init__" if created else use.name
        signatures = re.findall(rf"^(?:\d+\. )?({name}\(self.*)$", text, re.MULTILINE)
        if use.arguments is None or not signatures:
            continue
        assert any(use.arguments in takes(signature) for signature in signatures), (use, signatures)
        checked += 1
    assert checked > 20


def test_a_builder_without_a_gpu_fails_as_the_double_does(real: dict[str, Any]) -> None:
    assert real["builder"] == "pybind11::init(): factory function returned nullptr"


# As the runtime loads TensorRT, listens to it and makes a builder; prints what a user would read.
USE = """
from crnn.core.errors import UserError
from crnn.runtimes.tensorrt.library import listening_logger, load_tensorrt, needs_gpu
try:
    trt = load_tensorrt()
    logger = listening_logger(trt)
    logger.log(trt.ILogger.ERROR, "an error of TensorRT's ")
    logger.log(trt.ILogger.INFO, "a remark")
    with needs_gpu(trt, logger):
        trt.Builder(logger)
except UserError as error:
    print(error)
"""


def test_a_machine_without_a_gpu_is_told_so_with_the_real_bindings(bindings: Real) -> None:
    assert "finds no GPU that it can use (an error of TensorRT's); check `nvidia-smi`" in run(USE, *bindings)


def test_a_machine_without_the_libraries_is_told_so_with_the_real_bindings(bindings: Real) -> None:
    said = run(USE, bindings.packages, None)
    assert re.search(r"libraries cannot be loaded \(libnvonnxparser\.so\.1\d: cannot open shared object file", said)
