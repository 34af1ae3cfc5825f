"""The stages from tensors to verdict, each called as its rule calls it, on thirteen words and a runtime of one test.

The runtime is a folder that the test adds to `crnn.runtimes`, as a new device would be.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from crnn.core.command import Command
from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256
from examples import CHARACTERS, CONTRACT, SIZES, png, put_words, read_alone, scribble
from stage import load
from stage_calls import added_runtime, call
from stages.arguments import add_runtime_arguments, add_tensor_arguments, opened_session

WORKFLOW = Path(__file__).parents[2] / "workflow"
SESSION = """
from examples import PixelReader


def load(model, options, threads, calls=1):
    runtime = PixelReader()
    runtime.close = lambda: (model.parent / "closed").touch()
    return runtime
"""
LABELS = json.dumps({"characters": CHARACTERS})
MISLABELLED, CORRUPT = 2, 13


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a runtime that reads pixels with no network, and leaves a file that tells when it was closed."""
    with added_runtime(tmp_path_factory.mktemp("runtimes"), "columns", SESSION) as name:
        yield name


@dataclass
class Chain:
    """The files of one run, in one folder."""

    root: Path
    model: dict[str, object]

    def path(self, name: str) -> Path:
        return self.root / name

    def json(self, name: str) -> Any:
        return read_json(self.root / name)

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.root / name)


def thirteen_words(directory: Path) -> Path:
    """Words labelled as the runtime reads them, one of them wrongly, and one whose image is cut off."""
    images = {i: png(scribble(*size, seed=i)) for i, size in enumerate(SIZES, 1)}
    labels = {i: read_alone(i).upper().encode() for i in images} | {MISLABELLED: b"wrong", CORRUPT: b"lost"}
    return put_words(directory, 13, {**images, CORRUPT: images[1][:50]}, labels)


