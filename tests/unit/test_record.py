"""The record that a stage leaves beside its output."""

import hashlib
import platform
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from crnn.core.command import Arguments, Command
from crnn.core.files import read_json
from crnn.core.record import Record, cpu_model, describe_host, tool_versions


def told(stage: str, record: Path) -> Arguments:
    """What a stage with options of several kinds was told."""
    command = Command("A stage.", stage)
    command.add_path("--source")
    command.add_json("--widths", "")
    command.add_threads()
    command.add_argument("--plan", type=Path)
    command.add_argument("--split")
    command.add_output("")
    return command.read(
        [f"--source={record.parent}/source", '--widths={"rule": "fixed"}', "--output=product", f"--record={record}"]
    )


def test_a_record_holds_what_went_in_and_what_came_out(tmp_path: Path) -> None:
    source, product = tmp_path / "source", tmp_path / "product"
    source.write_bytes(b"in")
    args = told("make", tmp_path / "record.json")
    record = Record.begin(args, [args.source, args.plan], ("numpy",))
    product.write_bytes(b"result")
    record.finish([product], words=7)
    written = read_json(tmp_path / "record.json")
    assert written["inputs"] == {str(source): {"sha256": hashlib.sha256(b"in").hexdigest(), "bytes": 2}}
    assert written["outputs"] == {str(product): {"sha256": hashlib.sha256(b"result").hexdigest(), "bytes": 6}}
    assert (written["stage"], written["results"]) == ("make", {"words": 7})
    assert written["tools"] == {"numpy": np.__version__}
    assert written["command"] == sys.argv
    assert written["host"] == describe_host()


def test_its_parameters_are_the_options_that_are_no_paths(tmp_path: Path) -> None:
    args = told("make", tmp_path / "record.json")
    options = {"widths": {"rule": "fixed"}, "threads": 1, "split": None}
    assert Record.begin(args, []).parameters == options
    assert Record.begin(args, [], split="train", start="s").parameters == {**options, "split": "train", "start": "s"}


def test_a_record_says_when_and_how_long(tmp_path: Path) -> None:
    record = Record("make", [], {}, (), tmp_path / "record.json")
    record.started -= 5
    record.finish([])
    written = read_json(tmp_path / "record.json")
    assert 5 <= written["seconds"] < 60
    assert abs(datetime.fromisoformat(written["started"]).timestamp() - record.started) <= 1


def test_a_record_that_nobody_asked_for_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Record("make", [], {}, (), None).finish([])
    assert list(tmp_path.iterdir()) == []


def test_a_tool_that_is_not_installed_is_absent() -> None:
    assert tool_versions(["numpy", "no-such-distribution"]) == {
        "numpy": np.__version__,
        "no-such-distribution": "absent",
    }


def test_the_host_is_described_by_what_a_timing_depends_on() -> None:
    host = describe_host()
    assert host["cpu"]
    assert host["cores"] >= 1
    assert host["memory_gib"] > 0
    assert host["python"] == platform.python_version()


@pytest.mark.parametrize(
    ("cpuinfo", "named"),
    [
        ("model name\t: AMD EPYC\nflags\t\t: fpu avx avx2 sse\n", "AMD EPYC (AVX2)"),
        (
            "model name\t: AMD EPYC\nflags\t\t: avx2 avx512f avx512_bf16 avx512_vnni avx_vnni\n",
            "AMD EPYC (AVX2, AVX-512, VNNI, bfloat16)",
        ),
        ("processor\t: 0\nFeatures\t: asimd bf16 sve\n\nModel\t\t: Some Board\n", "Some Board (SVE, bfloat16)"),
        ("model name\t: Old\nflags\t\t: sse2\n", "Old"),
        ("processor\t: 0\nFeatures\t: asimd\n", None),
    ],
)
def test_processors_of_one_name_are_told_apart_by_their_fast_instructions(cpuinfo: str, named: str | None) -> None:
    assert cpu_model(cpuinfo) == named
