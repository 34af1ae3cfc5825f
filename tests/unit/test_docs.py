"""The documentation says what the code does: links that lead somewhere, examples that run."""

import ast
import hashlib
import json
import re
import statistics
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
import yaml

from crnn import runtimes
from crnn.data.widths import width_rule
from crnn.model.export import export_onnx
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.registry import find_runtime, known_runtimes
from documented import code_blocks, commands
from engine.config import check_schema, drop_nulls
from examples import CONTRACT
from networks import EXPORTS, small_network

pytestmark = EXPORTS

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "config" / "README.md"]
LINKED = [*PAGES, ROOT / "benchmarks" / "README.md", *sorted((ROOT / "resources").rglob("README.md"))]
INDEX = ROOT / "docs" / "index.md"  # of the site, which is made of all these; tests/site makes it
SCHEMA = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text())


def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page may say behind #, as code hosts make it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:\s]+)(?:#([^)]*))?\)", page.read_text()):
        linked = page.parent / target
        assert linked.is_file()  # a folder has no page on the site
        assert not anchor or anchor in anchors(linked)


def test_the_index_lists_every_page_once() -> None:
    trees = "".join(block.body for block in code_blocks(INDEX) if block.language == "{toctree}")
    entries = re.findall(r"^(?!:)(?:.* <)?([^\s<>]+)>?$", trees, flags=re.MULTILINE)
    listed = [(INDEX.parent / f"{entry}.md").resolve() for entry in entries]
    assert sorted(listed) == sorted(set(LINKED) - {INDEX})


def test_a_picture_that_is_drawn_from_a_text_is_of_that_text() -> None:
    """`make docs/images/dag.svg` draws it anew."""
    text, picture = ((ROOT / "docs" / "images" / f"dag.{kind}").read_bytes() for kind in ("mmd", "svg"))
    assert f"<!-- sha256 of dag.mmd: {hashlib.sha256(text).hexdigest()} -->".encode() in picture


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of a page of docs/, without the blanks that indent them."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text(), flags=re.DOTALL | re.MULTILINE)


def module(source: str) -> ModuleType:
    made = ModuleType("example")
    exec(compile(source, "extending.md", "exec"), made.__dict__)
    return made


def test_the_example_sizes_get_the_widths_that_the_rules_give() -> None:
    rows = re.findall(
        r"^\| (\d+) × (\d+) \| \d+ \| (\d+) \| (\d+) \| (\d+) \|$",
        (ROOT / "docs" / "widths.md").read_text(),
        re.MULTILINE,
    )
    rules = [width_rule({"rule": name}) for name in ("aspect", "fixed", "recipe")]
    assert len(rows) == 5
    for width, height, *stated in rows:
        assert [rule(int(width), int(height)) for rule in rules] == list(map(int, stated))


def test_the_example_device_reads_as_onnxruntime_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runtimes" / "opencv_dnn"
    folder.mkdir(parents=True)
    for name, source in zip(("__init__.py", "cpu.py"), blocks("extending.md", "python"), strict=False):
        (folder / name).write_text(source)
    monkeypatch.setattr(runtimes, "__path__", [*runtimes.__path__, str(folder.parent)])
    known_runtimes.cache_clear()
    try:
        example = find_runtime("opencv_dnn")
    finally:
        known_runtimes.cache_clear()
    source = tmp_path / "fixed.onnx"
    export_onnx(small_network(), CONTRACT, source)
    files = example.build(source, tmp_path / "build", {})
    assert [path.name for path in files] == list(example.files)
    session, reference = example.load(files[0], {}, cv2.getNumThreads()), OnnxSession(source, 1)
    for batch, width in ((1, 100), (3, 160), (2, 41)):
        images = np.random.default_rng(batch).uniform(-1, 1, (batch, 1, 32, width)).astype(np.float32)
        np.testing.assert_allclose(session.infer(images), reference.infer(images), atol=1e-4)
    assert {"device", "simulated"} <= session.describe().keys()
    session.close()


def test_the_example_pass_matches_an_identity_and_leaves_one_that_is_an_output() -> None:
    given, inside, output = (gs.Variable(name, np.float32, (1,)) for name in ("given", "inside", "output"))
    nodes = [
        gs.Node("Identity", "first", inputs=[given], outputs=[inside]),
        gs.Node("Identity", "last", inputs=[inside], outputs=[output]),
    ]
    graph = gs.Graph(nodes, inputs=[given], outputs=[output], opset=13)
    bypass = module(blocks("extending.md", "python")[2]).bypass_identity
    assert bypass(graph) == ["first: Identity bypassed"]
    graph.cleanup().toposort()
    assert [node.name for node in graph.nodes] == ["last"]
    onnx.checker.check_model(gs.export_onnx(graph))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of_configs_are_allowed_by_the_schema(page: Path) -> None:
    default = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for body in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        example = yaml.safe_load(body)
        if set(example) <= set(SCHEMA["properties"]):
            check_schema(drop_nulls(merged(default, example)), SCHEMA)


def merged(base: Any, overlay: Any) -> Any:
    """`overlay` laid over `base` key by key, as Snakemake does with config files."""
    if not isinstance(base, dict) or not isinstance(overlay, dict):
        return overlay
    return base | {key: merged(base.get(key), value) for key, value in overlay.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of_python_can_be_read(page: Path) -> None:
    for body in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        assert ast.parse(body).body


def test_the_size_of_the_page_is_what_was_measured() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "page.json").read_text())
    size = (ROOT / "docs" / "report.md").read_text().partition("## Size\n")[2].partition("\n## ")[0]
    for row in measured["rows"]:
        ready, heap = (statistics.median(values) for values in (row["seconds"]["ready"], row["heap_mib"]))
        counts = f"{row['words']:,} | {row['page_mib']:.1f} MiB | {row['held']:,} of {row['listed']:,}"
        assert f"| {counts} | {row['pictured']:,} | {ready:.1f} s | {heap:.0f} MiB |" in size
        assert row["requests"] == []
    assert "python " + " ".join(measured["command"]) in size


# --- commands, which tests/dag/test_documented_commands.py runs ----------------------------------------------

TYPED = re.compile(r"^(?:\$ )?(?:make|snakemake|python3?|pip|docker|apt-get|trtexec|source|git) ", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_stand_where_the_tests_look_for_them(page: Path) -> None:
    for block in code_blocks(page):
        assert block.language == "console" or not (block.language == "" and TYPED.search(block.body)), block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_mark_stands_above_the_commands_that_it_means(page: Path) -> None:
    marks = re.findall(r"^ {0,3}<!-- +(?:not|dry) +run\b", page.read_text(), flags=re.MULTILINE)
    marked = [block for block in code_blocks(page) if block.mark]
    assert len(marks) == len(marked)
    assert all(any(command.mode != "run" for command in block.commands) for block in marked)


def test_most_pages_have_commands_that_are_run() -> None:
    found = [command for page in PAGES for command in commands(page)]
    assert Counter(command.mode for command in found)["run"] >= 20


def test_the_architecture_lists_the_rules_that_there_are() -> None:
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    named = set(re.findall(r"^(?:rule|checkpoint) (\w+):|^use rule \w+ as (\w+) with:", text, flags=re.MULTILINE))
    loops = re.findall(r"^for stage, .*", text, flags=re.MULTILINE)
    looped = {name for loop in loops for name in re.findall(r'"(\w+)":', loop)}
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page[page.index("| part | rules |") : page.index("## Folders")]
    assert set(re.findall(r"`([a-z_0-9]+)`", table)) == {name for pair in named for name in pair if name} | looped
