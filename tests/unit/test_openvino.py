"""OpenVINO: it reads what PyTorch reads at every batch, in the precision that was asked for, from several threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from crnn.core.errors import UserError
from crnn.core.files import sha256
from crnn.model.export import export_onnx
from crnn.model.parity import prove_equal, random_images
from crnn.model.precision.convert import convert
from crnn.model.precision.winograd import by_winograd
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.openvino import cpu as openvino
from examples import CONTRACT
from networks import EXPORTS, calibrated, images, repaired, small_network

pytestmark = EXPORTS

able = openvino.openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
needs_bf16 = pytest.mark.skipif("BF16" not in able, reason="this processor has no bfloat16 instructions")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """raw.onnx, fixed.onnx, winograd.onnx, and uint8.onnx with ranges measured on noise."""
    folder = tmp_path_factory.mktemp("models")
    export_onnx(small_network(), CONTRACT, folder / "raw.onnx")
    fixed = repaired(folder / "raw.onnx")
    onnx.save(fixed, folder / "fixed.onnx")
    onnx.save(convert(fixed, "uint8", calibrated(fixed)), folder / "uint8.onnx")
    onnx.save(by_winograd(fixed, fewest=4), folder / "winograd.onnx")
    return folder


def loaded(source: Path, folder: Path, precision: str = "fp32", calls: int = 1) -> openvino.OpenVinoSession:
    model, _ = openvino.build(source, folder, {"precision": precision})
    return openvino.load(model, {"precision": precision}, threads=1, calls=calls)


@pytest.mark.parametrize("source", ["raw.onnx", "fixed.onnx", "winograd.onnx"])
def test_it_computes_what_onnxruntime_computes_at_every_batch_and_width(
    source: str, models: Path, tmp_path: Path
) -> None:
    runtime = loaded(models / source, tmp_path)
    assert prove_equal(OnnxSession(models / source, 1).infer, runtime.infer, CONTRACT, 1e-4, source) > 0


def test_equal_models_are_equal_files(models: Path, tmp_path: Path) -> None:
    built = [openvino.build(models / "fixed.onnx", tmp_path / name, {}) for name in "ab"]
    assert [sha256(path) for path in built[0]] == [sha256(path) for path in built[1]]


def test_an_output_outlives_the_next_call(models: Path, tmp_path: Path) -> None:
    runtime = loaded(models / "fixed.onnx", tmp_path)
    first = runtime.infer(images(2, 64, seed=1))
    kept = first.copy()
    runtime.infer(images(2, 64, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_threads_may_call_at_a_time(models: Path, tmp_path: Path) -> None:
    runtime = loaded(models / "fixed.onnx", tmp_path, calls=2)
    assert runtime.calls == 2
    batches = list(random_images(CONTRACT)) * 6
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(runtime.infer, batches))
    for batch, output in zip(batches, together, strict=True):
        np.testing.assert_array_equal(output, runtime.infer(batch))


def computing(runtime: openvino.OpenVinoSession, kind: str) -> set[str]:
    """The types in which the compiled model computes nodes of a kind, once it has seen a shape."""
    runtime.infer(images(1, 64))
    nodes = [node.get_rt_info() for node in runtime._compiled.get_runtime_model().get_ordered_ops()]
    return {node["runtimePrecision"].astype(str) for node in nodes if node["layerType"].astype(str) == kind}


def test_a_quantised_model_runs_its_convolutions_on_bytes(models: Path, tmp_path: Path) -> None:
    runtime = loaded(models / "uint8.onnx", tmp_path, "int8")
    assert computing(runtime, "Convolution") <= {"u8", "i8"}
    assert computing(runtime, "RNNSeq") == {"f32"}


def test_a_quantised_model_computes_what_its_file_says(models: Path, tmp_path: Path) -> None:
    runtime, reference = loaded(models / "uint8.onnx", tmp_path, "int8"), OnnxSession(models / "uint8.onnx", 1)
    for batch in (1, 3):
        differences = np.abs(runtime.infer(images(batch, 100)) - reference.infer(images(batch, 100)))
        assert np.mean(differences) < 0.02  # now and then a value is rounded the other way


@needs_bf16
def test_bf16_is_computed_in_bf16(models: Path, tmp_path: Path) -> None:
    runtime = loaded(models / "fixed.onnx", tmp_path, "bf16")
    assert computing(runtime, "Convolution") == {"bf16"}
    assert runtime.describe()["inference_precision"] == "bf16"


@needs_bf16
def test_what_is_not_quantised_can_be_computed_in_bf16(models: Path, tmp_path: Path) -> None:
    runtime = loaded(models / "uint8.onnx", tmp_path, "int8-bf16")
    assert computing(runtime, "Convolution") <= {"u8", "i8"}
    assert computing(runtime, "RNNSeq") == {"bf16"}


def test_fp32_is_computed_in_fp32(models: Path, tmp_path: Path) -> None:
    runtime = loaded(models / "fixed.onnx", tmp_path)
    assert computing(runtime, "Convolution") == {"f32"}


def test_bf16_without_its_instructions_is_refused(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Plain:
        """A processor without them."""

        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino.openvino, "Core", Plain)
    for precision, instead in (("bf16", "fp32"), ("int8-bf16", "int8")):
        openvino.check({"precision": precision}, building=True)
        with pytest.raises(UserError, match=f"precision {precision}: .*no bfloat16 instructions.*take {instead}"):
            openvino.check({"precision": precision}, building=False)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "fixed.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"fixed.onnx: OpenVINO cannot read it"):
        openvino.build(tmp_path / "fixed.onnx", tmp_path / "build", {})
