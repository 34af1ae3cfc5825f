"""A dataset in parts: a job per part, and the results of a dataset in one piece.

The words are those of the finished workspace, twelve, in three parts; its results are what is compared with.
"""

import json
from pathlib import Path

import polars as pl
import pytest

from crnn.data.sources.soundness import import_words
from workspace import Workspace, small_config

pytestmark = pytest.mark.dag

PARTS = ("1", "2", "3")
READERS = ("torch", "raw", "fixed", "ort")


@pytest.fixture(scope="module")
def parted(finished: Workspace, tmp_path_factory: pytest.TempPathFactory, small_checkpoint: Path) -> Workspace:
    """A working directory in which the report of one deployment over a dataset in parts has been made."""
    path = tmp_path_factory.mktemp("parted")
    import_words(finished.path / "results/datasets/sample/words.lmdb", path / "words")
    config = small_config(small_checkpoint)
    config["datasets"] = {"sample": None, "parted": {"parts": 3, "lmdb": "words"}}
    config["deployments"] = {"torch": None, "ort-w100": None, "ort-recipe": None}
    space = Workspace(path, config)
    result = space.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    return space


def read(space: Workspace, folder: str, file: str = "{}") -> pl.DataFrame:
    """The tables of every part there, one after the other."""
    parts = sorted((space.path / "results" / folder).glob(file.format("[0-9]*")))
    return pl.concat([pl.read_parquet(path) for path in parts])


def test_every_part_was_a_job_and_holds_a_third_of_the_words(parted: Workspace) -> None:
    tensors = parted.path / "results/datasets/parted/tensors/aspect"
    assert sorted(path.name for path in tensors.iterdir()) == list(PARTS)
    for part in PARTS:
        record = json.loads((tensors / part / "tensors.json").read_text())
        assert record["results"]["samples"] == 4


def test_samples_are_those_of_the_whole(parted: Workspace, finished: Workspace) -> None:
    parts = read(parted, "datasets/parted/tensors/aspect", "{}/samples.parquet")
    whole = read(finished, "datasets/sample/tensors/aspect", "{}/samples.parquet")
    assert parts.drop("row").equals(whole.drop("row"))


@pytest.mark.parametrize("reader", READERS)
def test_texts_and_their_order_are_those_of_the_whole(parted: Workspace, finished: Workspace, reader: str) -> None:
    parts = read(parted, f"predictions/parted/crnn/aspect/{reader}", "{}.parquet")
    whole = read(finished, f"predictions/sample/crnn/aspect/{reader}", "{}.parquet")
    assert parts.select("index", "text").equals(whole.select("index", "text"))
    assert (parts["confidence"] - whole["confidence"]).abs().max() <= 1e-5


def test_the_row_of_the_report_is_that_of_the_whole_but_for_the_clocks(parted: Workspace, finished: Workspace) -> None:
    (row,) = parted.report()["rows"]
    whole = next(row for row in finished.report()["rows"] if row["deployment"] == "ort")
    assert row["e2e"]["words"] == whole["e2e"]["words"] == 12
    clocks = {"dataset", "e2e", "infer_only", "cold_seconds", "latency_ms", "host"}
    for each in (row, whole):
        for edge in each["audit"]["path"]:
            assert (edge.pop("max_abs_difference") or 0) <= 1e-5  # of floats, which a batch may round otherwise
    assert {key: row[key] for key in row.keys() - clocks} == {key: whole[key] for key in whole.keys() - clocks}


def test_the_recipe_layout_holds_the_words_of_all_parts(parted: Workspace) -> None:
    target = "results/datasets/parted/recipe_layout/aspect"
    result = parted.run(target)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(list((parted.path / target).glob("test_*.npy"))) == 12


def test_lost_texts_of_a_part_are_read_again_for_that_part_alone(parted: Workspace) -> None:
    lost = parted.path / "results/predictions/parted/crnn/aspect/ort/2.parquet"
    held = lost.read_bytes()
    lost.unlink()
    try:
        assert parted.planned(str(lost.relative_to(parted.path))) == {"predict": 1}
    finally:
        lost.write_bytes(held)
