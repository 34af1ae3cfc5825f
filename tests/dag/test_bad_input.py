"""Bad data is counted or refused in one line; it never crashes a run and never disappears."""

import os
import re
from pathlib import Path

import lmdb
import polars as pl
import pytest

from crnn.data.lmdb import Words
from workspace import Workspace

pytestmark = pytest.mark.dag


def damaged(words: Path, directory: Path) -> Path:
    """A copy of an LMDB with a truncated image, a missing label, a zero-byte record and two records too few."""
    with Words(words) as reader:
        records = {word.index: (word.image, word.label) for word in reader}
    directory.mkdir()
    with lmdb.open(str(directory), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for index, (image, label) in records.items():
            assert image is not None
            assert label is not None
            stored = {1: image[: len(image) // 2], 3: b""}.get(index, image)
            transaction.put(b"image-%09d" % index, stored)
            if index != 2:
                transaction.put(b"label-%09d" % index, label)
        transaction.put(b"num-samples", b"%d" % (len(records) + 2))
    return directory


def test_a_damaged_dataset_is_scored_as_far_as_it_goes(
    finished: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    source = damaged(finished.path / "results/datasets/sample/words.lmdb", tmp_path / "damaged")
    workspace.config["datasets"] = {"sample": None, "damaged": {"lmdb": str(source)}}
    workspace.config["deployments"] = {"torch": None, "ort-w100": None, "ort-recipe": None}
    result = workspace.run("report")
    assert result.returncode == 0, result.stdout + result.stderr

    (row,) = workspace.report()["rows"]
    assert row["samples"] == 14
    assert row["unscorable"] == 5
    assert row["statuses"] == {"corrupt-image": 1, "missing-image": 3, "missing-label": 1, "ok": 9}

    samples = pl.read_parquet(workspace.path / "results/datasets/damaged/tensors/aspect/1/samples.parquet")
    assert samples["index"].to_list() == list(range(1, 15))
    page = (workspace.path / "results/report/index.html").read_text()
    assert all(status in page for status in ("corrupt-image", "missing-image", "missing-label"))


def faults(workspace: Workspace) -> list[str]:
    """The lines a user is meant to read."""
    result = workspace.run("report")
    assert result.returncode != 0
    assert "Traceback" not in result.stdout + result.stderr
    return [line for line in (result.stdout + result.stderr).splitlines() if re.match(r"\s*(error:|- )", line)]


def test_a_path_that_is_no_lmdb(workspace: Workspace, tmp_path: Path) -> None:
    workspace.config["datasets"] = {"sample": None, "mine": {"lmdb": str(tmp_path / "nothing")}}
    (line,) = faults(workspace)
    assert "datasets.mine.lmdb" in line
    assert "expected an LMDB folder" in line


def test_an_empty_lmdb(workspace: Workspace, tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "empty")):
        pass
    workspace.config["datasets"] = {"sample": None, "mine": {"lmdb": str(tmp_path / "empty")}}
    (line,) = faults(workspace)
    assert "num-samples" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file; tests/unit covers it without root's rights")
def test_an_lmdb_that_may_not_be_read(finished: Workspace, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    source = finished.path / "results/datasets/sample/words.lmdb/data.mdb"
    secret = tmp_path / "secret/data.mdb"
    secret.write_bytes(source.read_bytes())
    secret.chmod(0)
    workspace.config["datasets"] = {"sample": None, "mine": {"lmdb": str(tmp_path / "secret")}}
    (line,) = faults(workspace)
    assert "no permission" in line


def test_config_faults_are_listed_together(workspace: Workspace) -> None:
    workspace.config["deployments"] = {
        "fast": {"runtime": "trt", "widths": "aspect"},
        "wide": {"runtime": "onnxruntime", "widths": "aspekt"},
    }
    lines = faults(workspace)
    assert any("deployments.fast.runtime is 'trt'" in line and "onnxruntime" in line for line in lines)
    assert any("deployments.wide.widths is 'aspekt'" in line and "aspect" in line for line in lines)


def test_a_typing_error_in_a_key_is_named(workspace: Workspace) -> None:
    workspace.config["models"]["crnn"]["opsett"] = 13
    (line,) = faults(workspace)
    assert "models.crnn: unknown key 'opsett'" in line
    assert "opset" in line.partition("allowed:")[2]


def test_an_exceeded_budget_fails_the_run_and_leaves_the_report(finished: Workspace) -> None:
    # No row can flip fewer than no words, so the check is made to fail on a row that says it flipped one. (An audit has
    # no record; an edit of report.json would be undone.)
    audit = finished.path / "results/runs/sample/crnn/ort/audit.json"
    text = audit.read_text()
    try:
        audit.write_text(text.replace('"flipped": 0', '"flipped": 1'))
        result = finished.run("report")
        assert result.returncode != 0
        assert "budgets.flipped" in result.stdout + result.stderr
        assert (finished.path / "results/report/index.html").is_file()
    finally:
        audit.write_text(text)
        assert finished.run("report").returncode == 0


def test_what_yaml_makes_of_a_config_is_said_before_the_first_job(workspace: Workspace) -> None:
    workspace.config["datasets"] = {"sample": None, False: {"lmdb": "words"}, 2013: {"lmdb": "words"}}
    lines = faults(workspace)
    assert any("datasets.false is no name for YAML, but of type bool" in line for line in lines)
    assert any("datasets.2013" in line and "put it in quotes" in line for line in lines)


def test_a_key_that_stands_twice_in_a_file_is_named(workspace: Workspace) -> None:
    twice = workspace.path / "twice.yaml"
    twice.write_text("datasets:\n  one: {lmdb: a}\ndatasets:\n  two: {lmdb: b}\n", encoding="utf-8")
    result = workspace.run("report", "--configfile", str(twice))
    assert result.returncode != 0
    assert f"datasets is in line 1 of {twice} and again in line 3" in result.stdout + result.stderr


def test_a_trailing_slash_makes_nothing_again(finished: Workspace, workspace: Workspace, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.symlink_to(finished.path / "results/datasets/sample/words.lmdb")
    target = "results/datasets/mine/words.lmdb/data.mdb"
    workspace.config["datasets"] = {"sample": None, "mine": {"lmdb": str(words)}}
    assert workspace.run(target).returncode == 0
    workspace.config["datasets"]["mine"] = {"lmdb": f"{words}/"}
    assert workspace.planned(target) == {}
