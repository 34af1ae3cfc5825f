"""Running a stage by name: help from docstrings, errors for users in one line."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parents[2] / "workflow"
COUNT_WORDS = '''"""Count words.

  --words 3
"""
from crnn.core.errors import UserError
from crnn.core.command import LOG

def arguments(command):
    command.add_argument("--words", type=int, required=True)

def main(args):
    if args.words < 0:
        raise UserError("words.lmdb: holds -1 words; make it again")
    if args.words == 0:
        raise RuntimeError("a fault of the program")
    if args.words == 28:
        raise OSError(28, "No space left on device", "words.lmdb")
    LOG.info("%d words", args.words)
'''


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of stage.py with one stage, `count_words`."""
    folder = tmp_path_factory.mktemp("workflow")
    (folder / "stages" / "test").mkdir(parents=True)
    for package in ("stages", "stages/test"):
        (folder / package / "__init__.py").touch()
    (folder / "stages" / "test" / "count_words.py").write_text(COUNT_WORDS)
    return Path(shutil.copy(WORKFLOW / "stage.py", folder))


def call(runner: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(runner), *options]
    environment = os.environ | {"PYTHONPATH": str(WORKFLOW)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# --- one stage ---------------------------------------------------------------------------------------------


def test_a_stage_that_succeeds_exits_0_and_logs(runner: Path) -> None:
    done = call(runner, "count_words", "--words=3")
    assert done.returncode == 0
    assert done.stderr.endswith("INFO 3 words\n")


def test_a_user_error_is_one_line_and_exit_status_1(runner: Path) -> None:
    done = call(runner, "count_words", "--words=-1")
    assert done.returncode == 1
    assert done.stderr == "error: words.lmdb: holds -1 words; make it again\n"
    assert done.stdout == ""


def test_what_the_machine_refuses_is_one_line_with_a_remedy(runner: Path) -> None:
    done = call(runner, "count_words", "--words=28")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "words.lmdb" in line
    assert "free some space" in line


def test_a_fault_of_the_program_keeps_its_traceback_and_says_where_to_report_it(runner: Path) -> None:
    done = call(runner, "count_words", "--words=0")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    *_, error, last = done.stderr.splitlines()
    assert error == "RuntimeError: a fault of the program"
    assert "error: count_words: this is a fault of the program, not of yours" in last
    assert (WORKFLOW.parent / ".github/ISSUE_TEMPLATE/bug.yml").is_file()


def test_an_environment_that_is_not_utf8_changes_no_argument(runner: Path) -> None:
    options = [sys.executable, str(runner), "grün"]
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(options, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.stderr == "error: stage 'grün': expected one of count_words\n"


def test_help_is_the_docstring_as_it_is_laid_out(runner: Path) -> None:
    done = call(runner, "count_words", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: crnn count_words ")
    assert "Count words.\n\n  --words 3\n" in done.stdout


# --- all stages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("-h",), ("--help",)])
def test_help_lists_every_stage_with_its_first_line(options: tuple[str, ...]) -> None:
    done = call(WORKFLOW / "stage.py", *options)
    assert done.returncode == 0
    listed = [line.strip() for line in done.stdout.splitlines()]
    for path in (WORKFLOW / "stages").glob("*/[!_]*.py"):
        summary = str(ast.get_docstring(ast.parse(path.read_text()))).partition("\n")[0]
        assert f"{path.stem:<20}{summary}" in listed


def test_an_unknown_stage_is_named_with_those_there_are(runner: Path) -> None:
    done = call(runner, "count_wrods")
    assert done.returncode == 1
    assert done.stderr == "error: stage 'count_wrods': expected one of count_words\n"
