"""ONNX Runtime's providers and PyTorch on devices: with the real packages of a CPU, which have neither, what is said;
with the doubles of packages_devices, that a device computes what the CPU does, and how it is used."""

from collections.abc import Callable
from contextlib import ExitStack
from importlib import metadata
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from contract.toolkit import DEVICES
from crnn.core.errors import UserError
from crnn.model.weights import write_weights
from crnn.runtimes.devices import DeviceLocks, checked_device
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.onnxruntime.provider import Provider
from crnn.runtimes.probe import driver_version, gpu_name
from crnn.runtimes.pytorch.device import MOST_GRAPHS, DeviceSession
from crnn.runtimes.registry import find_runtime
from crnn.runtimes.runtime import Session
from networks import EXPORTS, SMALL, images, run_network, small_network

pytestmark = EXPORTS

# By its file: the folder's `torch` and `onnxruntime` are to hide nothing here.
_loader = SourceFileLoader("pretended", str(DEVICES / "pretended.py"))
pretended: Any = module_from_spec(spec_from_loader("pretended", _loader))  # type: ignore[arg-type]
_loader.exec_module(pretended)

ONNX = ("onnxruntime_cuda", "onnxruntime_cann")
PYTORCH = ("torch_cuda", "torch_npu")
NAMES = {"onnxruntime_cuda": "CUDAExecutionProvider", "onnxruntime_cann": "CANNExecutionProvider"}


@pytest.fixture(autouse=True)
def device_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of devices go to the test's own folder."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def provided(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime that has the providers of devices."""
    for name, replacement in pretended.providers(onnxruntime).items():
        monkeypatch.setattr(onnxruntime, name, replacement, raising=False)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A torch that has a GPU."""
    api = pretended.Device("cuda", rest=torch.cuda)
    monkeypatch.setattr(torch, "cuda", api)
    for owner, method, replacement in pretended.memory(torch, "cuda"):
        monkeypatch.setattr(owner, method, replacement)
    return api


Opened = Callable[..., Session]


@pytest.fixture
def opened(fixed: Path, tmp_path: Path) -> Opened:
    """A function that builds the small network for a runtime and loads it."""

    def build_and_load(name: str, **options: Any) -> Session:
        source = fixed
        if name in PYTORCH:
            source = tmp_path / "weights.safetensors"
            write_weights(small_network().state_dict(), SMALL, source)
        (model,) = find_runtime(name).build(source, tmp_path / name, options)
        return find_runtime(name).load(model, options, threads=1, calls=4)

    return build_and_load


# --- equal answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONNX)
def test_a_provider_computes_what_the_cpu_does(name: str, provided: None, opened: Opened, fixed: Path) -> None:
    runtime, reference = opened(name), OnnxSession(fixed, 1)
    for count, width in ((1, 100), (16, 64), (3, 160), (1, 100)):
        batch = images(count, width, seed=count)
        np.testing.assert_allclose(runtime.infer(batch), reference.infer(batch), atol=1e-5)
    mirrored = images(2, 100)[:, :, :, ::-1]
    np.testing.assert_allclose(runtime.infer(mirrored), reference.infer(mirrored.copy()), atol=1e-5)
    facts = runtime.describe()
    assert (facts["provider"], facts["simulated"], facts["nodes_on_cpu"]) == (NAMES[name], True, 0)
    assert facts["nodes"] > 20
    assert runtime.calls == 1
    runtime.close()


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_gpu_of_pytorch_computes_what_the_cpu_does(mode: str, gpu: Any, opened: Opened) -> None:
    runtime, network = opened("torch_cuda", mode=mode), small_network()
    batches = [images(count, width, seed=n) for n, (count, width) in enumerate(((1, 100), (3, 64), (1, 100), (16, 64)))]
    outputs = [runtime.infer(batch) for batch in batches]  # compared together: a later call must not change an earlier
    for batch, output in zip(batches, outputs, strict=True):
        np.testing.assert_allclose(output, run_network(network, batch), atol=1e-5)
    assert gpu.captured == {"eager": 0, "graph": 3}[mode]  # of four calls two have one shape
    assert (runtime.describe()["mode"], runtime.describe()["device_mib"]) == (mode, 3)
    runtime.close()


def test_an_npu_of_pytorch_computes_what_the_cpu_does() -> None:
    """On what the target loads: importing torch_npu's double changes torch for the whole process."""
    api = pretended.Device("npu")
    runtime, network = DeviceSession(small_network(), api, torch.device("cpu"), ExitStack()), small_network()
    batch = images(3, 100)
    np.testing.assert_allclose(runtime.infer(batch), run_network(network, batch), atol=1e-6)
    assert runtime.describe()["simulated"] is True


