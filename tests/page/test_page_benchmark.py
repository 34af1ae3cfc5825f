"""The benchmark of the page loads it in a browser and repeats the words of a report; its times mean nothing here."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from report_results import Results, picture

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not any(map(shutil.which, BROWSERS)), reason="no chromium on this machine; apt-get install chromium"
    ),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report over six words, one of them torn."""
    folder = tmp_path_factory.mktemp("measured") / "results"
    labels = ("cafe", "24", "open", "exit", "hotel")
    results = Results(folder, [*((picture(label), label) for label in labels), (b"torn", "torn")])
    results.add_run("torch", {1: "cafo"}, before={"torch": {1: "cafo"}})
    results.add_run("ort", {2: "2a"}, before={"torch": {1: "cafo"}})
    return results.report()


def benchmark(report: Path, output: Path, *copies: str) -> list[dict[str, Any]]:
    command = [sys.executable, ROOT / "benchmarks" / "page.py", "--report", report, "--output", output]
    subprocess.run([*command, "--repeats", "1", "--copies", *copies], check=True)
    rows: list[dict[str, Any]] = json.loads(output.read_text(encoding="utf-8"))["rows"]
    return rows


@pytest.fixture(scope="module")
def measured(report: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The report's own page, and one of three times its words."""
    return benchmark(report, tmp_path_factory.mktemp("output") / "page.json", "1", "3")


def test_every_load_is_timed_and_its_memory_taken(measured: list[dict[str, Any]]) -> None:
    for row in measured:
        assert [len(row[name]) for name in ("heap_mib", "renderer_mib", "empty_renderer_mib")] == [1, 1, 1]
        (first,), (ready,), (loaded,) = (row["seconds"][name] for name in ("first row", "ready", "loaded"))
        assert 0 < ready <= loaded
        assert first > 0
        assert row["renderer_mib"] > row["heap_mib"]


def test_what_the_page_carries_is_counted(measured: list[dict[str, Any]]) -> None:
    one, _ = measured
    assert (one["words"], one["deployments"]) == (6, ["torch", "ort"])
    assert (one["listed"], one["held"], one["pictured"]) == (2, 2, 2)
    assert one["requests"] == []


def test_a_page_that_asks_for_something_is_found_out(report: Path, tmp_path: Path) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    asking = page.replace('http-equiv="Content-Security-Policy"', "").replace("<main>", '<main><img src="logo.png">')
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    (folder / "index.html").write_text(asking, encoding="utf-8")
    (row,) = benchmark(folder, tmp_path / "page.json", "1")
    assert row["requests"] == [(folder / "logo.png").as_uri()]


def test_words_are_repeated_with_their_readings_and_pictures(measured: list[dict[str, Any]]) -> None:
    one, three = measured
    assert [three[name] for name in ("words", "listed", "held", "pictured")] == [
        3 * one[name] for name in ("words", "listed", "held", "pictured")
    ]
    assert three["page_mib"] > one["page_mib"]
