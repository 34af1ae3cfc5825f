"""The TensorRT target over the doubles: the network's own outputs for every shape, a GPU that is used well, and faults
that are explained.
"""

import gc
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from contract.toolkit import PACKAGES_NVIDIA, Use
from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256
from crnn.model.contract import Contract
from crnn.model.precision.convert import convert
from crnn.runtimes.devices import DeviceLocks
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.registry import find_runtime
from crnn.runtimes.shapes import Form
from examples import CONTRACT
from networks import EXPORTS, SMALL, calibrated, images
from stage_calls import run_stage

pytestmark = EXPORTS

Events = Callable[..., list[dict[str, Any]]]

WIDTHS = [40, 100, 160, 320]
SHAPES: dict[str, dict[str, Any]] = {
    "one profile": {"batch": 16, "width_rule": {"rule": "recipe"}},
    "three profiles": {"batch": 16, "width_rule": {"rule": "recipe"}, "profiles": 3},
    "a plan": {"plan": {"40": 16, "100": 16, "160": 4, "320": 2}, "profiles": 2},
}
DRIVERS = {"pycuda": ("pycuda", "cuda"), "cuda-bindings": ("cuda",)}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernel times and locks of GPUs go to the test's own folder, so that tests beside each other do not wait."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def gpu(packages: Use) -> None:
    """TensorRT 10.16, pycuda and cuda-python, and a GPU."""
    packages(PACKAGES_NVIDIA)


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest, packages: Use, tmp_path: Path) -> str:
    """Each package that can drive the GPU in turn; pycuda is taken where both are there."""
    packages(some_packages(tmp_path / "packages", "gpu_double.py", "tensorrt", *DRIVERS[request.param]))
    return str(request.param)


