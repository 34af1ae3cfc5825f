"""The runtime over both generations of ais_bench: the network's own outputs for every shape mode and batch size."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from contract.toolkit import PACKAGES, Toolkit, Use
from crnn.core.errors import UserError
from crnn.model.contract import Contract
from crnn.runtimes.ascend.session import execution_milliseconds
from crnn.runtimes.devices import DeviceLocks
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.registry import find_runtime
from crnn.runtimes.shapes import Form
from networks import EXPORTS, SMALL, images
from workspace import ROOT

pytestmark = EXPORTS

Events = Callable[[], list[dict[str, Any]]]

WIDTHS = [64, 100, 160]
CONVERSIONS = {
    "range": {"shapes": "range", "batches": [1, 16], "widths": [32, 320]},
    "gears": {"shapes": "gears", "batches": [1, 4, 16], "widths": WIDTHS},
    "gears of a plan": {"shapes": "gears", "plan": {64: 4, 100: 16, 160: 1}},
    "gears of the batch": {"shapes": "gears", "batches": [1, 16], "widths": [100]},
    "gears of the width": {"shapes": "gears", "batches": [4], "widths": WIDTHS},
    "static": {"shapes": "static", "batches": [8], "widths": [100]},
}


@pytest.fixture(autouse=True)
def device_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of devices go to the test's own folder, so that tests beside each other do not wait."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Events:
    """A function that gives what the double noted so far."""
    path = tmp_path / "events"
    monkeypatch.setenv("ACLRUNTIME_LOG", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def options(toolkit: Toolkit, name: str, **more: Any) -> dict[str, Any]:
    return {"set_env": str(toolkit.set_env), "soc_version": "Ascend310P3", **CONVERSIONS[name], **more}


def opened(toolkit: Toolkit, fixed: Path, name: str, folder: Path, calls: int = 1, **more: Any) -> Any:
    chosen = options(toolkit, name, **more)
    find_runtime("ascend").build(fixed, folder / "build", chosen)
    return find_runtime("ascend").load(folder / "build" / "model.om", chosen, threads=1, calls=calls)


# --- equal answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONVERSIONS)
def test_every_mode_computes_what_onnxruntime_does(
    name: str, generation: str, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    runtime, reference = opened(toolkit, fixed, name, tmp_path), OnnxSession(fixed, 1)
    widths = [100] if CONVERSIONS[name].get("widths") == [100] else WIDTHS
    for width in widths:
        for count in (1, 2, 3, 5, 16, 37):
            batch = images(count, width, seed=count)
            output = runtime.infer(batch)
            assert output.shape == (width // 4 + 1, count, SMALL.classes)
            assert output.dtype == np.float32
            np.testing.assert_allclose(output, reference.infer(batch), atol=1e-5)
    runtime.close()


@pytest.mark.parametrize("formula", [True, False], ids=["steps by a formula", "steps as they come"])
@pytest.mark.parametrize("name", ["range", "gears", "static"])
def test_a_model_of_another_form_computes_what_onnxruntime_does(
    formula: bool, name: str, generation: str, toolkit: Toolkit, imported: Path, tmp_path: Path
) -> None:
    """Colour images of 48 rows, and another number of time steps."""
    form = Form.of(Contract.read(imported.with_name("contract.json")))
    told = asdict(form if formula else replace(form, steps=None))
    runtime, reference = opened(toolkit, imported, name, tmp_path, form=told), OnnxSession(imported, 1)
    for count, width in ((1, 100), (3, 100), (16, 100)):
        batch = np.random.default_rng(count).uniform(-1, 1, (count, 3, 48, width)).astype(np.float32)
        output = runtime.infer(batch)
        assert output.shape == (25, count, 5)
        np.testing.assert_allclose(output, reference.infer(batch), atol=1e-4)
    runtime.close()


def test_an_array_that_is_not_contiguous_is_read_right(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    runtime = opened(toolkit, fixed, "range", tmp_path)
    mirrored = images(3, 100)[:, :, :, ::-1]
    np.testing.assert_allclose(runtime.infer(mirrored), OnnxSession(fixed, 1).infer(mirrored.copy()), atol=1e-5)
    runtime.close()


OVERLAY = {
    name: entry
    for name, entry in yaml.safe_load((ROOT / "config/ascend-310p3.yaml").read_text())["deployments"].items()
    if entry is not None
}
RULES = yaml.safe_load((ROOT / "config/config.yaml").read_text())["widths"]


@pytest.mark.parametrize("name", OVERLAY)
def test_every_row_of_the_shipped_overlay_computes_what_onnxruntime_does(
    name: str, doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    """The shapes of each row come from its own batch and width rule, as the rules give them to a build."""
    entry = OVERLAY[name]
    shapes = {"batch": entry["batch"], "width_rule": RULES[entry["widths"]]}
    chosen = {**entry["options"], "set_env": str(toolkit.set_env)}
    find_runtime("ascend").build(fixed, tmp_path / "build", {**chosen, **shapes})
    runtime = find_runtime("ascend").load(tmp_path / "build" / "model.om", chosen, threads=1)
    for count in (1, entry["batch"], entry["batch"] + 1):
        batch = images(count, 100 if entry["widths"] == "w100" else 104, seed=count)
        np.testing.assert_allclose(runtime.infer(batch), OnnxSession(fixed, 1).infer(batch), atol=1e-5)
    runtime.close()


# --- how the device is used --------------------------------------------------------------------------------


def test_the_output_buffer_is_as_large_as_the_output(
    generation: str, toolkit: Toolkit, fixed: Path, tmp_path: Path, events: Events
) -> None:
    runtime = opened(toolkit, fixed, "range", tmp_path)
    for count, width in ((1, 32), (1, 320), (16, 320)):
        runtime.infer(images(count, width))
    runtime.close()
    runs = [event for event in events() if event["event"] == "run"]
    assert [run["needed"] for run in runs] == [9 * 37 * 4, 81 * 37 * 4, 81 * 16 * 37 * 4]
    assert all(run["needed"] <= run["buffer"] < run["needed"] + 512 for run in runs)


def test_a_model_that_does_not_tell_its_classes_gets_the_recipes_buffer(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    aclruntime = importlib.import_module("aclruntime")
    desc = aclruntime.tensor_desc("output1", [], 0, 0)
    monkeypatch.setattr(aclruntime.InferenceSession, "get_outputs", lambda session: [desc])
    runtime = opened(toolkit, fixed, "range", tmp_path)
    assert runtime.infer(images(1, 100)).shape == (26, 1, SMALL.classes)
    runtime.close()
    assert [event["buffer"] for event in events() if event["event"] == "run"] == [10_000_000]


def test_what_it_says_of_itself(generation: str, toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    runtime = opened(toolkit, fixed, "range", tmp_path, devices=[3])
    runtime.infer(images(2, 100))
    facts = runtime.describe()
    runtime.close()
    assert facts["device"] == "Ascend310P3, device 3"
    assert facts["simulated"] is True
    assert facts["interface"] == {"since 2024": "summary", "until 2023": "sumary"}[generation]
    assert facts["device_calls"] == 1
    assert facts["device_ms_median"] > 0


def test_transfers_are_told_apart_and_counted_once(
    generation: str, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    runtime = opened(toolkit, fixed, "range", tmp_path)
    for _ in range(3):
        runtime.infer(images(2, 100))
    assert runtime.transfer_seconds() == pytest.approx((6e-5, 3e-5))
    assert runtime.transfer_seconds() == (0, 0)
    runtime.close()


def test_execution_times_of_either_generation_are_durations() -> None:
    assert execution_milliseconds([1.5, 2.5]) == [1.5, 2.5]
    assert execution_milliseconds([(10.0, 11.5), (20.0, 22.5)]) == [1.5, 2.5]
    assert execution_milliseconds([]) == []


def test_jobs_beside_each_other_take_a_card_each(tmp_path: Path) -> None:
    locks = DeviceLocks("npu", tmp_path)
    first, lock = locks.acquire([0, 2])
    second, other = locks.acquire([0, 2])
    assert (first, second) == ([0], [2])
    lock.close()
    third, again = locks.acquire([0, 2])
    assert third == [0]
    other.close()
    again.close()


def test_a_job_waits_where_no_card_is_free(tmp_path: Path) -> None:
    _, lock = DeviceLocks("npu", tmp_path).acquire([0])
    code = (
        "import sys; from pathlib import Path; from crnn.runtimes.devices import DeviceLocks\n"
        "print(*DeviceLocks('npu', Path(sys.argv[1])).acquire([0])[0])"
    )
    workflow = Path(__file__).parents[2] / "workflow"
    waiting = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=workflow, stdout=subprocess.PIPE, text=True
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.7)
    lock.close()
    assert waiting.communicate(timeout=20)[0].strip() == "0"


# --- several cards -----------------------------------------------------------------------------------------


def test_several_cards_serve_as_many_calls_at_a_time(
    generation: str, toolkit: Toolkit, fixed: Path, tmp_path: Path, events: Events
) -> None:
    runtime, reference = opened(toolkit, fixed, "range", tmp_path, calls=4, devices=[1, 3]), OnnxSession(fixed, 1)
    assert runtime.calls == 2
    batches = [images(count, 100, seed=count) for count in range(1, 9)]
    with ThreadPoolExecutor(runtime.calls) as callers:
        outputs = list(callers.map(runtime.infer, batches))
    for batch, output in zip(batches, outputs, strict=True):
        np.testing.assert_allclose(output, reference.infer(batch), atol=1e-5)
    assert runtime.transfer_seconds() == pytest.approx((8 * 2e-5, 8 * 1e-5))
    facts = runtime.describe()
    assert (facts["device"], facts["device_calls"]) == ("Ascend310P3, devices 1, 3", 8)
    runtime.close()
    noted = [(event["event"], event["device"]) for event in events()]
    assert {device for event, device in noted if event == "run"} == {1, 3}
    freed = {device for event, device in noted if event == "free"}
    assert freed == ({1, 3} if generation == "since 2024" else set())  # the older one frees with its process
    assert list((tmp_path / "tmp").glob("crnn-om-*")) == []


def test_one_call_at_a_time_takes_one_card_and_leaves_the_others(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    first = opened(toolkit, fixed, "range", tmp_path / "a", devices=[0, 1])
    second = opened(toolkit, fixed, "range", tmp_path / "b", devices=[0, 1], calls=2)
    assert (first.calls, first.describe()["device"]) == (1, "Ascend310P3, device 0")
    assert (second.calls, second.describe()["device"]) == (1, "Ascend310P3, device 1")  # the one that is left
    first.close()
    second.close()


def test_a_fault_of_one_of_several_cards_is_named(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACLRUNTIME_FAILS_AFTER", "1")
    runtime = opened(toolkit, fixed, "range", tmp_path, calls=2, devices=[0, 1])
    for _ in range(2):
        runtime.infer(images(1, 100))
    with pytest.raises(UserError, match=r"device 0: inference of \[1, 1, 32, 100\] in mode dymshape failed"):
        runtime.infer(images(1, 100))
    runtime.close()

    with pytest.raises(UserError, match=r"device 9: the model of Ascend310P3 cannot be loaded"):
        opened(toolkit, fixed, "range", tmp_path / "b", calls=2, devices=[0, 9])
    assert list((tmp_path / "tmp").glob("crnn-om-*")) == []
    taken, lock = DeviceLocks("npu").acquire([0, 9], most=2)
    assert taken == [0, 9]
    lock.close()


def test_a_process_that_ends_is_an_error_and_no_wait(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    runtime = opened(toolkit, fixed, "static", tmp_path, calls=2, devices=[0, 1])
    for process in runtime._processes[0]._processes.values():
        process.kill()
        process.join()
    with pytest.raises(UserError, match="device 0: its process has ended"):
        runtime.infer(images(1, 100))
    assert runtime.infer(images(1, 100)).shape == (26, 1, 37)  # the other card's
    runtime.close()


# --- what the device answers -------------------------------------------------------------------------------


def answering(session: Any, change: Callable[[Any], Any]) -> None:
    """Let the runtime get a changed output from its session."""
    infer = session.infer
    session.infer = lambda *given, **named: [change(output) for output in infer(*given, **named)]


def test_an_output_without_a_shape_gets_the_networks(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    runtime, batch = opened(toolkit, fixed, "range", tmp_path), images(3, 100)
    answering(runtime._session, np.ravel)
    np.testing.assert_allclose(runtime.infer(batch), OnnxSession(fixed, 1).infer(batch), atol=1e-5)
    runtime.close()


def test_an_output_of_another_shape_is_an_error_and_no_garbage(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    runtime = opened(toolkit, fixed, "range", tmp_path)
    answering(runtime._session, lambda output: np.swapaxes(output, 0, 1))
    with pytest.raises(UserError, match=r"gave an output of \[3, 26, 37\]; expected 26 steps of 3 words"):
        runtime.infer(images(3, 100))
    runtime.close()


# --- what ais_bench is strict about ------------------------------------------------------------------------


def test_a_model_behind_a_link_open_to_a_group_with_odd_letters_is_loaded(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    chosen = options(toolkit, "static")
    find_runtime("ascend").build(fixed, tmp_path / "modèle + more", chosen)
    (tmp_path / "modèle + more/model.om").chmod(0o664)
    (tmp_path / "link").symlink_to(tmp_path / "modèle + more")
    runtime = find_runtime("ascend").load(tmp_path / "link" / "model.om", chosen, threads=1)
    assert runtime.infer(images(1, 100)).shape == (26, 1, 37)
    runtime.close()
    assert list((tmp_path / "tmp").glob("crnn-om-*")) == []


# --- failures ----------------------------------------------------------------------------------------------


def test_a_width_outside_the_range_is_refused_before_the_device(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path, events: Events
) -> None:
    runtime = opened(toolkit, fixed, "range", tmp_path)
    with pytest.raises(UserError, match=r"a tensor is 400 wide, but the model was converted for widths 32 to 320"):
        runtime.infer(images(1, 400))
    runtime.close()
    assert [event["event"] for event in events()] == ["open", "free"]


def test_a_device_that_fails_is_named_with_the_call(
    generation: str, toolkit: Toolkit, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = opened(toolkit, fixed, "range", tmp_path)
    monkeypatch.setenv("ACLRUNTIME_FAILS_AFTER", "1")
    runtime.infer(images(1, 100))
    with pytest.raises(
        UserError, match=r"device 0: inference of \[2, 1, 32, 100\] in mode dymshape failed \(\[-1\]\[ACL"
    ):
        runtime.infer(images(2, 100))
    runtime.close()


def test_a_model_converted_otherwise_than_its_facts_say_fails_with_the_code(
    doubles: None, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    """As in AISBench/benchmark#422: gears asked of a range model."""
    opened(toolkit, fixed, "range", tmp_path / "a").close()
    opened(toolkit, fixed, "gears", tmp_path / "b").close()
    (tmp_path / "b/build/model.om").write_bytes((tmp_path / "a/build/model.om").read_bytes())
    runtime = find_runtime("ascend").load(tmp_path / "b/build" / "model.om", options(toolkit, "gears"), threads=1)
    with pytest.raises(UserError, match=r"in mode dymdims failed \(\[1\]\[ACL: invalid parameter\]\)"):
        runtime.infer(images(1, 100))
    runtime.close()


