"""What stage commands share: options that are JSON, progress that suits a log."""

import argparse
from pathlib import Path

import pytest

from crnn.core.command import Command, counter, json_object, named_path, progress

# --- arguments ---------------------------------------------------------------------------------------------


def test_a_config_block_arrives_as_a_dict() -> None:
    assert json_object('{"rule": "aspect", "step": 8}') == {"rule": "aspect", "step": 8}


@pytest.mark.parametrize(
    ("text", "complaint"), [("{rule: aspect}", "not JSON"), ("[1]", "got list"), ("3", "got int"), ("", "not JSON")]
)
def test_what_is_no_json_object_is_refused(text: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=complaint):
        json_object(text)
    command = Command("A stage.")
    command.add_argument("--widths", type=json_object)
    with pytest.raises(SystemExit):
        command.parse_args(["--widths", text])
    assert "argument --widths" in capsys.readouterr().err


def test_a_named_path_has_a_name() -> None:
    assert named_path("sample=results/words.lmdb") == ("sample", Path("results/words.lmdb"))
    assert named_path("torch=a=b.parquet") == ("torch", Path("a=b.parquet"))
    with pytest.raises(argparse.ArgumentTypeError, match=r"'words.lmdb': expected name=path"):
        named_path("words.lmdb")


# --- progress ----------------------------------------------------------------------------------------------


def test_progress_passes_every_item_on() -> None:
    assert list(progress("abc", total=3, what="letters")) == ["a", "b", "c"]


def test_progress_in_a_log_is_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    list(progress(range(300), total=300, what="tensors"))
    log = capsys.readouterr().err
    assert "\r" not in log
    assert log.endswith("\n")
    assert log.splitlines()[-1].startswith("tensors: 300/300 words, ")


def test_a_counter_advances_by_what_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with counter(10, "predict") as bar:
        bar.update(4)
        bar.update(6)
    assert capsys.readouterr().err.splitlines()[-1].startswith("predict: 10/10 words, ")
