"""A cascade of two looks with one checkpoint, from the threshold to the report, and what makes it run again."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crnn.data.buckets import at_most
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess
from crnn.inference import Recogniser
from crnn.inference.benchmark import EndToEnd
from crnn.inference.cascade import Cascade
from crnn.inference.combine import combined
from crnn.inference.scheduler import Reader
from crnn.inference.timings import Timings
from crnn.model.weights import write_weights
from crnn.runtimes.registry import find_runtime
from examples import CHARSET, png, put_words, scribble
from networks import SMALL, small_network
from workspace import Workspace, benchmark, small_config

pytestmark = [pytest.mark.dag, pytest.mark.slow]

WIDE = {"rule": "aspect", "stretch": 1.6}
LOOK = {"runtime": "onnxruntime", "widths": "aspect", "models": ["crnn"]}
BOTH = {"cascade": ["first", "second"], "accuracy": 0.9}
SHARPENED = 30
READ = {"first": "aspect/first", "second": "wide/second", "both": "aspect/both"}
OF_ROW = {"combine_readings": 2, **dict.fromkeys(("time_cascade", "score_run", "audit_run"), 1)}
OF_REPORT = {"make_report": 1, "check_budgets": 1}


def sharp_checkpoint(path: Path) -> Path:
    """A small network that is sure of its readings: their confidences differ, and are not all next to nothing."""
    network = small_network()
    for name, tensor in network.state_dict().items():
        if name.startswith("rnn.1.embedding"):
            tensor.mul_(SHARPENED)
    write_weights(network.state_dict(), SMALL, path)
    return path


def labelled_words(folder: Path, checkpoint: Path) -> Path:
    """Scribbles, labelled by what the second look reads."""
    folder.mkdir()
    images = {index: png(scribble(40 + 9 * index, 32, seed=index)) for index in range(1, 25)}
    put_words(folder, len(images), images, {})
    session = find_runtime("torch").load(checkpoint, {}, 1, 1)
    second = Cascade([Reader(Preprocess.from_settings(WIDE), session, CHARSET, at_most(16))])
    found = EndToEnd(folder, second).run(Timings(), 0)
    put_words(folder, len(images), images, {index: text.encode() for index, text, _ in found.rows()})
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The report of a cascade over a dataset in two parts."""
    folder = tmp_path_factory.mktemp("cascade")
    checkpoint = sharp_checkpoint(folder / "sharp.safetensors")
    config = small_config(checkpoint)
    config["datasets"]["sample"]["parts"] = 2
    config["widths"] = {"wide": WIDE}
    config["planning"] = {"lmdb": str(labelled_words(folder / "tuning", checkpoint))}
    others = dict.fromkeys(("torch", "ort", "ort-w100", "ort-recipe"))
    config["deployments"] = {**others, "first": LOOK, "second": {**LOOK, "widths": "wide"}, "both": BOTH}
    config["budgets"] = {"accuracy_drop": 1}
    space = Workspace(folder, config)
    run(space, "report")
    return space


def run(space: Workspace, *targets: str) -> None:
    result = space.run(*targets)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def changed(made: Workspace) -> Iterator[dict[str, Any]]:
    """The workspace's config, to be changed by one test and put back after it."""
    before = deepcopy(made.config)
    yield made.config
    made.config = before


def row(space: Workspace, name: str = "both") -> dict[str, Any]:
    return next(row for row in space.report()["rows"] if row["deployment"] == name)


def predictions(space: Workspace, name: str, dataset: str = "sample") -> pl.DataFrame:
    parts = (space.path / f"results/predictions/{dataset}/crnn/{READ[name]}").glob("*.parquet")
    return pl.concat(map(pl.read_parquet, sorted(parts)))


# --- what it makes -----------------------------------------------------------------------------------------


def test_the_threshold_is_planned_on_the_tuning_words(made: Workspace) -> None:
    plan = json.loads((made.path / "results/builds/crnn/both/cascade.json").read_text())
    members = [predictions(made, name, "tuning") for name in ("first", "second")]
    found = combined(members, plan["threshold"], "last")
    right = (found["text"] == members[1]["text"]).sum()
    assert plan["planned"]["correct"] == right >= 0.9 * 24
    assert 0 < plan["planned"]["handed_on"] == (found["members"] > 1).sum() < 24


