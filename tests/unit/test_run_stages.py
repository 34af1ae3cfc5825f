"""The stages from tensors to verdict, each called as its rule calls it, on thirteen words and a runtime of one test.

The runtime is a folder that the test adds to `crnn.runtimes`, as a new device would be.
"""

import argparse
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

from crnn.core.command import parser
from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256, write_json
from examples import CHARSET, SIZES, png, put_words, read_alone, scribble
from stage_calls import added_runtime, call, stage_module
from stages.arguments import add_runtime_arguments, add_tensor_arguments, opened_session

WORKFLOW = Path(__file__).parents[2] / "workflow"
SESSION = """
from examples import PixelReader


def load(model, options, threads, calls=1):
    runtime = PixelReader()
    runtime.close = lambda: (model.parent / "closed").touch()
    return runtime
"""
LABELS = json.dumps({"characters": CHARSET.characters})
MISLABELLED, CORRUPT = 2, 13
BUDGETS = {"accuracy_drop": 0, "flipped": 0, "changed_by_batching": 0, "changed_by_repeating": 0}


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
    call("make_tensors", words=words, widths=widths, labels=LABELS, output=root / "t", record=root / "tensors.json")
    common = {"tensors": root / "t", "widths": widths, "charset": CHARSET.characters}
    model = {**common, "model": root / "build/model.bin", "runtime": columns, "options": "{}", "threads": 1}
    predictions, samples = root / "predictions.parquet", root / "t" / "samples.parquet"
    call("predict_words", **model, batch=4, output=predictions, record=root / "predictions.json")
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


def test_predict_words_writes_a_row_per_record(chain: Chain) -> None:
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
    command = parser("A stage.")
    add_tensor_arguments(command)
    add_runtime_arguments(command)
    args = command.parse_args(
        [f"--tensors={tmp_path}", "--widths={}", "--charset=a", f"--model={tmp_path}/m", f"--runtime={columns}"]
    )

    def fail() -> None:
        with opened_session(args):
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


# --- audit and budgets -----------------------------------------------------------------------------------------


def audited(chain: Chain, directory: Path, **misread: int) -> dict[str, Any]:
    """Audit torch → raw → fixed → build, where a named stage misreads one word. Returns audit.json."""
    read = chain.table("predictions.parquet")
    stages = []
    for name in ("torch", "raw", "fixed", "build"):
        text = pl.when(pl.col("index") == misread.get(name, 0)).then(pl.lit("misread")).otherwise("text")
        read.with_columns(text=text).write_parquet(directory / f"{name}.parquet")
        stages.append(f"--stage={name}={directory / name}.parquet")
    write_json(directory / "proof.json", {"max_abs_difference": 2e-6})
    files = {"samples": chain.path("t/samples.parquet"), "labels": LABELS, "proof": directory / "proof.json"}
    files |= {"output": directory / "audit.json", "flips": directory / "audit.parquet"}
    module = stage_module("audit_run")
    module.main(module.arguments().parse_args([*stages, *(f"--{name}={value}" for name, value in files.items())]))
    summary: dict[str, Any] = read_json(directory / "audit.json")
    return summary


def test_audit_run_gives_a_lost_word_its_address(chain: Chain, tmp_path: Path) -> None:
    summary = audited(chain, tmp_path, build=5)
    assert (summary["reference"], summary["flipped"], summary["broken"]) == ("torch", 1, 1)
    flips = pl.read_parquet(tmp_path / "audit.parquet")
    assert flips.select("index", "from", "to", "text_from", "text_to", "kind").rows() == [
        (5, "fixed", "build", read_alone(5), "misread", "broken")
    ]


def test_audit_run_puts_the_proof_on_the_edge_it_is_about(chain: Chain, tmp_path: Path) -> None:
    differences = [edge["max_abs_difference"] for edge in audited(chain, tmp_path)["path"]]
    assert differences == [None, 2e-6, None]


def test_audit_run_refuses_a_stage_without_a_name() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"'torch.parquet': expected name=path"):
        stage_module("audit_run").named_path("torch.parquet")


def test_audit_run_needs_something_to_compare(chain: Chain, tmp_path: Path) -> None:
    stage = f"torch={chain.path('predictions.parquet')}"
    outputs = {"output": tmp_path / "audit.json", "flips": tmp_path / "audit.parquet"}
    with pytest.raises(UserError, match="an audit compares two stages or more"):
        call("audit_run", samples=chain.path("t/samples.parquet"), labels=LABELS, stage=stage, **outputs)


def check_budgets(chain: Chain, directory: Path, **misread: int) -> None:
    row = {**chain.json("run.json"), "audit": audited(chain, directory, **misread)}
    write_json(directory / "report.json", {"rows": [row]})
    files = {"report": directory / "report.json", "output": directory / "budgets.json"}
    call("check_budgets", **files, budgets=json.dumps(BUDGETS))


def test_check_budgets_writes_the_verdicts_of_a_run_within_them(chain: Chain, tmp_path: Path) -> None:
    check_budgets(chain, tmp_path)
    verdicts = read_json(tmp_path / "budgets.json")["verdicts"]
    assert {verdict["budget"]: verdict["kept"] for verdict in verdicts} == dict.fromkeys(BUDGETS, True)


def test_check_budgets_stops_a_run_beyond_them(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(UserError) as stopped:
        check_budgets(chain, tmp_path, build=5)
    assert "thirteen / none / columns: accuracy_drop is 0.0769231, over the budget of 0" in str(stopped.value)
    assert "thirteen / none / columns: flipped is 0.0769231, over the budget of 0" in str(stopped.value)
    assert str(tmp_path / "index.html") in str(stopped.value)
    assert not (tmp_path / "budgets.json").exists()


# --- what stops a stage --------------------------------------------------------------------------------------


def test_tensors_made_by_another_rule_stop_a_run(chain: Chain, tmp_path: Path) -> None:
    other = {**chain.model, "widths": '{"rule": "fixed"}', "output": tmp_path / "p", "record": tmp_path / "r"}
    with pytest.raises(UserError, match=r"contract.json: rule is"):
        call("predict_words", **other)
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
        "predict_words",
        "check_batching",
        "time_words",
        "score_run",
        "audit_run",
        "check_budgets",
    ],
)
def test_help_is_the_docstring_and_every_option_is_in_it(name: str) -> None:
    module = stage_module(name)
    text = module.arguments().format_help()
    assert str(module.__doc__).strip() in text
    assert "--output" in text
