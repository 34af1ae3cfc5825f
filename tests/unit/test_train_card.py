"""What a training run leaves for people: its curve and its model card."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from crnn.core.errors import UserError
from crnn.report.drawing.training_curve import read_log, training_curve
from crnn.train.card import model_card

ENTRIES = [{"words": 100 * i, "loss": 3.0 / i, "accuracy": {"rendered": 0.2 * i, "real": 0.1 * i}} for i in range(1, 5)]


def test_the_curve_shows_loss_and_every_validation_set() -> None:
    svg = ET.fromstring(training_curve(ENTRIES))
    texts = {"".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"training loss", "validation accuracy (%)", "rendered", "real"} <= texts


def test_a_log_without_entries_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").touch()
    with pytest.raises(UserError, match=r"log\.jsonl: has no entries"):
        read_log(tmp_path / "log.jsonl")


@pytest.fixture
def training(tmp_path: Path) -> Path:
    settings = {"seed": 3, "learning_rate": 0.001, "warmup": 0.05, "weight_decay": 0.0001, "clip": 5, "batch": 64}
    network = {"channels": [64, 128], "hidden": 256, "classes": 37}
    record: dict[str, Any] = {
        "outputs": {"results/weights.safetensors": {"bytes": 16672074, "sha256": "ab" * 32}},
        "parameters": {
            "settings": {**settings, "average": 0.999, "jitter": [0.75, 1.25]},
            "network": network,
            "charset": "0123456789",
            "widths": {"rule": "aspect"},
            "lexicons": ["words.txt"],
            "start": None,
        },
        "results": {
            "words": 2000000,
            "seconds": 7200.0,
            "device": "cpu",
            "validation": {"rendered": {"words": 1000}},
            "code": [[0, "abc"]],
            "last": {"loss": 0.1234, "accuracy": {"rendered": 0.9}},
        },
        "host": {"cores": 2, "cpu": "AMD EPYC"},
        "tools": {"torch": "2.13.0"},
    }
    (tmp_path / "training.json").write_text(json.dumps(record))
    (tmp_path / "fonts.json").write_text(json.dumps({"counts": {"usable": 12, "train": 10, "left_out": 3}}))
    return tmp_path


def analysis(folder: Path, dataset: str, deployment: str, correct: int) -> Path:
    path = folder / f"{dataset}.{deployment}.json"
    row = {"trait": "length", "unit": "characters", "group": "at most 3", "samples": 40, "correct": 30}
    content = {
        **{"dataset": dataset, "deployment": deployment, "widths": "aspect", "runtime": "onnxruntime"},
        **{"precision": "fp32", "samples": 100, "accuracy": correct / 100, "accuracy_ci95": [0.7, 0.9]},
        "by_trait": [{**row, "accuracy_ci95": [0.6, 0.85]}],
        "confusions": [{"label": "o", "read": "0", "count": 7}, {"label": "l", "read": "", "count": 2}],
    }
    path.write_text(json.dumps(content))
    return path


def test_a_card_states_what_the_records_say(training: Path) -> None:
    card = model_card("mine", training / "training.json", training / "fonts.json", [])
    for fact in ("# mine", "16,672,074 bytes", "2,000,000 rendered words", "10 font files", "2.0 hours on 2 cores"):
        assert fact in card
    assert "| rendered | 1000 | 90.0 % |" in card
    assert "## Accuracy" not in card


def test_a_card_of_words_seen_again_says_how_often(training: Path) -> None:
    record = json.loads((training / "training.json").read_text())
    record["parameters"]["settings"]["minutes"] = 10
    record["results"]["rendered"] = 800_000
    (training / "training.json").write_text(json.dumps(record))
    card = model_card("mine", training / "training.json", training / "fonts.json", [])
    assert "800,000 rendered words, seen 2.5 times on average" in card


def test_runs_with_the_checkpoint_give_the_card_accuracy_and_weaknesses(training: Path) -> None:
    runs = [analysis(training, "signs", "ort", 81), analysis(training, "signs", "ort-w100", 75)]
    card = model_card("mine", training / "training.json", training / "fonts.json", runs)
    assert "| signs | 100 | aspect | onnxruntime, fp32 | 81.0 % (70.0 to 90.0) |" in card
    assert card.count("## Where it fails on signs") == 1
    assert "| length, characters | at most 3 | 40 | 75.0 % (60 to 85) |" in card
    assert "o → 0 (7), l → ∅ (2)." in card


def test_a_record_of_another_version_is_named(training: Path) -> None:
    record = json.loads((training / "training.json").read_text())
    del record["host"]
    (training / "training.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="host"):
        model_card("mine", training / "training.json", training / "fonts.json", [])
