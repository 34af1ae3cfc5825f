"""A whole run, and one that is cut off and goes on."""

from collections.abc import Generator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from crnn.core.errors import UserError
from crnn.train.loop import Run, load_state, write_log
from crnn.train.settings import TrainingSettings
from crnn.train.stream import Batch, Place
from training import small_run

SETTINGS = TrainingSettings(words=44, batch=4, learning_rate=0.01, validate_words=12)


class PowerCutError(Exception):
    """What a kill does to a run, without its process."""


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]


def cut_off_after(run: Run, steps: int) -> None:
    """Train until `steps` batches were learned from, then die."""

    def until(place: Place) -> Generator[Batch, None, None]:
        yield from islice(whole(place), steps)
        raise PowerCutError

    whole, run.stream = run.stream, until
    with pytest.raises(PowerCutError):
        run.train()


def test_a_run_learns_from_every_full_batch_and_logs_as_it_goes(tmp_path: Path) -> None:
    progress = small_run(SETTINGS, tmp_path).train()
    assert progress.seen == 44
    assert [entry["words"] for entry in progress.history] == [12, 24, 36, 44]
    assert progress.code == [(0, "code")]


@pytest.mark.parametrize("steps", [1, 5, 10])
def test_a_run_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(steps: int, tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    whole = small_run(SETTINGS, undisturbed)
    whole_progress = whole.train()
    cut_off_after(small_run(SETTINGS, disturbed), steps)
    resumed = small_run(SETTINGS, disturbed)
    progress = resumed.train()
    assert without_seconds(progress.history) == without_seconds(whole_progress.history)
    for name, tensor in whole.learner.averaged.state_dict().items():
        assert torch.equal(tensor, resumed.learner.averaged.state_dict()[name]), name


def test_a_run_that_goes_on_with_other_code_says_so(tmp_path: Path) -> None:
    cut_off_after(small_run(SETTINGS, tmp_path, code="before"), 3)
    assert small_run(SETTINGS, tmp_path, code="after").train().code == [(0, "before"), (12, "after")]


def test_a_state_of_another_run_is_not_gone_on_from(tmp_path: Path) -> None:
    cut_off_after(small_run(SETTINGS, tmp_path), 3)
    other = replace(small_run(SETTINGS, tmp_path), identity="another")
    with pytest.raises(UserError, match="belongs to another run"):
        other.train()


def test_a_broken_state_is_named(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    state.write_bytes(b"no state")
    with pytest.raises(UserError, match=r"state\.pt: is not a training state"):
        load_state(state, "identity")


def test_without_a_state_a_run_begins(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.pt", "identity") is None


def test_the_log_is_a_line_of_json_per_entry(tmp_path: Path) -> None:
    write_log([{"words": 12}, {"words": 24}], tmp_path / "log.jsonl")
    assert (tmp_path / "log.jsonl").read_text() == '{"words": 12}\n{"words": 24}\n'
