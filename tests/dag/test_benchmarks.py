"""The benchmarks run, on a dozen words, and what they write becomes a page; their figures mean nothing here."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from examples import put_words
from workspace import ROOT, Workspace, benchmark

pytestmark = [pytest.mark.dag, pytest.mark.slow]


@pytest.fixture(scope="module")
def results(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result files of bytes_to_text, scale and lstm, and of rows of one beside another as if that were a peer."""
    folder = tmp_path_factory.mktemp("results")
    contest = ["--results", finished.path / "results", "--dataset", "sample", "--deployments", "ort", "torch"]
    benchmark("bytes_to_text", *contest, "--repeats", "2", "--output", folder / "bytes_to_text.json")
    words = finished.path / "results/datasets/sample/words.lmdb"
    benchmark("scale", "--words", words, "--sizes", "30", "60", "--output", folder / "scale.json")
    half = ["--model", finished.path / "results/models/crnn", "--repeats", "2"]
    benchmark("lstm", *half, "--output", folder / "lstm.json")
    rows = ["--results", finished.path / "results", "--dataset", "sample", "--rows", "crnn/ort", "crnn/torch"]
    benchmark("peers", *rows, "--peers", "--repeats", "2", "--output", folder / "peers.json")
    beside = loaded(folder / "peers.json") | {"peers": {"crnn/torch": ["torch"]}}
    for each in beside["contestants"].values():
        each["against"] = {"crnn/torch": {"fixed": 0, "broken": 0, "mcnemar_p": 1.0}}
    (folder / "peers.json").write_text(json.dumps(beside))
    return folder


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_contestant_is_timed_in_every_round(results: Path) -> None:
    contestants = loaded(results / "bytes_to_text.json")["contestants"]
    assert set(contestants) == {"recipe", "ort", "torch"}
    assert all(len(times) == 2 for each in contestants.values() for times in each["seconds"].values())
    assert set(contestants["recipe"]["seconds"]) == {"bytes to text", "own boundary"}
    steps = {"bytes to text", "inference and CTC", "reading, decoding, resizing", "CTC"}
    assert steps < set(contestants["ort"]["seconds"])
    assert sum(name.startswith("ceiling: ") for name in contestants["ort"]["seconds"]) >= 1


def test_the_benchmark_reads_what_the_report_read(results: Path, finished: Workspace) -> None:
    contestants = loaded(results / "bytes_to_text.json")["contestants"]
    rows = {row["deployment"]: row for row in finished.report()["rows"]}
    for name in ("ort", "torch"):
        assert (contestants[name]["samples"], contestants[name]["correct"]) == (
            rows[name]["samples"],
            rows[name]["correct"],
        )
    assert contestants["torch"]["against_reference"]["flipped"] == 0


def test_words_are_read_again_until_there_are_enough(results: Path) -> None:
    rows = loaded(results / "scale.json")["rows"]
    assert all(row["seconds"] > 0 and row["peak_mib"] > row["before_mib"] / 2 for row in rows)
    assert rows[1]["words"] == 2 * rows[0]["words"] > 0


def test_every_runtime_computes_the_recurrent_half(results: Path) -> None:
    contestants = loaded(results / "lstm.json")["contestants"]
    assert {name.partition(",")[0] for name in contestants} == {"openvino", "onnxruntime", "torch"}
    assert all(0 < each["least"] <= each["milliseconds"] for each in contestants.values())


def test_the_page_is_made_of_the_files(results: Path, tmp_path: Path) -> None:
    benchmark("write_readme", "--results", results, "--output", tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in ("recipe", "ort", "torch"))
    assert all(f"| {name}, " in page for name in ("openvino", "onnxruntime", "torch"))
    assert "| `crnn/ort` |" in page
    pictures = [(tmp_path / f"{name}.svg").read_text(encoding="utf-8") for name in ("bytes_to_text", "peers")]
    assert all(picture.startswith("<svg") for picture in pictures)


# A peer that reads of an image how many bytes it has.
STAND_IN = """
import json, struct, sys
from pathlib import Path
packed, read = Path(sys.argv[1]).read_bytes(), []
while packed:
    size = struct.unpack_from("<I", packed)[0]
    read, packed = [*read, [str(size), 0.5]], packed[4 + size :]
for _ in sys.stdin:
    print("a line of its own")
    print(json.dumps({"seconds": 0.1, "processor": 0.1, "peak_mib": 9.0, "texts": read}), flush=True)
"""


def test_a_peer_reads_each_image_in_every_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    peers = import_module("peers")
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setitem(peers.PEERS, "stand-in", (str(tmp_path / "stand_in.py"), []))
    (tmp_path / "stand-in/bin").mkdir(parents=True)
    (tmp_path / "stand-in/bin/python").symlink_to(sys.executable)
    images = {1: b"four", 2: b"", 4: b"seventeen letters"}
    words = put_words(tmp_path / "words.lmdb", 4, images, {})
    with peers.peer("stand-in", words, tmp_path) as once:
        assert [once()["texts"], once()["texts"]] == [[(1, "4", 0.5), (4, "17", 0.5)]] * 2
