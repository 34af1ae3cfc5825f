"""config/ppocr.yaml over a few rendered words, with the file that its comment fetches."""

import pytest
from openvino import Core

from configs import ROOT, read
from foreign import from_wheel
from workspace import Workspace

pytestmark = [pytest.mark.dag, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    path = tmp_path_factory.mktemp("ppocr")
    (path / "models").mkdir()
    from_wheel("rapidocr_onnxruntime", "ch_PP-OCRv4_rec_infer.onnx", path / "models")
    config = read(ROOT / "config/ppocr.yaml")
    config["datasets"] = {"sample": {"sample": {"words": 12, "seed": 3}}}
    config["measure"], config["batching"] = {"passes": 1, "warmup": 2, "words": 6}, {"sizes": [1, 3], "words": 6}
    config["budgets"] = {"flipped": 1, "accuracy_drop": 1}  # a dozen words judge no precision
    if "BF16" not in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        config["deployments"]["openvino48-bf16"] = None
    space = Workspace(path, config)
    result = space.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    return space


def test_both_recognisers_stand_in_one_report(report: Workspace) -> None:
    rows = {row["deployment"]: row for row in report.report()["rows"]}
    assert {rows[name]["model"] for name in ("torch", "ort")} == {"crnn"}
    assert {rows[name]["model"] for name in ("ort48", "openvino48")} == {"ppocr"}
    assert all(row["accuracy"] > 0.5 for row in rows.values())


def test_every_stage_and_runtime_reads_the_words_alike(report: Workspace) -> None:
    folder = "predictions/sample/ppocr/padded48"
    readers = ("raw", "fixed", "ort48", "openvino48")
    texts = [report.readings(f"{folder}/{reader}/1.parquet")["text"].to_list() for reader in readers]
    assert len(set(texts[0])) > 8
    assert all(each == texts[0] for each in texts)
