"""What holds of a report whose rows are of a device's doubles, whichever device: for the DAG tests of each device."""

from typing import Any

import polars as pl
import pytest

from workspace import Workspace

CLOSE = 1e-4  # relative, of confidences: batches of other sizes are added up in another order


def model_stem(row: dict[str, Any]) -> str:
    """What a row's build was made of: the repaired graph, or its variant in the row's number format."""
    quantised = {"fp32": "fixed", "int8": f"fixed.int8-{row['widths']}"}
    return quantised.get(row["precision"], f"fixed.{row['precision']}")


def read_by(space: Workspace, widths: str, reader: str) -> pl.DataFrame:
    """What a reader read of the words of `sample`, which has one part."""
    return space.readings(f"predictions/sample/crnn/{widths}/{reader}/1.parquet")


def check_only_doubles_are_marked(space: Workspace, doubles: set[str]) -> None:
    """The data marks just the rows of doubles, and the page says so."""
    rows = space.report()["rows"]
    assert {row["deployment"] for row in rows if row["simulated"]} == doubles
    assert "simulated" in (space.path / "results/report/index.html").read_text()


def check_texts_are_onnxruntimes(space: Workspace) -> None:
    """Every row reads what ONNX Runtime reads with the same model file.

    At its own batch size, at those of the batching check, and when it is timed.
    """
    for row in space.report()["rows"]:
        reference, own = (read_by(space, row["widths"], name) for name in (model_stem(row), row["deployment"]))
        assert own["text"].to_list() == reference["text"].to_list(), row["deployment"]
        assert own["confidence"].to_list() == pytest.approx(reference["confidence"].to_list(), rel=CLOSE)
        assert reference["confidence"].n_unique() > 6  # the words are read differently from each other
        assert row["audit"]["path"][-1]["flipped"] == row["batching"]["changed"] == 0
        assert row["audit"]["flipped"] == 0 or row["precision"] != "fp32"  # whatever it is that quantising changes
        assert row["repeat_texts"] == {"e2e_changed": 0, "infer_only_changed": 0}


def check_transfers_are_steps(space: Workspace) -> None:
    """Only a device has copies, and they are told apart from the network."""
    for row in space.report()["rows"]:
        steps = row["e2e"]["breakdown"]
        copied = [steps[name] > 0 for name in ("transfer_in", "transfer_out")]
        assert copied == [row["simulated"]] * 2, row["deployment"]
        assert steps["execute"] > 0


def check_copied_results_are_reported(space: Workspace, device: str) -> None:
    """Results that came from elsewhere: without the device, its toolchain or a double, another title makes the page."""
    space.config["report"] = {"title": "copied"}
    result = space.run("report")
    del space.config["report"]
    assert result.returncode == 0, result.stdout + result.stderr
    assert device in {row["device"] for row in space.report()["rows"]}
