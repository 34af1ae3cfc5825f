"""A dataset in shards: a job per shard, the results of a dataset in one piece, and no more work than a change asks for.

The words are those of the finished workspace, twelve, in shards of five; its results are what is compared with.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import lmdb
import polars as pl
import pytest

from crnn.data.lmdb import copy_words
from workspace import Workspace, small_config

pytestmark = [pytest.mark.dag, pytest.mark.xdist_group("dag")]

TENSORS = Path("results/datasets/parts/tensors/aspect")
REFERENCES = Path("results/references/parts/crnn/aspect")
RUN = Path("results/runs/parts/crnn/ort")
SHARDS = ["000000001-000000005", "000000006-000000010", "000000011-000000012"]

AFTER_TENSORS = {"merge_tensors", "check_batching", "time_words", "score_run", "audit_run"}
AFTER_TEXTS = {"merge_predictions", "merge_reference", "merge_proofs", "make_report", "check_budgets"}
OF_SHARD = {"predict_words_of_shard", "predict_reference_of_shard", "prove_words_of_shard"}
ONE_SHARD = dict.fromkeys({"make_tensors_of_shard"} | OF_SHARD | AFTER_TENSORS | AFTER_TEXTS, 1)


@pytest.fixture(scope="module")
def parts(finished: Workspace, tmp_path_factory: pytest.TempPathFactory, small_checkpoint: Path) -> Workspace:
    """A working directory in which the report of one deployment over a dataset in shards has been made."""
    path = tmp_path_factory.mktemp("parts")
    copy_words(finished.path / "results/datasets/sample/words.lmdb", path / "words")
    config = small_config(small_checkpoint)
    config["datasets"] = {"sample": None, "parts": {"shard_words": 5, "lmdb": "words"}}
    config["deployments"] = {"torch": None, "ort-w100": None, "ort-recipe": None}
    space = Workspace(path, config)
    result = space.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    return space


@pytest.fixture
def changed(parts: Workspace) -> Iterator[dict[str, Any]]:
    """The workspace's config, to be changed by one test and put back after it."""
    before = deepcopy(parts.config)
    yield parts.config
    parts.config.clear()
    parts.config.update(before)


@pytest.fixture
def without(parts: Workspace) -> Iterator[Any]:
    """Takes files away for one test and puts them back after it."""
    taken: dict[Path, bytes] = {}

    def take(path: Path) -> None:
        taken[parts.path / path] = (parts.path / path).read_bytes()
        (parts.path / path).unlink()

    yield take
    for path, content in taken.items():
        path.write_bytes(content)


def of_whole(path: Path) -> Path:
    """Where the finished workspace has what `path` is in the dataset in shards."""
    return Path(*("sample" if part == "parts" else part for part in path.parts))


# --- equal to a dataset in one piece ---------------------------------------------------------------------------


def test_every_shard_was_a_job_and_left_a_folder(parts: Workspace) -> None:
    for folder in (TENSORS, REFERENCES, RUN):
        assert sorted(path.name for path in (parts.path / folder / "shards").iterdir()) == SHARDS


def test_samples_are_byte_for_byte_those_of_the_whole(parts: Workspace, finished: Workspace) -> None:
    samples = TENSORS / "samples.parquet"
    assert (parts.path / samples).read_bytes() == (finished.path / of_whole(samples)).read_bytes()


@pytest.mark.parametrize(
    "path", [RUN / "predictions.parquet", *(REFERENCES / f"{stage}.parquet" for stage in ("torch", "raw", "fixed"))]
)
def test_texts_and_their_order_are_those_of_the_whole(parts: Workspace, finished: Workspace, path: Path) -> None:
    joined, whole = pl.read_parquet(parts.path / path), pl.read_parquet(finished.path / of_whole(path))
    assert joined.select("index", "text").equals(whole.select("index", "text"))
    assert (joined["confidence"] - whole["confidence"]).abs().max() <= 1e-5