@pytest.mark.parametrize("fault", ["no such card", "no model"])
def test_what_was_taken_is_given_back_when_loading_fails(
    fault: str, generation: str, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    chosen = options(toolkit, "static", devices=[9] if fault == "no such card" else [0])
    (model, _) = find_runtime("ascend").build(fixed, tmp_path / "build", chosen)
    if fault == "no model":
        model.write_bytes(b"none")
    with pytest.raises(UserError, match=r"device \d: the model of Ascend310P3 cannot be loaded \(\[.*npu-smi info"):
        find_runtime("ascend").load(tmp_path / "build" / "model.om", chosen, threads=1)
    assert list((tmp_path / "tmp").glob("crnn-om-*")) == []
    _, lock = DeviceLocks("npu").acquire(chosen["devices"])  # free again, or this would wait
    lock.close()


def test_devices_are_numbers(toolkit: Toolkit, fixed: Path, tmp_path: Path) -> None:
    for wrong in ("0", [], [-1], [256], [True], ["0"]):
        with pytest.raises(UserError, match=r"options\.devices is .*; expected a list of device numbers from 0"):
            find_runtime("ascend").check({"devices": wrong}, building=False)


# --- packages ----------------------------------------------------------------------------------------------


def test_a_missing_ais_bench_is_named_with_the_remedy(packages: Use) -> None:
    packages()
    with pytest.raises(
        UserError, match=r"'ais_bench' is not installed here; install aclruntime and ais_bench from one"
    ):
        find_runtime("ascend").check({}, building=False)


def test_the_other_package_of_that_name_is_recognised(packages: Use, tmp_path: Path) -> None:
    (tmp_path / "other/ais_bench").mkdir(parents=True)
    (tmp_path / "other/ais_bench/__init__.py").write_text("")
    packages(tmp_path / "other")
    with pytest.raises(UserError, match=r"is another one of that name: .*ais_bench_benchmark"):
        find_runtime("ascend").check({}, building=False)


def test_ais_bench_without_aclruntime_is_recognised(packages: Use, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half/ais_bench").symlink_to(PACKAGES / "ais_bench")
    packages(tmp_path / "half")
    with pytest.raises(UserError, match=r"ais_bench needs the Python package 'aclruntime', which is not installed"):
        find_runtime("ascend").check({}, building=False)


def test_an_aclruntime_without_its_libraries_says_what_to_source(packages: Use, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    fault = "libascendcl.so: cannot open shared object file: No such file or directory"
    (tmp_path / "broken/aclruntime.py").write_text(f"raise ImportError({fault!r})")
    packages(tmp_path / "broken", PACKAGES)
    with pytest.raises(UserError, match=r"libascendcl\.so: cannot open .*; source CANN's set_env\.sh before starting"):
        find_runtime("ascend").check({}, building=False)


def test_a_machine_without_a_card_is_told_so(doubles: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(Path("/dev").glob("davinci[0-9]*")):
        pytest.skip("this machine has an Ascend card")
    find_runtime("ascend").check({}, building=False)  # a double needs none
    monkeypatch.setattr("aclruntime.SIMULATED", False)
    with pytest.raises(
        UserError, match=r"no Ascend card here \(no /dev/davinci0 or another\); run on the machine that"
    ):
        find_runtime("ascend").check({}, building=False)


# --- the real ais_bench ------------------------------------------------------------------------------------

REAL = os.environ.get("AIS_BENCH", "")


@pytest.mark.skipif(
    not REAL,
    reason="AIS_BENCH names no folder with the real ais_bench: pip install --no-deps --target D 'git+https://gitee.com/"
    "ascend/tools.git#egg=ais_bench&subdirectory=ais-bench_workload/tool/ais_bench' && AIS_BENCH=D pytest …",
)
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # in its source
@pytest.mark.parametrize("name", CONVERSIONS)
def test_the_real_ais_bench_drives_the_runtime(
    name: str, packages: Use, toolkit: Toolkit, fixed: Path, tmp_path: Path
) -> None:
    (tmp_path / "extension").mkdir()
    (tmp_path / "extension/aclruntime.py").symlink_to(PACKAGES / "aclruntime.py")
    packages(Path(REAL), tmp_path / "extension")
    runtime, reference = opened(toolkit, fixed, name, tmp_path), OnnxSession(fixed, 1)
    assert Path(sys.modules["ais_bench"].__path__[0]).is_relative_to(REAL)
    for count in (1, 3, 16):
        batch = images(count, 100, seed=count)
        np.testing.assert_allclose(runtime.infer(batch), reference.infer(batch), atol=1e-5)
    assert runtime.transfer_seconds() > (0, 0)
    assert runtime.describe()["device_calls"] >= 3
    runtime.close()
