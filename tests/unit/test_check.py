"""The check without Snakemake: whose words it reads, and that the file to attach names no place."""

from pathlib import Path
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from configs import shipped, with_defaults
from crnn.core.files import write_json
from crnn.report.check import ABSENT, CheckedRow, failure_of, without_paths, write_check
from engine.check import with_check

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_.-", min_size=1).filter(lambda name: name.strip("."))


def test_rendered_words_take_the_place_of_the_users() -> None:
    mine = {"datasets": {"mine": {"lmdb": "data/mine_lmdb"}}, "calibration": {"lmdb": "data/calibration_lmdb"}}
    config = with_check(with_defaults(shipped(mine, {"check": {"words": 7}})))
    assert config["datasets"] == {"check": {"sample": {"words": 7, "seed": 1}}}
    assert "lmdb" not in config["calibration"]


def test_a_config_without_a_check_stays_as_it_is() -> None:
    config = with_defaults(shipped())
    assert with_check(config) is config


@given(st.lists(NAMES, min_size=1), NAMES, st.sampled_from(["/", "~/", "~me/", "../"]), st.sampled_from(" '\"=:,["))
def test_a_path_loses_its_folders_wherever_it_stands(folders: list[str], name: str, start: str, before: str) -> None:
    assert without_paths(f"of{before}{start}{'/'.join([*folders, name])} it") == f"of{before}…/{name} it"


def test_what_is_no_path_of_the_machine_stays() -> None:
    text = "see docs/nvidia.md and https://pypi.nvidia.com/tensorrt, 1/2 and/or results/builds/crnn/om/model.om"
    assert without_paths(text) == text


def test_a_folder_with_a_blank_in_its_name_is_hidden_too(tmp_path: Path) -> None:
    assert without_paths(f"in {Path.home()}/logs") == "in …/logs"


def job(step: str, log: Path, command: str = "") -> SimpleNamespace:
    """A job, as Snakemake has it."""
    return SimpleNamespace(rule=SimpleNamespace(name=step), log=[str(log)], shellcmd=command)


def test_a_job_that_was_not_run_is_not_called_failed(tmp_path: Path) -> None:
    step, said = failure_of(job("predict", tmp_path / "none.log"))
    assert step == "predict (not run)"
    assert "run again with --keep-going" in said


def test_the_last_lines_of_a_log_are_told(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("".join(f"line {number}\n" for number in range(30)) + "\x1b[31merror: no driver\n")
    step, said = failure_of(job("predict", log, "crnn predict \\\n    --model x"))
    command, first, *_, last = said.splitlines()
    assert (step, command, first, last) == ("predict", "crnn predict --model x", "line 11", "[31merror: no driver")


def test_too_many_changed_words_are_the_fault_of_what_read_them(tmp_path: Path) -> None:
    edge = {"from": "fixed", "to": "build", "samples": 60, "flipped": 4, "fixed": 0, "broken": 4}
    audit = tmp_path / "audit.json"
    write_json(audit, {"path": [{**edge, "from": "torch", "to": "fixed", "flipped": 9}, edge]})
    row = CheckedRow.read("om", {"audit": [str(audit)]}, [])
    assert row.cells({"flipped": 0.07})[-1] == ABSENT
    cells = row.cells({"flipped": 0.05})
    assert (cells[3], cells[-1]) == ("4 of 60", "predict")


def test_the_file_says_what_failed_and_has_no_host_name(tmp_path: Path) -> None:
    rows = [CheckedRow("om", {}, [("build_ascend", "crnn /opt/x/y")]), CheckedRow("ort", {}, [])]
    told = write_check(rows, {}, {"CANN": "8.0"}, tmp_path / "check.md")
    assert told.startswith("1 of 2 rows failed the check: om;")
    text = (tmp_path / "check.md").read_text()
    assert "## build_ascend: om\n\n````text\ncrnn …/y\n" in text
    assert "CANN: 8.0" in text
    assert "\nname: " not in text