def test_the_row_of_the_report_is_that_of_the_whole_but_for_the_clocks(parts: Workspace, finished: Workspace) -> None:
    (joined,) = parts.report()["rows"]
    whole = next(row for row in finished.report()["rows"] if row["deployment"] == "ort")
    assert joined["e2e"]["words"] == whole["e2e"]["words"] == 12
    clocks = {"dataset", "e2e", "infer_only", "cold_seconds", "latency_ms", "host"}
    for row in (joined, whole):
        for edge in row["audit"]["path"]:
            assert (edge.pop("max_abs_difference") or 0) <= 1e-5  # of floats, which a batch may round otherwise
    assert {key: joined[key] for key in joined.keys() - clocks} == {key: whole[key] for key in whole.keys() - clocks}


def test_records_name_every_shard(parts: Workspace) -> None:
    for path in (TENSORS / "tensors.json", RUN / "predictions.json", REFERENCES / "words.json"):
        assert list(json.loads((parts.path / path).read_text())["results"]["shards"]) == SHARDS


def test_the_recipe_layout_can_be_written_from_shards(parts: Workspace) -> None:
    target = "results/datasets/parts/recipe_layout/aspect"
    result = parts.run(target)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(list((parts.path / target).glob("test_*.npy"))) == 12


# --- what reruns -----------------------------------------------------------------------------------------------


def test_nothing_changed(parts: Workspace) -> None:
    assert parts.planned() == {}


def test_lost_texts_of_a_shard_are_read_again_for_that_shard(parts: Workspace, without: Any) -> None:
    without(RUN / "predictions.parquet")
    without(RUN / "shards" / SHARDS[1] / "predictions.parquet")
    planned = parts.planned(str(RUN / "predictions.parquet"))
    assert planned == {"predict_words_of_shard": 1, "merge_predictions": 1}


def test_lost_tensors_of_a_shard_are_made_again_for_that_shard(parts: Workspace, without: Any) -> None:
    without(TENSORS / "contract.json")
    without(TENSORS / "shards" / SHARDS[2] / "contract.json")
    planned = parts.planned(str(TENSORS / "contract.json"))
    assert planned == {"make_tensors_of_shard": 1, "merge_tensors": 1}


def test_an_interrupted_run_keeps_the_shards_it_finished(parts: Workspace, without: Any) -> None:
    for folder in (RUN, RUN / "shards" / SHARDS[0], RUN / "shards" / SHARDS[1]):
        without(folder / "predictions.parquet")
        without(folder / "predictions.json")
    planned = parts.planned(str(RUN / "predictions.parquet"))
    assert planned == {"predict_words_of_shard": 2, "merge_predictions": 1}


def test_another_deployment_reads_the_shards_that_are_there(parts: Workspace, changed: dict[str, Any]) -> None:
    changed["deployments"]["ort-8"] = {"runtime": "onnxruntime", "widths": "aspect", "batch": 8}
    planned = parts.planned()
    assert planned["predict_words_of_shard"] == 3
    assert not {"make_tensors_of_shard", "merge_tensors", "prove_words_of_shard", "plan_shards"} & planned.keys()


def test_another_size_plans_anew(parts: Workspace, changed: dict[str, Any]) -> None:
    changed["datasets"]["parts"]["shard_words"] = 6
    assert parts.planned()["plan_shards"] == 1


def test_a_changed_label_makes_its_own_shard_again(parts: Workspace) -> None:
    with lmdb.open(str(parts.path / "words"), map_size=1 << 26) as words, words.begin(write=True) as transaction:
        before = transaction.replace(b"label-000000007", b"changed")
    assert before is not None
    assert parts.planned() == dict.fromkeys(
        {"import_lmdb", "plan_shards", "make_report", "check_budgets"} | AFTER_TENSORS | AFTER_TEXTS, 1
    )  # what the shards need is known once they are planned
    result = parts.run("results/datasets/parts/shards.json")
    assert result.returncode == 0, result.stdout + result.stderr
    planned = parts.planned()
    assert {rule: planned[rule] for rule in ONE_SHARD} == ONE_SHARD