def test_its_row_says_how_it_was_planned_and_how_many_words_it_hands_on(made: Workspace) -> None:
    cascade = row(made)["cascade"]
    members = [predictions(made, name) for name in ("first", "second")]
    found = combined(members, cascade["threshold"], "last")
    assert predictions(made, "both").equals(found.drop("members"))
    assert cascade.keys() == {"threshold", "keep", "goal", "planned", "handed_on", "words"}
    assert (cascade["keep"], cascade["goal"], cascade["words"]) == ("last", {"accuracy": 0.9}, 12)
    assert cascade["handed_on"] == (found["members"] > 1).sum() > 0
    assert all("cascade" not in row(made, name) for name in ("first", "second"))


def test_in_one_stream_it_reads_the_same(made: Workspace) -> None:
    assert row(made)["repeat_texts"] == {"e2e_changed": 0, "infer_only_changed": 0}
    texts = made.readings("runs/sample/crnn/both/texts.parquet")
    assert texts.select("index", "text").equals(predictions(made, "both").select("index", "text"))


def test_it_has_no_clock_of_single_calls(made: Workspace) -> None:
    assert row(made)["e2e"]["words"] == 12
    assert row(made)["infer_only"] is None


def test_it_is_audited_against_its_second_look(made: Workspace) -> None:
    audit = row(made)["audit"]
    assert [(edge["from"], edge["to"]) for edge in audit["path"]] == [("second", "build")]
    changed = predictions(made, "both")["text"] != predictions(made, "second")["text"]
    assert audit["flipped"] <= changed.sum()


def test_the_page_says_what_it_hands_on(made: Workspace) -> None:
    page = (made.path / "results/report/index.html").read_text()
    assert f"of the words, under {row(made)['cascade']['threshold']}" in page
    assert "Accuracy against cost" in page


def test_its_bundle_reads_what_the_report_read(made: Workspace) -> None:
    run(made, "results/bundles/crnn/both")
    with (
        Words(made.path / "results/datasets/sample/words.lmdb") as words,
        Recogniser.open(made.path / "results/bundles/crnn/both", threads=2) as recogniser,
    ):
        readings = recogniser.read([word.image or b"" for word in words])
    assert [reading.text for reading in readings] == predictions(made, "both")["text"].to_list()


def test_the_benchmark_reads_what_the_report_read(made: Workspace, tmp_path: Path) -> None:
    told = ["--results", made.path / "results", "--dataset", "sample", "--rows", "crnn/first", "crnn/both", "--peers"]
    benchmark("peers", *told, "--repeats", "2", "--output", tmp_path / "peers.json")
    contestants = json.loads((tmp_path / "peers.json").read_text())["contestants"]
    assert set(contestants) == {"crnn/first", "crnn/both"}
    for name, found in contestants.items():
        reported = row(made, name.removeprefix("crnn/"))
        assert (found["words"], found["correct"]) == (reported["samples"], reported["correct"])
        assert len(found["seconds"]) == 2
        assert found["core_milliseconds"] > 0


# --- what runs again ---------------------------------------------------------------------------------------


def test_nothing_is_left_to_do(made: Workspace) -> None:
    assert made.planned() == {}


def test_another_goal_plans_the_threshold_anew_and_runs_no_member(made: Workspace, changed: dict[str, Any]) -> None:
    changed["deployments"]["both"] = {"cascade": ["first", "second"], "accuracy_drop": 0.5}
    assert made.planned() == {"plan_cascade": 1, **OF_ROW, **OF_REPORT}


def test_another_member_is_read_and_timed(made: Workspace, changed: dict[str, Any]) -> None:
    changed["deployments"]["second"]["batch"] = 4
    jobs = made.planned()
    assert jobs["time_cascade"] == jobs["time_words"] == 1
    assert jobs["predict"] == 3  # of both parts, and of the tuning words
    assert "build_onnxruntime" not in jobs
