"""Starts: the first answer and the memory of a deployment, with runtimes in which a fault is planted."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.core.record import age_seconds, peak_mib, resident_mib
from crnn.data.lmdb import Words
from crnn.inference.starts import Start, summarise
from crnn.model.contract import Contract
from crnn.model.export import export_onnx
from examples import ASPECT, CHARSET, healthy_words, png, put_words, read_alone, scribble
from networks import small_network
from stage_calls import added_runtime, call

CONTRACT = Contract(CHARSET)
SESSION = """
import time

import numpy as np

from examples import PixelReader


class Faulty(PixelReader):
    def __init__(self, leak, slow):
        super().__init__()
        self._leak, self._slow, self._held = leak, slow, []

    def infer(self, images):
        if images.shape[3] == self._slow and images.shape not in self.shapes:
            time.sleep(0.1)
        self._held.append(np.ones(self._leak * 2**17))
        return super().infer(images)

    def close(self):
        pass


def load(model, options, threads, calls=1):
    return Faulty(**{"leak": 0, "slow": 0, **options})
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A runtime whose options plant a leak (MiB a call), or a slow first call at a width."""
    with added_runtime(tmp_path_factory.mktemp("runtimes"), "faulty", SESSION) as name:
        yield name


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return healthy_words(tmp_path / "words.lmdb")


def started(words: Path, runtime: str, **options: int) -> dict[str, Any]:
    """The parts of a report row after one start, in this process."""
    start = Start(words, ASPECT, CONTRACT, runtime, words, options, threads=1, calls=1, batch=4, limit=99)
    return summarise([start.observe(words.parent)])


def test_a_leak_shows_as_growth_from_pass_to_pass(words: Path, faulty: str) -> None:
    calls = 7  # of a pass: twelve words, at most four of one width in a call
    assert started(words, faulty, leak=1)["memory_mib"]["growth_per_pass"] == pytest.approx(calls, rel=0.3)
    assert started(words, faulty)["memory_mib"]["growth_per_pass"] < 1


def test_a_slow_first_call_is_named_with_its_width(words: Path, faulty: str) -> None:
    slowest = started(words, faulty, slow=400)["first_answer"]["slowest_width"]
    assert slowest["width"] == 400
    assert slowest["first_ms"] > 100 > slowest["later_ms"]


def test_every_width_is_called_first_and_again(words: Path, faulty: str) -> None:
    with Words(words) as opened:
        widths = {ASPECT.resize(ASPECT.decode(word.image)).shape[2] for word in opened}
    first = started(words, faulty)["first_answer"]
    assert {each["width"] for each in first["widths"]} == widths
    assert first["cold_seconds"] == pytest.approx(sum(first["steps"].values()))


def test_words_that_cannot_be_read_stop_a_start(faulty: str, tmp_path: Path) -> None:
    words = put_words(tmp_path / "cut.lmdb", 1, {1: png(scribble(60, 20))[:50]}, {1: b"cut"})
    with pytest.raises(UserError, match="none of the first 99 words has a readable image"):
        started(words, faulty)


def test_starts_are_fresh_processes_that_read_the_first_word(words: Path, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    model = tmp_path / "build/model.onnx"
    export_onnx(small_network(), CONTRACT, model)
    CONTRACT.write(tmp_path / "contract.json")
    (tmp_path / "build/build.json").write_text(json.dumps({"peak_mib": 123.4}))
    call(
        "measure_starts",
        **{"words": words, "widths": '{"rule": "aspect"}', "contract": tmp_path / "contract.json", "measure": 2},
        **{"model": model, "runtime": "onnxruntime"},
        **{"output": tmp_path / "starts.json", "record": tmp_path / "record.json"},
    )
    found = read_json(tmp_path / "starts.json")
    memory, first = found["memory_mib"], found["first_answer"]
    assert len(found["starts"]) == 2
    assert found["starts"][0]["text"] == found["starts"][1]["text"]
    assert memory["build"] == 123.4
    assert 0 < memory["base"] < memory["load"] <= memory["run"]
    assert memory["device"] is None
    assert 0 < first["cold_seconds"] < age_seconds()
    assert first["cached_seconds"] > 0


def test_a_process_knows_its_memory_and_age() -> None:
    assert 0 < resident_mib() <= peak_mib()
    assert 0 < age_seconds() < 24 * 3600
    held = bytearray(os.urandom(1)) * (64 * 2**20)
    assert peak_mib() > 64
    del held


def test_the_text_of_a_start_is_that_of_the_first_word(words: Path, faulty: str) -> None:
    start = Start(words, ASPECT, CONTRACT, faulty, words, {}, threads=1, calls=1, batch=4, limit=99)
    assert start.observe(words.parent)["text"] == read_alone(1)