@pytest.fixture(scope="module")
def chain(columns: str, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Every stage of a run, in the order of the workflow, up to its audit."""
    root = tmp_path_factory.mktemp("chain")
    words, widths = thirteen_words(root / "words.lmdb"), '{"rule": "aspect"}'
    (root / "build").mkdir()
    (root / "build/model.bin").touch()
    CONTRACT.write(root / "contract.json")
    call("make_tensors", words=words, widths=widths, labels=LABELS, output=root / "t", record=root / "tensors.json")
    common = {"tensors": root / "t", "widths": widths, "contract": root / "contract.json"}
    model = {**common, "model": root / "build/model.bin", "runtime": columns, "options": "{}", "threads": 1}
    predictions, samples = root / "predictions.parquet", root / "t" / "samples.parquet"
    call("predict", **model, batch=4, output=predictions, record=root / "predictions.json")
    sizes = {"sizes": "[1, 3]", "words": 8}
    call("check_batching", **model, predictions=predictions, **sizes, output=root / "batching.json")
    measure = '{"passes": 2, "warmup": 3, "words": 99, "batch": 4}'
    timings = {"output": root / "timings.parquet", "texts": root / "texts.parquet", "record": root / "timings.json"}
    call("time_words", **model, words=words, measure=measure, **timings)
    run = {"run": '{"dataset": "thirteen", "model": "none", "deployment": "columns"}', "labels": LABELS}
    read = {"samples": samples, "predictions": predictions, "batching": root / "batching.json"}
    timed = {"timings": timings["output"], "texts": timings["texts"], "timing_record": timings["record"]}
    call("score_run", **run, **read, **timed, output=root / "run.json")
    return Chain(root, model)


# --- what each stage leaves ----------------------------------------------------------------------------------


def test_make_tensors_records_what_became_of_the_words(chain: Chain) -> None:
    record = chain.json("tensors.json")
    assert record["results"] == {"samples": 13, "statuses": {"corrupt-image": 1, "ok": 12}}
    assert record["inputs"][str(chain.path("words.lmdb") / "data.mdb")]["bytes"] > 0
    assert {Path(path).name for path in record["outputs"]} == {"samples.parquet", "contract.json"}


def test_predict_writes_a_row_per_record(chain: Chain) -> None:
    predictions = chain.table("predictions.parquet")
    assert predictions["text"].to_list() == [*[read_alone(index) for index in range(1, 13)], None]
    record = chain.json("predictions.json")
    facts = record["outputs"][str(chain.path("predictions.parquet"))]
    assert facts["sha256"] == sha256(chain.path("predictions.parquet"))
    assert record["results"]["runtime"] == {"device": "columns", "simulated": True}


def test_check_batching_says_what_it_read_again(chain: Chain) -> None:
    assert chain.json("batching.json") == {"sizes": [1, 3], "words": 8, "changed": []}


def test_time_words_times_and_keeps_what_it_read(chain: Chain) -> None:
    assert set(chain.table("timings.parquet")["phase"]) == {"cold", "e2e", "e2e_total", "infer_only"}
    assert chain.table("texts.parquet").height == 2 * 2 * 12
    assert chain.json("timings.json")["parameters"]["measure"]["passes"] == 2


def test_batching_and_times_are_those_of_all_parts(chain: Chain, tmp_path: Path) -> None:
    words, widths = chain.path("words.lmdb"), {"widths": '{"rule": "aspect"}'}
    parts = [tmp_path / str(number) for number in (1, 2)]
    for part in parts:
        call(
            "make_tensors", words=words, **widths, labels=LABELS, part=f"{part.name}/2", output=part, record=part / "r"
        )
        read = {"output": part / "p.parquet", "record": part / "p.json"}
        call("predict", **{**chain.model, "tensors": part}, **read)
    model = {**chain.model, "tensors": tuple(parts)}
    predictions = tuple(part / "p.parquet" for part in parts)
    call("check_batching", **model, predictions=predictions, sizes="[2]", words=9, output=tmp_path / "batching.json")
    assert read_json(tmp_path / "batching.json") == {"sizes": [2], "words": 9, "changed": []}
    measure = '{"passes": 1, "warmup": 0, "words": 99, "batch": 4}'
    timings = {"output": tmp_path / "t.parquet", "texts": tmp_path / "x.parquet", "record": tmp_path / "t.json"}
    call("time_words", **model, words=words, measure=measure, **timings)
    assert pl.read_parquet(tmp_path / "t.parquet").filter(phase="infer_only").height == 12
    assert {Path(path).parent for path in read_json(tmp_path / "t.json")["inputs"]} == {words, chain.root, *parts}


def test_score_run_makes_the_row_of_the_report(chain: Chain) -> None:
    row = chain.json("run.json")
    assert (row["samples"], row["correct"], row["unscorable"]) == (13, 11, 1)
    assert (row["dataset"], row["deployment"]) == ("thirteen", "columns")
    assert (row["device"], row["simulated"]) == ("columns", True)
    assert row["e2e"]["words"] == 13
    assert row["infer_only"]["words"] == 12
    assert set(row["latency_ms"]) == {"p50", "p90", "p99"}
    assert row["cold_seconds"] > 0
    assert row["batching"] == {"sizes": [1, 3], "words": 8, "changed": 0}
    assert row["repeat_texts"] == {"e2e_changed": 0, "infer_only_changed": 0}


def test_the_device_is_released(chain: Chain) -> None:
    assert chain.path("build/closed").exists()


def test_the_device_is_released_when_the_stage_fails(columns: str, tmp_path: Path) -> None:
    command = Command("A stage.")
    add_tensor_arguments(command)
    add_runtime_arguments(command)
    args = command.read(
        [f"--tensors={tmp_path}", "--widths={}", "--contract=c", f"--model={tmp_path}/m", f"--runtime={columns}"]
    )

    def fail() -> None:
        with opened_session(args, args.model):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "closed").exists()


def test_write_recipe_layout_writes_what_other_tools_read(chain: Chain, tmp_path: Path) -> None:
    call("write_recipe_layout", tensors=chain.path("t"), widths='{"rule": "aspect"}', output=tmp_path / "layout")
    lines = (tmp_path / "layout" / "label.txt").read_text().splitlines()
    assert len(lines) == 12
    for line in lines:
        name, _, label = line.partition(":")
        assert np.load(tmp_path / "layout" / name).shape[:3] == (1, 1, 32)
        assert label == label.lower()


# --- what stops a stage --------------------------------------------------------------------------------------


def test_tensors_made_by_another_rule_stop_a_run(chain: Chain, tmp_path: Path) -> None:
    other = {**chain.model, "widths": '{"rule": "fixed"}', "output": tmp_path / "p", "record": tmp_path / "r"}
    with pytest.raises(UserError, match=r"contract.json: rule is"):
        call("predict", **other)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_no_lmdb_stops_make_tensors_with_one_line(tmp_path: Path) -> None:
    paths = {"words": tmp_path / "absent", "output": tmp_path / "t", "record": tmp_path / "r"}
    settings = {"widths": '{"rule": "aspect"}', "labels": LABELS}
    options = [f"--{name}={value}" for name, value in {**paths, **settings}.items()]
    command = [sys.executable, str(WORKFLOW / "stage.py"), "make_tensors", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'absent'}: is not an LMDB folder (no data.mdb in it)\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "make_tensors",
        "write_recipe_layout",
        "predict",
        "check_batching",
        "time_words",
        "score_run",
    ],
)
def test_help_is_the_docstring_and_every_option_is_in_it(name: str) -> None:
    _, command = load(name)
    text = command.format_help()
    assert str(command.description).strip() in text
    assert "--output" in text