def test_shapes_beyond_the_graphs_that_are_kept_are_read_all_the_same(
    gpu: Any, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crnn.runtimes.pytorch.device.MOST_GRAPHS", 2)
    runtime, network = opened("torch_cuda", mode="graph"), small_network()
    for width in (40, 48, 56, 40):
        np.testing.assert_allclose(runtime.infer(images(1, width)), run_network(network, images(1, width)), atol=1e-5)
    assert gpu.captured == 2 < MOST_GRAPHS
    runtime.close()


# --- transfers, and the card -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ONNX, "torch_cuda"])
def test_copies_are_told_apart_and_counted_once(name: str, provided: None, gpu: Any, opened: Opened) -> None:
    runtime: Any = opened(name)
    for _ in range(3):
        runtime.infer(images(2, 100))
    there, back = runtime.transfer_seconds()
    assert there > 0
    assert back > 0
    assert runtime.transfer_seconds() == (0, 0)
    runtime.close()


@pytest.mark.parametrize(("name", "kind"), [("onnxruntime_cuda", "gpu"), ("onnxruntime_cann", "npu")])
def test_a_card_is_held_while_a_model_is_open(name: str, kind: str, provided: None, opened: Opened) -> None:
    runtime = opened(name, device=1)
    taken, held = DeviceLocks(kind).acquire([1, 3])
    assert taken == [3]
    runtime.close()
    held.close()
    taken, held = DeviceLocks(kind).acquire([1, 3])
    assert taken == [1]
    held.close()


def test_as_many_free_cards_are_taken_as_are_wanted(tmp_path: Path) -> None:
    locks = DeviceLocks("npu", tmp_path)
    first, held = locks.acquire([0, 1, 2], most=2)
    second, other = locks.acquire([0, 1, 2], most=2)
    assert (first, second) == ([0, 1], [2])
    held.close()
    other.close()


def test_a_card_is_known_by_its_number_on_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that was given card 3 alone counts it as 0; it is not card 0 of a job that was given others."""
    locks = DeviceLocks("gpu", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    first, held = locks.acquire([0])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3,GPU-8a/..")
    second, other = locks.acquire([0, 1, 2], most=3)
    assert (first, second) == ([0], [0, 2])
    held.close()
    other.close()
    names = {"crnn-gpu-0.lock", "crnn-gpu-3.lock", "crnn-gpu-GPU-8a___.lock"}
    assert {path.name for path in tmp_path.glob("*.lock")} == names


# --- what is said where there is no device, by the real packages ----------------------------------------------


@pytest.mark.parametrize("name", ONNX)
def test_an_onnxruntime_without_the_provider_is_recognised(name: str, opened: Opened) -> None:
    fault = rf"the onnxruntime [\d.]+ installed here has no {NAMES[name]} \(it has .*CPUExecutionProvider\); install "
    with pytest.raises(UserError, match=fault + "onnxruntime-(gpu|cann) in its place"):
        find_runtime(name).check({}, building=False)
    with pytest.raises(UserError, match=fault):
        opened(name)
    find_runtime(name).check({}, building=True)  # what copies a file needs no device


def test_a_pytorch_without_cuda_is_recognised(opened: Opened) -> None:
    if torch.version.cuda:
        pytest.skip("this PyTorch is a build with CUDA")
    with pytest.raises(UserError, match=r"the PyTorch [\d.+cpu]+ installed here is a build without CUDA; install"):
        find_runtime("torch_cuda").check({}, building=False)
    with pytest.raises(UserError, match="build without CUDA"):
        opened("torch_cuda")
    find_runtime("torch_cuda").check({}, building=True)


def test_a_missing_torch_npu_is_named_with_the_version_that_goes_with_this_pytorch() -> None:
    version = torch.__version__.partition("+")[0]
    with pytest.raises(UserError, match=f"'torch_npu' is not installed here; install the torch-npu of .* {version} "):
        find_runtime("torch_npu").check({}, building=False)
    find_runtime("torch_npu").check({}, building=True)


def test_a_torch_npu_without_its_libraries_says_what_to_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = "libhccl.so: cannot open shared object file: No such file or directory"  # of torch-npu 2.13.0 without CANN
    (tmp_path / "torch_npu.py").write_text(f"raise ImportError({fault!r})")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"libhccl\.so: cannot open .*; source CANN's set_env\.sh before starting"):
        find_runtime("torch_npu").check({}, building=False)


# --- what is said where there is half of it -----------------------------------------------------------------


@pytest.mark.parametrize("name", ONNX)
def test_a_silent_fall_back_to_the_cpu_is_an_error(
    name: str, provided: None, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRETENDED_FALLS_BACK", "1")
    with pytest.raises(UserError, match=f"runs on CPUExecutionProvider and not on {NAMES[name]}"):
        opened(name)
    _, held = DeviceLocks("gpu").acquire([0])  # the card was given back, or this would wait
    held.close()


def test_nodes_on_the_cpu_are_counted_and_said(
    provided: None, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PRETENDED_ON_CPU", "LSTM,Transpose")
    runtime = opened("onnxruntime_cuda", graph_optimization="disabled")
    facts = runtime.describe()
    assert (facts["nodes_on_cpu"], facts["operators_on_cpu"]) == (5, ["LSTM", "Transpose"])
    assert f"5 of {facts['nodes']} nodes run on the CPU: LSTM, Transpose" in caplog.text
    runtime.close()


def test_a_provider_that_takes_no_node_is_an_error(
    provided: None, opened: Opened, monkeypatch: pytest.MonkeyPatch, fixed: Path
) -> None:
    monkeypatch.setenv("PRETENDED_ON_CPU", ",".join({node.op_type for node in onnx.load(fixed).graph.node}))
    with pytest.raises(UserError, match="CUDAExecutionProvider takes none of the model's nodes"):
        opened("onnxruntime_cuda", graph_optimization="disabled")


def test_two_packages_of_one_module_are_recognised(provided: None, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.31.1" if name == "onnxruntime-gpu" else version(name))
    with pytest.raises(UserError, match=r"onnxruntime-gpu and onnxruntime are both installed here.*uninstall all"):
        find_runtime("onnxruntime_cuda").check({}, building=False)


def test_a_library_that_is_missing_is_named_with_what_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's own error, of a library that wants another; here, of a file that is none."""
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi/libonnxruntime_providers_cuda.so").write_text("no library")
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["X"])
    provider = Provider("x", "X", "cuda", "gpu", "onnxruntime-x", {"libcuda.so": "driver", "": "install it"}, str)
    with pytest.raises(UserError, match=r"X cannot start: .*libonnxruntime_providers_cuda\.so: .*; install it$"):
        provider.check_installed()