@pytest.fixture(params=["10.16.1.11", "11.4.0.106"])
def version(request: pytest.FixtureRequest, packages: Use, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each major of TensorRT in turn."""
    monkeypatch.setenv("TENSORRT_DOUBLE_VERSION", request.param)
    packages(PACKAGES_NVIDIA)
    return str(request.param)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Events:
    """A function that gives what the GPU noted so far of a kind."""
    path = tmp_path / "events"
    monkeypatch.setenv("GPU_DOUBLE_LOG", str(path))

    def noted(kind: str) -> list[dict[str, Any]]:
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    return noted


def some_packages(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(PACKAGES_NVIDIA / name)
    return folder


def built(fixed: Path, folder: Path, shapes: str = "one profile", **more: Any) -> Path:
    find_runtime("tensorrt").build(fixed, folder / "build", {**SHAPES[shapes], **more})
    return folder / "build"


def opened(fixed: Path, folder: Path, shapes: str = "one profile", calls: int = 1, **more: Any) -> Any:
    return loaded(built(fixed, folder, shapes, **more), calls, **more)


def loaded(build: Path, calls: int = 1, **more: Any) -> Any:
    return find_runtime("tensorrt").load(build / "model.engine", more, threads=1, calls=calls)


# --- equal answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", SHAPES)
def test_every_batch_size_at_several_widths_computes_what_onnxruntime_does(
    shapes: str, driver: str, fixed: Path, tmp_path: Path
) -> None:
    runtime, reference = opened(fixed, tmp_path, shapes), OnnxSession(fixed, 1)
    for width in WIDTHS:
        for count in (*range(1, 17), 37):
            batch = images(count, width, seed=count)
            output = runtime.infer(batch)
            assert output.shape == (width // 4 + 1, count, SMALL.classes)
            assert output.dtype == np.float32
            np.testing.assert_allclose(output, reference.infer(batch), atol=1e-5)
    runtime.close()


@pytest.mark.parametrize("formula", [True, False], ids=["steps by a formula", "steps as they come"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_a_model_of_another_form_computes_what_onnxruntime_does(
    formula: bool, shapes: str, gpu: None, imported: Path, tmp_path: Path
) -> None:
    """Colour images of 48 rows, and another number of time steps."""
    form = Form.of(Contract.read(imported.with_name("contract.json")))
    told = asdict(form if formula else replace(form, steps=None))
    build = built(imported, tmp_path, shapes, form=told)
    runtime, reference = loaded(build), OnnxSession(imported, 1)
    for count, width in ((1, 100), (3, 100), (16, 100)):
        batch = np.random.default_rng(count).uniform(-1, 1, (count, 3, 48, width)).astype(np.float32)
        output = runtime.infer(batch)
        assert output.shape == (25, count, 5)
        np.testing.assert_allclose(output, reference.infer(batch), atol=1e-4)
    runtime.close()


@pytest.mark.parametrize("form", ["fp16", "fp16-lstm32", "int8"])
def test_a_file_in_another_number_format_computes_what_onnxruntime_does(
    form: str, gpu: None, fixed: Path, tmp_path: Path
) -> None:
    """As the file stands: what fuses its operators rounds in other places, and then words may read otherwise."""
    model, source = onnx.load(fixed), tmp_path / f"{form}.onnx"
    onnx.save(convert(model, form, calibrated(model) if form == "int8" else None), source)
    runtime, reference = opened(source, tmp_path), OnnxSession(source, 1)
    for count, width in ((1, 40), (3, 100), (16, 320)):
        batch = images(count, width, seed=count)
        np.testing.assert_allclose(runtime.infer(batch), reference.infer(batch), atol=1e-5)
    runtime.close()


def test_both_majors_take_one_path(version: str, fixed: Path, tmp_path: Path) -> None:
    runtime, batch = opened(fixed, tmp_path), images(3, 100)
    np.testing.assert_allclose(runtime.infer(batch), OnnxSession(fixed, 1).infer(batch), atol=1e-5)
    assert runtime.describe()["tensorrt"] == version
    runtime.close()


def test_an_array_that_is_not_contiguous_is_read_right(gpu: None, fixed: Path, tmp_path: Path) -> None:
    runtime, mirrored = opened(fixed, tmp_path), images(3, 100)[:, :, :, ::-1]
    np.testing.assert_allclose(runtime.infer(mirrored), OnnxSession(fixed, 1).infer(mirrored.copy()), atol=1e-5)
    runtime.close()


def test_what_was_returned_stays_as_it_is(gpu: None, fixed: Path, tmp_path: Path) -> None:
    runtime = opened(fixed, tmp_path)
    first = runtime.infer(images(2, 100))
    kept = first.copy()
    runtime.infer(images(2, 100, seed=1))
    np.testing.assert_array_equal(first, kept)
    runtime.close()


@pytest.mark.parametrize("calls", [1, 2])
def test_threads_get_their_own_answers(calls: int, driver: str, fixed: Path, tmp_path: Path) -> None:
    runtime, reference = opened(fixed, tmp_path, calls=calls), OnnxSession(fixed, 1)
    assert runtime.calls == calls
    batches = [images(1 + seed % 5, WIDTHS[seed % 4], seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for batch, output in zip(batches, pool.map(runtime.infer, batches), strict=True):
            np.testing.assert_allclose(output, reference.infer(batch), atol=1e-5)
    runtime.close()


# --- how the GPU is used -----------------------------------------------------------------------------------


def test_only_the_output_is_copied_back(gpu: None, fixed: Path, tmp_path: Path, events: Events) -> None:
    runtime = opened(fixed, tmp_path)
    for count, width in ((1, 32), (1, 320), (16, 320)):
        runtime.infer(images(count, width))
    runtime.close()
    assert [event["size"] for event in events("copy_out")] == [9 * 37 * 4, 81 * 37 * 4, 81 * 16 * 37 * 4]


def test_memory_is_allocated_once_for_the_largest_call(gpu: None, fixed: Path, tmp_path: Path, events: Events) -> None:
    runtime = opened(fixed, tmp_path)
    before = events("allocate")
    assert [event["size"] for event in before] == [16 * 32 * 320 * 4, 81 * 16 * 37 * 4, 16 * 320 * 1024]
    for width in WIDTHS:
        runtime.infer(images(16, width))
    assert events("allocate") == before
    runtime.close()


@pytest.mark.parametrize("graphs", [False, True])
def test_all_memory_is_given_back(graphs: bool, driver: str, fixed: Path, tmp_path: Path) -> None:
    import gpu_double

    runtime = opened(fixed, tmp_path, calls=2, cuda_graphs=graphs)
    for _ in range(3):
        runtime.infer(images(2, 100))
    runtime.close()
    double = gpu_double.GPU
    assert (double.blocks, double.pinned, double.reserved) == ({}, {}, 0)
    assert not getattr(double.thread, "stack", [])


def test_two_calls_have_streams_of_their_own(gpu: None, fixed: Path, tmp_path: Path, events: Events) -> None:
    runtime, gate = opened(fixed, tmp_path, calls=2), threading.Barrier(2)
    call = runtime._call

    def together(words: Any, profile: int) -> Any:
        output = call(words, profile)
        gate.wait(timeout=10)
        return output

    runtime._call = together
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(runtime.infer, [images(1, 100), images(1, 100)]))
    runtime.close()
    assert len({event["stream"] for event in events("run")}) == 2


def test_no_more_calls_than_streams_are_taken(gpu: None, fixed: Path, tmp_path: Path) -> None:
    build = built(fixed, tmp_path)
    for asked, streams, made in ((4, 2, 2), (1, 2, 1), (4, 3, 3)):
        runtime = loaded(build, asked, streams=streams)
        assert runtime.calls == made
        runtime.close()


def test_graphs_are_captured_in_the_second_call_of_a_shape_and_replayed(
    gpu: None, fixed: Path, tmp_path: Path, events: Events
) -> None:
    runtime, reference = opened(fixed, tmp_path, cuda_graphs=True), OnnxSession(fixed, 1)
    for seed in range(4):
        for shape in ((1, 100), (3, 160)):
            batch = images(*shape, seed=seed)
            np.testing.assert_allclose(runtime.infer(batch), reference.infer(batch), atol=1e-5)
    assert runtime.describe()["memory"] == "cuda-bindings"
    runtime.close()
    assert [event["captured"] for event in events("run")] == [False, False, True, True]


def test_work_that_cannot_be_captured_runs_without(
    gpu: None, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GPU_DOUBLE_CAPTURES", "no")
    runtime, reference = opened(fixed, tmp_path, cuda_graphs=True), OnnxSession(fixed, 1)
    for seed in range(4):
        batch = images(2, 100, seed=seed)
        np.testing.assert_allclose(runtime.infer(batch), reference.infer(batch), atol=1e-5)
    runtime.close()
    assert caplog.text.count("no CUDA graph: the work of a call cannot be captured") == 1


def test_transfers_are_told_apart_and_counted_once(driver: str, fixed: Path, tmp_path: Path) -> None:
    runtime = opened(fixed, tmp_path)
    for _ in range(3):
        runtime.infer(images(2, 100))
    assert runtime.transfer_seconds() == pytest.approx((6e-5, 3e-5))
    assert runtime.transfer_seconds() == (0, 0)
    runtime.close()


def test_what_it_says_of_itself(driver: str, fixed: Path, tmp_path: Path) -> None:
    runtime = opened(fixed, tmp_path)
    runtime.infer(images(2, 100))
    facts = runtime.describe()
    runtime.close()
    assert facts["device_ms_median"] == pytest.approx(0.1)
    assert 0 < facts["device_mib"] < 64
    assert {key: facts[key] for key in ("device", "simulated", "memory", "calls", "batch", "device_calls")} == {
        **{"device": "Simulated GPU", "simulated": True, "memory": driver},
        **{"calls": 1, "batch": 16, "device_calls": 1},
    }


@pytest.mark.parametrize("index", [0, 1])
def test_a_gpu_is_held_while_an_engine_is_open(
    index: int, gpu: None, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the other runtimes of GPUs, so that no job computes beside a clock."""
    monkeypatch.setenv("GPU_DOUBLE_COUNT", "2")
    runtime = opened(fixed, tmp_path, device=index)
    taken, lock = DeviceLocks("gpu").acquire([index, 7])
    assert taken == [7]
    lock.close()
    runtime.close()
    taken, lock = DeviceLocks("gpu").acquire([index, 7])
    assert taken == [index]
    lock.close()


def test_a_gpu_is_free_again_when_an_engine_cannot_be_opened(gpu: None, fixed: Path, tmp_path: Path) -> None:
    build = built(fixed, tmp_path)
    (build / "model.engine").write_bytes(b"none")
    load_fault(build)
    load_fault(build, device=3)
    taken, lock = DeviceLocks("gpu").acquire([3, 0], most=2)
    assert taken == [3, 0]
    lock.close()


# --- building ----------------------------------------------------------------------------------------------


def test_the_facts_beside_the_engine_say_how_it_was_made(version: str, fixed: Path, tmp_path: Path) -> None:
    arguments = ["--source", str(fixed), "--runtime", "tensorrt", "--output", str(tmp_path / "build")]
    chosen = json.dumps({**SHAPES["one profile"], "typical_width": 100, "workspace_mib": 512})
    CONTRACT.write(tmp_path / "contract.json")
    arguments += ["--contract", str(tmp_path / "contract.json"), "--options", chosen]
    arguments += ["--record", str(tmp_path / "build/build.json")]
    run_stage("build_model", arguments)
    facts = read_json(tmp_path / "build/conversion.json")
    assert read_json(tmp_path / "build/build.json")["results"]["conversion"] == facts
    assert facts["tensorrt"] == version
    assert facts["gpu"]["name"] == "Simulated GPU"
    assert facts["onnx_sha256"] == sha256(fixed)
    assert facts["profiles"] == [{"batch": 16, "low": 32, "typical": 100, "high": 320}]
    assert facts["flags"] == ["STRONGLY_TYPED"]
    assert ("--stronglyTyped" in facts["trtexec"]) is version.startswith("10.")
    assert {"--noTF32", "--memPoolSize=workspace:512M", "--optShapes=imgs:16x1x32x100"} <= set(facts["trtexec"])


def test_equal_builds_have_equal_facts(gpu: None, fixed: Path, tmp_path: Path) -> None:
    first, second = (built(fixed, tmp_path / name) / "conversion.json" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_build_waits_for_the_gpu_whose_kernels_it_times(gpu: None, fixed: Path, tmp_path: Path) -> None:
    _, lock = DeviceLocks("gpu").acquire([0])
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(built, fixed, tmp_path)
        with pytest.raises(TimeoutError):
            building.result(timeout=0.5)
        lock.close()
        assert (building.result() / "model.engine").exists()


def flags_of(build: Path) -> list[str]:
    """What the double of the builder was told, by the header of its engine."""
    flags: list[str] = json.loads((build / "model.engine").read_bytes().splitlines()[1])["flags"]
    return flags


def test_float32_is_float32_unless_tf32_is_asked_for(gpu: None, fixed: Path, tmp_path: Path) -> None:
    assert flags_of(built(fixed, tmp_path / "a")) == []
    assert flags_of(built(fixed, tmp_path / "b", tf32=True, refit=True)) == ["REFIT", "TF32"]


def test_kernel_times_are_kept_for_the_next_build_and_not_in_the_results(
    gpu: None, fixed: Path, tmp_path: Path
) -> None:
    for name in "ab":
        build = built(fixed, tmp_path / name)
        assert sorted(path.name for path in build.iterdir()) == ["conversion.json", "model.engine"]
    (kept,) = (tmp_path / "cache").rglob("*.timing")
    assert kept.name == "tensorrt-10.16.1.11-Simulated-GPU.timing"
    assert kept.read_bytes().count(b"a time\n") == 2


def test_kernel_times_go_where_the_option_says_or_nowhere(gpu: None, fixed: Path, tmp_path: Path) -> None:
    built(fixed, tmp_path / "a", timing_cache=str(tmp_path / "mine"))
    built(fixed, tmp_path / "b", timing_cache=False)
    assert (tmp_path / "mine").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("kept", [b"cut off", b"contract double of a timing cache\nof another GPU\n"])
def test_kernel_times_that_cannot_be_used_are_measured_anew(
    kept: bytes, gpu: None, fixed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mine").write_bytes(kept)
    built(fixed, tmp_path, timing_cache=str(tmp_path / "mine"))
    assert "no kernel times, or of another GPU or TensorRT; they are measured anew" in caplog.text
    assert (tmp_path / "mine").read_bytes().endswith(b"a time\n")


def test_a_place_that_cannot_be_written_costs_no_build(
    gpu: None, fixed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    build = built(fixed, tmp_path, timing_cache=str(tmp_path / "file/cache"))
    assert (build / "model.engine").exists()
    assert "the kernel times cannot be kept" in caplog.text


# --- faults of a build -------------------------------------------------------------------------------------


def test_every_parser_error_is_listed(gpu: None, tmp_path: Path) -> None:
    (tmp_path / "odd.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"odd\.onnx: TensorRT 10\.16\.1\.11 cannot read it:\n  - In node.*\n  - Model"):
        built(tmp_path / "odd.onnx", tmp_path)
    assert not (tmp_path / "build").exists()


def test_a_workspace_that_is_too_small_says_what_to_raise(gpu: None, fixed: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as stopped:
        built(fixed, tmp_path, workspace_mib=4)
    assert "memory was short while the engine was built, of which the builder may use 4 MiB" in str(stopped.value)
    assert "insufficient workspace" in str(stopped.value)
    assert "Raise options.workspace_mib" in str(stopped.value)
    assert "it covers widths 32 to 320 at batch 1 to 16" in str(stopped.value)
    assert not (tmp_path / "build").exists()


OPTIONS = {
    "an unknown one": ({"workspace": 1}, r"unknown key 'workspace'; allowed: profiles, plan, typical_width"),
    "a level beyond": ({"optimization_level": 6}, r"optimization_level is 6; expected a whole number from 0 to 5"),
    "a text for a flag": ({"tf32": "no"}, r"tf32 is 'no'; expected true or false"),
    "true for a number": ({"device": True}, r"device is True; expected a whole number from 0"),
    "no workspace": ({"workspace_mib": 0}, r"workspace_mib is 0; expected a whole number from 1"),
    "an unknown level": ({"hardware_compatibility": "all"}, r"is 'all'; expected one of none, ampere\+, same"),
    "a cache that is no file": ({"timing_cache": 3}, r"timing_cache is 3; expected a file's path, or false"),
    "no profile": ({"profiles": 0}, r"profiles is 0; expected a whole number from 1 to that of the widths, 289"),
    "more profiles than widths": ({"profiles": 290}, r"profiles is 290; expected .* 289"),
    "a width outside": ({"typical_width": 400}, r"typical_width is 400; expected one of .* 32 to 320"),
    "an empty plan": ({"plan": {}}, r"plan is \{\}; expected widths from 32 with a batch size each"),
    "a plan of no widths": ({"plan": {"wide": 2}}, r"plan is .*; expected widths"),
    "a plan without words": ({"plan": {"100": 0}}, r"plan is .*; expected widths"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_wrong_option_is_named_before_anything_is_done(name: str, gpu: None, fixed: Path, tmp_path: Path) -> None:
    wrong, message = OPTIONS[name]
    with pytest.raises(UserError, match=message):
        built(fixed, tmp_path, **wrong)
    with pytest.raises(UserError, match=message):
        find_runtime("tensorrt").check({**SHAPES["one profile"], **wrong}, building=True)


def test_shapes_have_to_come_from_somewhere(gpu: None) -> None:
    with pytest.raises(UserError, match=r"batch and width_rule missing; outside the workflow name them, or"):
        find_runtime("tensorrt").check({}, building=True)
    find_runtime("tensorrt").check({}, building=False)


def test_shapes_that_are_not_planned_yet_are_not_asked_for(gpu: None) -> None:
    find_runtime("tensorrt").check({"width_rule": {"rule": "planned"}, "profiles": 3}, building=True)


# --- faults of a machine -----------------------------------------------------------------------------------


def fault(building: bool = False, **options: Any) -> str:
    with pytest.raises(UserError) as stopped:
        find_runtime("tensorrt").check({**SHAPES["one profile"], **options} if building else options, building)
    return str(stopped.value)


@pytest.mark.parametrize("building", [True, False])
def test_a_machine_without_tensorrt_is_told_so(building: bool, packages: Use) -> None:
    packages()
    assert (
        "package 'tensorrt' (or 'tensorrt_bindings') is not installed here; install TensorRT for this Python"
        in fault(building)
    )


def test_bindings_without_their_libraries_say_what_is_needed(packages: Use, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    said = "libnvonnxparser.so.10: cannot open shared object file: No such file or directory"
    (tmp_path / "broken/tensorrt_bindings.py").write_text(f"raise ImportError({said!r})")
    packages(tmp_path / "broken")
    assert f"libraries cannot be loaded ({said}); its Python bindings are here and need libnvinfer" in fault()


def test_a_tensorrt_that_is_too_old_is_refused(packages: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORRT_DOUBLE_VERSION", "10.13.3.9")
    packages(PACKAGES_NVIDIA)
    assert "TensorRT 10.13.3.9 is here; 10.14 or later is needed" in fault()


def test_a_machine_without_a_way_to_its_gpu_is_told_so(packages: Use, tmp_path: Path) -> None:
    packages(some_packages(tmp_path / "some", "gpu_double.py", "tensorrt"))
    assert "the Python package 'pycuda' or 'cuda' is not installed here; install pycuda, or cuda-bindings" in fault()


def test_graphs_without_cuda_python_are_refused(packages: Use, tmp_path: Path) -> None:
    packages(some_packages(tmp_path / "some", "gpu_double.py", "tensorrt", "pycuda"))
    assert "options.cuda_graphs needs cuda-python: the Python package 'cuda' is not" in fault(cuda_graphs=True)


def test_a_machine_without_a_driver_is_told_so(packages: Use, tmp_path: Path) -> None:
    some = some_packages(tmp_path / "some", "gpu_double.py", "tensorrt")
    (some / "pycuda").mkdir()
    (some / "pycuda/__init__.py").write_text("")
    said = "libcuda.so.1: cannot open shared object file: No such file or directory"
    (some / "pycuda/driver.py").write_text(f"raise ImportError({said!r})")
    packages(some)
    assert f"the NVIDIA driver cannot be used ({said}); check `nvidia-smi`" in fault()


WITHOUT_GPU = {
    ("pycuda", "0"): "no NVIDIA GPU here; run on the machine that has it",
    ("pycuda", "none"): "driver cannot be used (cuInit failed: no CUDA-capable device is detected); check `nvidia-smi`",
    ("cuda-bindings", "0"): "no NVIDIA GPU here; run on the machine that has it",
    ("cuda-bindings", "none"): "no NVIDIA GPU here; run on the machine that has it",
    ("cuda-bindings", "no driver"): "driver cannot be used (cudaErrorInsufficientDriver); check `nvidia-smi`",
}


@pytest.mark.parametrize(("package", "count"), WITHOUT_GPU)
def test_a_machine_without_a_gpu_is_told_so(
    package: str, count: str, packages: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(some_packages(tmp_path / "packages", "gpu_double.py", "tensorrt", *DRIVERS[package]))
    monkeypatch.setenv("GPU_DOUBLE_COUNT", count)
    assert WITHOUT_GPU[package, count] in fault()


def test_a_driver_too_old_for_tensorrt_is_recognised_when_building_and_when_running(
    gpu: None, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The GPU is there, and TensorRT's own CUDA does not begin."""
    build = built(fixed, tmp_path)
    monkeypatch.setenv("TENSORRT_DOUBLE_STARTS", "no")
    expected = "finds no GPU that it can use (CUDA initialization failure with error: 35); check `nvidia-smi`"
    with pytest.raises(UserError) as stopped:
        built(fixed, tmp_path / "again")
    assert expected in str(stopped.value)
    assert expected in load_fault(build)


def test_a_gpu_that_is_not_there_is_counted(driver: str) -> None:
    assert fault(device=1) == "options.device is 1; this machine has 1 NVIDIA GPUs, numbered from 0"


def test_a_machine_that_has_all_passes(driver: str) -> None:
    find_runtime("tensorrt").check(SHAPES["one profile"], building=True)
    find_runtime("tensorrt").check({"streams": 2}, building=False)


# --- faults of an engine -----------------------------------------------------------------------------------


def load_fault(build: Path, **options: Any) -> str:
    with pytest.raises(UserError) as stopped:
        loaded(build, **options)
    return str(stopped.value)


def test_an_engine_of_another_gpu_is_recognised(
    gpu: None, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = built(fixed, tmp_path)
    monkeypatch.setenv("GPU_DOUBLE_NAME", "Another GPU")
    monkeypatch.setenv("GPU_DOUBLE_CAPABILITY", "8.0")
    said = load_fault(build)
    assert "built for Simulated GPU (compute capability 9.0), and here is Another GPU (8.0); build it again" in said


def test_an_engine_for_any_gpu_from_ampere_on_is_loaded(
    gpu: None, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = built(fixed, tmp_path, hardware_compatibility="ampere+")
    monkeypatch.setenv("GPU_DOUBLE_CAPABILITY", "8.0")
    loaded(build).close()
    monkeypatch.setenv("GPU_DOUBLE_CAPABILITY", "7.5")
    assert "and here is Simulated GPU (7.5)" in load_fault(build)


def test_an_engine_of_another_tensorrt_is_recognised(
    packages: Use, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(PACKAGES_NVIDIA)
    build, compatible = built(fixed, tmp_path), built(fixed, tmp_path / "compatible", version_compatible=True)
    for later, loads in (("10.17.0.1", True), ("11.4.0.106", False), ("10.15.1.29", False)):
        monkeypatch.setenv("TENSORRT_DOUBLE_VERSION", later)
        packages(PACKAGES_NVIDIA)
        assert f"built by TensorRT 10.16.1.11, and here is {later}; build it again" in load_fault(build)
        if loads:
            loaded(compatible).close()
        else:
            assert f"here is {later}" in load_fault(compatible)


def test_a_file_that_is_no_engine_is_refused_with_what_tensorrt_says(gpu: None, fixed: Path, tmp_path: Path) -> None:
    build = built(fixed, tmp_path)
    (build / "model.engine").write_bytes(b"none")
    assert "TensorRT cannot load the engine (Error Code 1: Serialization (magicTag" in load_fault(build)


def test_a_width_outside_every_profile_is_named_with_what_is_covered(gpu: None, fixed: Path, tmp_path: Path) -> None:
    runtime = opened(fixed, tmp_path, "a plan")
    with pytest.raises(UserError) as stopped:
        runtime.infer(images(1, 400))
    runtime.close()
    assert str(stopped.value) == (
        "a tensor is 400 wide, and the engine has no profile for it; it covers widths 40 to 100 at batch 1 to 16 and "
        "widths 160 to 320 at batch 1 to 4. Build it for the deployment's width rule again, or name this width in "
        "options.plan"
    )


def test_an_engine_exchanged_by_hand_is_recognised(gpu: None, fixed: Path, tmp_path: Path) -> None:
    build, other = built(fixed, tmp_path / "a"), built(fixed, tmp_path / "b", plan={"100": 4})
    (build / "model.engine").write_bytes((other / "model.engine").read_bytes())
    runtime = loaded(build)
    with pytest.raises(UserError, match=r"does not take images \[16, 1, 32, 100\], though the engine covers widths 32"):
        runtime.infer(images(16, 100))
    runtime.close()


# --- short of memory, or broken ----------------------------------------------------------------------------


def memory_for(fixed: Path, batch: int) -> int:
    """Bytes that the engine and one slot of `batch` words of 320 columns take."""
    return fixed.stat().st_size + batch * 320 * (32 * 4 + 1024) + 81 * batch * 37 * 4


def test_a_gpu_with_little_memory_serves_fewer_calls_then_smaller_batches(
    driver: str, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    build, reference = built(fixed, tmp_path), OnnxSession(fixed, 1)
    for memory, batch in ((memory_for(fixed, 16), 16), (memory_for(fixed, 5), 4)):
        caplog.clear()
        monkeypatch.setenv("GPU_DOUBLE_MEMORY", str(memory))
        runtime = loaded(build, calls=2)
        for count in (1, 4, 16):
            words = images(count, 320)
            np.testing.assert_allclose(runtime.infer(words), reference.infer(words), atol=1e-5)
        assert (runtime.calls, runtime.describe()["batch"]) == (1, batch)
        runtime.close()
        said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert said == [
            f"the GPU has too little memory for 2 calls of 16 words at a time; it serves 1 of {batch} words"
        ]


@pytest.mark.parametrize("words", [0.5, 0])
def test_a_gpu_without_room_for_a_word_is_reported(
    words: float, driver: str, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for the engine alone, and without."""
    build = built(fixed, tmp_path)
    room = fixed.stat().st_size + 1000 if words else 1000
    monkeypatch.setenv("GPU_DOUBLE_MEMORY", str(room))
    assert "the GPU has no memory left for one word at a time (" in load_fault(build)
    import gpu_double

    gc.collect()  # the error's traceback, which holds the engine
    assert (gpu_double.GPU.blocks, gpu_double.GPU.pinned, gpu_double.GPU.reserved) == ({}, {}, 0)


def test_a_gpu_that_others_have_filled_is_reported_by_a_build(
    driver: str, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA itself cannot begin there, before TensorRT is asked for anything."""
    monkeypatch.setenv("GPU_DOUBLE_CONTEXT", str(2**40))
    with pytest.raises(UserError, match=r"no memory left to build an engine in \(.*\); see `nvidia-smi` for what else"):
        built(fixed, tmp_path)
    assert not (tmp_path / "build").exists()


def test_memory_that_is_gone_when_a_call_comes_is_reported(
    driver: str, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may take it after the engine was opened, and a context needs some of its own."""
    runtime = opened(fixed, tmp_path)
    monkeypatch.setenv("GPU_DOUBLE_MEMORY", "1000")
    with pytest.raises(UserError, match=r"ran out of memory for images \[2, 1, 32, 100\] \(Error Code 2: OutOfMemory"):
        runtime.infer(images(2, 100))
    monkeypatch.delenv("GPU_DOUBLE_MEMORY")
    assert runtime.infer(images(2, 100)).shape == (26, 2, SMALL.classes)  # the slot is free again
    runtime.close()


def test_a_network_that_breaks_on_the_gpu_is_reported_by_what_waits_for_it(
    driver: str, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = opened(fixed, tmp_path)
    monkeypatch.setenv("GPU_DOUBLE_BREAKS_AFTER", "0")
    with pytest.raises(UserError, match=r"the GPU failed \(.+\); check it with `nvidia-smi`"):
        runtime.infer(images(1, 100))
    runtime.close()


def test_an_engine_that_fails_is_reported_with_what_tensorrt_says(
    driver: str, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = opened(fixed, tmp_path)
    monkeypatch.setenv("GPU_DOUBLE_FAILS_AFTER", "1")
    runtime.infer(images(1, 100))
    for _ in range(2):  # the slot is free again
        with pytest.raises(
            UserError, match=r"TensorRT cannot run the engine \(Error Code 1: Cuda Runtime \(an illegal"
        ):
            runtime.infer(images(2, 100))
    runtime.close()
