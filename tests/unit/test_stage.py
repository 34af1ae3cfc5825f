"""What stage commands share: help from the docstring, one-line errors, progress that suits a log."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crnn.core.command import counter, json_object, parser, progress

WORKFLOW = Path(__file__).parents[2] / "workflow"
STAGE = '''"""Count words.

  --words 3
"""
from crnn.core.errors import UserError
from crnn.core.command import LOG, parser, run

def main(args):
    if args.words < 0:
        raise UserError("words.lmdb: holds -1 words; make it again")
    if args.words == 0:
        raise RuntimeError("a fault of the program")
    LOG.info("%d words", args.words)

command = parser(__doc__)
command.add_argument("--words", type=int, required=True)
run(main, command)
'''


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stage") / "count_words.py"
    path.write_text(STAGE)
    return path


def call(stage: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(stage), *options]
    environment = os.environ | {"PYTHONPATH": str(WORKFLOW)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# --- running -----------------------------------------------------------------------------------------------


def test_a_stage_that_succeeds_exits_0_and_logs(stage: Path) -> None:
    done = call(stage, "--words=3")
    assert done.returncode == 0
    assert done.stderr.endswith("INFO 3 words\n")


def test_a_user_error_is_one_line_and_exit_status_1(stage: Path) -> None:
    done = call(stage, "--words=-1")
    assert done.returncode == 1
    assert done.stderr == "error: words.lmdb: holds -1 words; make it again\n"
    assert done.stdout == ""


def test_any_other_exception_keeps_its_traceback(stage: Path) -> None:
    done = call(stage, "--words=0")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("RuntimeError: a fault of the program\n")


def test_help_is_the_docstring_as_it_is_laid_out(stage: Path) -> None:
    done = call(stage, "--help")
    assert done.returncode == 0
    assert "Count words.\n\n  --words 3\n" in done.stdout


# --- arguments ---------------------------------------------------------------------------------------------


def test_a_config_block_arrives_as_a_dict() -> None:
    assert json_object('{"rule": "aspect", "step": 8}') == {"rule": "aspect", "step": 8}


@pytest.mark.parametrize(
    ("text", "complaint"), [("{rule: aspect}", "not JSON"), ("[1]", "got list"), ("3", "got int"), ("", "not JSON")]
)
def test_what_is_no_json_object_is_refused(text: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=complaint):
        json_object(text)
    command = parser("A stage.")
    command.add_argument("--widths", type=json_object)
    with pytest.raises(SystemExit):
        command.parse_args(["--widths", text])
    assert "argument --widths" in capsys.readouterr().err


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