def test_a_card_beyond_those_there_are_is_an_error(gpu: Any, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(gpu), "SIMULATED", False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(UserError, match=r"options\.device is 7, but PyTorch sees 2 GPUs"):
        find_runtime("torch_cuda").check({"device": 7}, building=False)
    monkeypatch.setattr(gpu, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"PyTorch reaches no NVIDIA GPU on this machine: it has no driver, or no GPU"):
        find_runtime("torch_cuda").check({}, building=False)


WRONG = {
    "onnxruntime_cuda": ({"tf32": 1}, {"convolutions": "all"}, {"graph_optimization": "most"}, {"device": "0"}),
    "onnxruntime_cann": ({"precision_mode": "fp16"}, {"device": -1}, {"tf32": True}),
    "torch_cuda": ({"mode": "fast"}, {"tf32": "no"}, {"device": True}),
    "torch_npu": ({"mode": "graph"}, {"device": 256}),
}


@pytest.mark.parametrize(("name", "options"), [(name, each) for name, wrong in WRONG.items() for each in wrong])
def test_an_option_that_is_wrong_is_named_before_any_work(
    name: str, options: dict[str, Any], fixed: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=next(iter(options))):
        find_runtime(name).check(options, building=True)
    with pytest.raises(UserError, match=next(iter(options))):
        find_runtime(name).build(fixed, tmp_path / "build", options)
    assert not (tmp_path / "build").exists()


def test_the_first_card_is_the_default() -> None:
    assert checked_device({}) == 0


# --- what the driver says ----------------------------------------------------------------------------------


def test_a_driver_names_its_cards_and_its_version(tmp_path: Path) -> None:
    driver = tmp_path / "proc/driver/nvidia"
    assert (gpu_name(tmp_path), driver_version(tmp_path)) == ("NVIDIA GPU", "")
    for bus, model in (("0000:01:00.0", "NVIDIA L4"), ("0000:02:00.0", "NVIDIA L4")):
        (driver / "gpus" / bus).mkdir(parents=True)
        (driver / "gpus" / bus / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 42\n")
    (driver / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\n")
    assert (gpu_name(tmp_path), driver_version(tmp_path)) == ("NVIDIA L4", "580.65.06")
    (driver / "gpus/0000:02:00.0/information").write_text("Model: \t\t NVIDIA T4\n")
    assert gpu_name(tmp_path) == "NVIDIA L4 or NVIDIA T4"
