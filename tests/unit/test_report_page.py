"""index.html: complete, self-contained, and deaf to what its texts say. What it does is in tests/page."""

import base64
import hashlib
import json
import re
import shutil
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from crnn.core.record import describe_host
from crnn.data.lmdb import write_words
from crnn.report.comparison import Side, compare_reports, readings_table
from crnn.report.format import percent
from crnn.report.inputs import Inputs, read_published, read_record
from crnn.report.page import page
from crnn.report.tables import Report
from report_results import EVERYTHING, PUBLISHED, Results, picture

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\" onerror='alert(1)' x=\"",
    "template": "{{ 7 * 7 }}{% raw %}",
    "right-to-left": "\u202eمطعم",
    "long": "w" * 200,
    "ends a script": "</script><!--<script>",
}
HOST = describe_host()
MAY = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)


class Document(HTMLParser):
    """Collects what a browser would see: elements, attributes, texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.pieces: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def json(self, identifier: str) -> Any:
        """What a script element of type application/json holds."""
        found = re.search(rf'<script type="application/json" id="{identifier}">(.*?)</script>', self.html, re.DOTALL)
        assert found is not None
        return json.loads(found[1])

    def values(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]


def rendered(results: Results, **more: Any) -> Document:
    inputs = Inputs.from_json({**results.inputs, **more})
    runs = results.read()
    records = [read_record(path) for path in inputs.records]
    comparison = None
    if inputs.previous:
        new = Side("2026-05-01T09:30:00", [run.row for run in runs], {}, readings_table(runs))
        comparison = compare_reports(Side.read(inputs.previous), new)
    return Document(page(Report(inputs, runs, read_published(PUBLISHED), records, MAY, HOST, comparison)))


def report_of(results: Results, folder: Path) -> Path:
    """report.json of an earlier report, with what was read beside it."""
    runs = results.read()
    folder.mkdir()
    rows = {"generated": "2026-04-01T08:00:00+00:00", "rows": [run.row for run in runs]}
    (folder / "report.json").write_text(json.dumps(rows))
    readings_table(runs).write_parquet(folder / "readings.parquet")
    return folder / "report.json"


def signs(directory: Path) -> Results:
    words = [(picture(word), word) for word in ("cafe", "24", "open", "exit")]
    results = Results(directory, [*words, (picture("cut")[:50], "cut")])
    results.add_run("torch", {2: "za"}, before={"torch": {2: "za"}})
    results.add_run("int8", {2: "za", 4: "exlt"}, before={"torch": {2: "za"}}, simulated=True, pace=0.001)
    return results


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return rendered(signs(tmp_path_factory.mktemp("signs")))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Document:
    words = [(picture("x"), label) for label in HOSTILE.values()]
    directory = tmp_path_factory.mktemp("hostile")
    results = Results(directory, [*words, (b"", HOSTILE["script"])], policy=EVERYTHING)
    misread = {index: label[::-1] + "!" for index, label in enumerate(HOSTILE.values(), 1)}
    results.add_run("onnxruntime", misread)
    return rendered(results)


def test_hostile_texts_reach_the_script_whole_and_end_no_element(hostile: Document) -> None:
    (dataset,) = hostile.json("words-data")
    assert set(HOSTILE.values()) <= set(dataset["words"]["label"])
    for identifier in ("words-data", "pictures-data"):
        (block,) = re.findall(rf'id="{identifier}">(.*?)</script>', hostile.html, re.DOTALL)
        assert "<" not in block


def test_hostile_texts_make_no_element_and_no_handler(hostile: Document, document: Document) -> None:
    assert hostile.tags["script"] == document.tags["script"] == 3
    assert not [name for _, name, _ in hostile.attributes if name.startswith("on")]
    assert hostile.text.count(HOSTILE["script"]) == 1  # the bad record, listed as text


def test_direction_of_a_label_is_kept_to_itself(hostile: Document) -> None:
    assert ("bdi", "dir", "auto") in hostile.attributes


def test_the_page_needs_nothing_from_outside(document: Document) -> None:
    assert not {"link", "iframe", "object", "embed"} & set(document.tags)
    assert document.values("src") == []  # pictures are made by the script, of data alone
    outside = [
        (tag, value) for tag, name, value in document.attributes if name in ("href", "xlink:href") and value[:1] != "#"
    ]
    assert {tag for tag, _ in outside} <= {"a"}
    assert "url(" not in document.text


def test_the_page_allows_its_own_script_and_no_other(document: Document) -> None:
    source = document.html.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert document.values("content")[0] == policy


def test_every_identifier_is_used_once_and_every_anchor_leads_somewhere(document: Document) -> None:
    identifiers = Counter(document.values("id"))
    assert identifiers.most_common(1)[0][1] == 1
    anchors = {
        value[1:] for tag, name, value in document.attributes if tag == "a" and name == "href" and value[:1] == "#"
    }
    assert anchors <= set(identifiers)


def test_the_summary_names_the_best_real_run(document: Document) -> None:
    assert "best of 2: torch" in document.text
    assert "signs on cpu" in document.text
    assert "60.00\u202f%" in document.text


def test_a_simulated_run_is_marked(document: Document) -> None:
    assert "int8 simulated" in document.text


def test_kept_budgets_are_said_in_the_summary(document: Document) -> None:
    assert "signs: within every budget (2 checks over 2 runs)" in document.text


def test_a_budget_that_is_exceeded_is_said_in_the_summary(tmp_path: Path) -> None:
    results = signs(tmp_path)
    results.budgets = {"flipped": 0.1}
    assert "int8: words that differ from the reference 20.00\u202f%, allowed 10.00\u202f%" in rendered(results).text


def test_words_that_surgery_changed_are_said_in_the_summary(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("cafe"), "cafe"), (picture("24"), "24")])
    results.add_run("ort", {}, before={"raw": {}, "fixed": {}}, surgery={"changed": 1, "max_abs_difference": 2e-5})
    results.budgets = {"changed_by_surgery": 0, "max_abs_difference": 1e-5}
    text = rendered(results).text
    assert "ort: words that surgery changed 1, allowed 0; " in text
    assert "ort: largest output difference made by surgery 2.0e-05, allowed 1.0e-05" in text


def test_the_best_run_of_every_device_has_a_card(tmp_path: Path) -> None:
    results = signs(tmp_path)
    results.add_run("om", {2: "za"}, device="Ascend310P3")
    text = rendered(results).text
    assert "signs on cpu" in text
    assert "signs on Ascend310P3best of 1: om" in text


def test_a_run_of_another_machine_is_marked(tmp_path: Path) -> None:
    results = signs(tmp_path)
    results.add_run("om", {}, host={**HOST, "name": "npu-box"})
    assert "om remote: npu-box" in rendered(results).text


def test_a_deployment_that_is_not_run_has_a_row_with_the_reason(tmp_path: Path) -> None:
    row = {"deployment": "om", "widths": "aspect", "runtime": "ascend", "precision": "fp16", "reason": "no <b>card</b>"}
    shown = rendered(signs(tmp_path), skipped=[row])
    assert "om not run" in shown.text
    assert "no <b>card</b>" in shown.text


def test_the_header_says_what_changed_since_the_previous_report(tmp_path: Path) -> None:
    old = signs(tmp_path / "old")
    old.add_run("gone", {})
    new = Results(tmp_path / "new", old.words)
    new.add_run("torch", {2: "za", 3: "opem"})
    text = rendered(new, previous=str(report_of(old, tmp_path / "report"))).text
    assert "Since the report of 2026-04-01 08:00" in text
    assert "40.00\u202f%was 60.00\u202f%" in text
    assert "−20.00" in text
    assert "0 gained, 1 lost" in text
    assert "Gone: signs / small / int8, signs / small / gone." in text


def test_the_training_of_a_model_is_drawn_from_the_log_beside_its_checkpoint(tmp_path: Path) -> None:
    entries = [{"words": 1000 * n, "loss": 3 / n, "accuracy": {"rendered": 0.2 * n}} for n in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    text = rendered(signs(tmp_path / "signs"), training=[{"model": "small", "log": str(tmp_path / "log.jsonl")}]).text
    assert "The log beside the checkpoint of small: 3,000 words, loss 1, rendered 60.0 %." in text


def test_a_drawing_of_another_stage_is_shown_as_a_picture_that_runs_nothing(tmp_path: Path) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    (tmp_path / "plan.svg").write_bytes(svg)
    drawing = {"title": "Plan", "caption": "Buckets <b>", "svg": str(tmp_path / "plan.svg")}
    shown = rendered(signs(tmp_path / "signs"), drawings=[drawing])
    assert shown.tags["script"] == 3
    assert shown.values("src") == [f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"]
    assert "Buckets <b>" in shown.text


def test_a_step_that_changed_words_can_be_opened(document: Document) -> None:
    assert "1 word changed from torch to int8" in document.values("data-title")
    assert document.values("data-total") == ["1", "1", "1"]  # two first steps, and the one that changed words
    (dataset,) = document.json("words-data")
    (step,) = (int(value) for value in document.values("data-step"))
    assert [dataset["words"]["label"][word] for word in dataset["steps"][step]["word"]] == ["exit"]


def test_a_word_whose_picture_is_lost_has_none(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("cafe"), "cafe"), (picture("24"), "24")])
    results.add_run("torch", {1: "cafo"})
    shutil.rmtree(results.lmdb)
    write_words(results.lmdb, [(b"torn", "cafe"), (b"torn", "24")])
    assert rendered(results).json("pictures-data") == [[False]]


def test_words_and_pictures_keep_to_their_limit(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture(word), word) for word in ("cafe", "open", "exit")])
    results.add_run("torch", {1: "cafo", 2: "opem", 3: "exlt"})
    whole = rendered(results)
    assert "3 of 3 misread or changed words are here, 3 of them with their picture" in whole.text
    limit = 2000
    cut = rendered(results, words_mib=limit / 2**20)
    blocks = [len(re.findall(rf'id="{name}">(.*?)<', cut.html)[0]) for name in ("words-data", "pictures-data")]
    assert sum(blocks) <= limit + 300  # what an empty dataset takes
    assert None in cut.json("pictures-data")[0]


def test_bad_records_are_listed_with_their_status(document: Document) -> None:
    assert "signs: 1 record" in document.text
    assert "1 unusable" in document.text
    assert "corrupt-image" in document.text


def test_published_figures_stand_apart_and_name_their_boundary(document: Document) -> None:
    text = document.text
    assert text.index("none of these was measured here") > text.index("Comparison")
    assert "5.9 to 6.1\u202fs" in text
    assert "infer only: sum of InferSession.infer calls" in text


def test_provenance_shows_outputs_with_their_hashes_and_the_command(document: Document) -> None:
    assert any(len(title) == 64 for title in document.values("title"))
    assert "words.lmdb/data.mdb" in document.text
    assert "snakemake --cores 4 report" in document.text
    assert "snakemake --cores 4 --force" in document.text


def test_a_run_that_was_not_timed_is_no_error(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("cafe"), "cafe"), (picture("24"), "24")])
    results.add_run("torch", {}, timed=False, batching=None, repeat_texts=None)
    text = rendered(results).text
    assert "not timed" in text
    assert "No word changed on any step" in text


def test_a_cascade_says_what_it_hands_on(tmp_path: Path) -> None:
    results = signs(tmp_path)
    cascade = {"threshold": 0.7, "keep": "last", "handed_on": 3, "words": 8}
    results.add_run("both", {}, runtime="cascade", precision="mixed", infer_only=None, latency_ms=None, cascade=cascade)
    text = rendered(results).text
    assert f"hands on {percent(3 / 8)} of the words, under 0.7" in text


def test_an_evaluation_folder_has_a_table_of_its_sets_and_both_means(tmp_path: Path) -> None:
    svt = Results(tmp_path / "svt", [(picture("Cafe"), "Cafe")], dataset="SVT")
    cute = Results(tmp_path / "cute", [(picture(text), text) for text in ("Open", "no", "24")], dataset="CUTE80")
    for each in (svt, cute):
        each.add_run("torch", {})
    svt.runs += cute.runs
    text = rendered(svt, evaluations={"two": ["SVT", "CUTE80"]}).text
    assert "Evaluation: two" in text
    assert "DeploymentSVTCUTE80Macro mean" in text
    section = "".join(text.partition("Evaluation: two")[2].split())
    assert "torchsmall100.00%case-sensitive0.00%allcharacters0.00%" in section
    assert "100.00%53.4to100.0case-sensitive50.00%allcharacters50.00%" in section
    assert "Evaluation" not in rendered(signs(tmp_path / "signs")).text


def test_two_datasets_have_two_summaries(tmp_path: Path) -> None:
    other = Results(tmp_path / "other", [(picture("cafe"), "cafe"), (picture("24"), "24")], dataset="menus")
    other.add_run("torch", {})
    other.runs += signs(tmp_path / "signs").runs
    text = rendered(other).text
    assert "menus on cpubest of 1: torch" in text
    assert "signs on cpubest of 2: torch" in text


# --- costs and confidence ------------------------------------------------------------------------------------


def costly(tmp_path: Path, growth: float, first_ms: float) -> str:
    """The section on costs of a report of one run that was started and loaded."""
    results = Results(tmp_path, [(picture("one"), "one"), (picture("two"), "two")])
    slowest = {"width": 64, "first_ms": first_ms, "later_ms": 10.0}
    steps = {"start": 0.3, "load": 0.2, "read": 0.1}
    first = {"cold_seconds": 0.6, "cached_seconds": None, "steps": steps, "widths": [slowest], "slowest_width": slowest}
    memory = {"build": None, "base": 80.0, "load": 150.0, "run": 200.0, "growth_per_pass": growth, "device": 64.0}
    served = {"scenario": "Server", "rate": 40.0, "p50_ms": 9.0, "p90_ms": 20.0, "p99_ms": 120.0, "kept": False}
    served |= {"words_per_second": 39.0, "p99_limit_ms": 100.0, "highest": False, "short": True}
    results.add_run("ort", {2: "tvo"}, memory_mib=memory, first_answer=first, load=[served])
    page = (results.report() / "index.html").read_text()
    return page[page.index('id="costs"') : page.index('id="charts"')]


def test_a_protocol_that_compares_nothing_of_any_label_is_left_out(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("one"), "one")])
    score = {"correct": 0, "accuracy": 0.0, "accuracy_ci95": [0.0, 0.8]}
    compared = {"any_case": 0, "case_sensitive": 0, "all_characters": 1}
    results.add_run("ort", {}, protocols={name: {**score, "compared": count} for name, count in compared.items()})
    page = (results.report() / "index.html").read_text()
    assert "all characters 0.00" in page
    assert "case-sensitive 0.00" not in page


def test_a_row_that_can_be_had_as_a_bundle_has_the_command(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("one"), "one")])
    results.add_run("ort", {}, bundle="made/here/bundles/small/ort")
    results.add_run("ort-recipe", {})
    page = (results.report() / "index.html").read_text()
    assert page.count("use it in an application") == 1
    assert "snakemake --cores all made/here/bundles/small/ort" in page


def test_a_step_inside_a_vendors_build_has_the_vendors_command(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("one"), "one")])
    results.add_run("ort", {}, before={"torch": {}, "fixed": {}})
    results.add_run("dev", {}, before={"torch": {}, "fixed": {}}, vendor_command="compare a.onnx b.om")
    page = (results.report() / "index.html").read_text()
    assert page.count("tensor by tensor: <code>compare a.onnx b.om</code>") == 1


def test_a_leak_and_a_slow_first_call_are_marked(tmp_path: Path) -> None:
    section = costly(tmp_path, growth=7.0, first_ms=90.0)
    assert '<span class="bad">✗ 7.00</span>' in section
    assert '<span class="bad">✗ 90.0 ms</span>' in section
    assert "later 10.0 ms, width 64" in section
    assert "64 of the device" in section


def test_what_is_usual_is_not_marked_and_a_missed_limit_is(tmp_path: Path) -> None:
    section = costly(tmp_path, growth=1.5, first_ms=12.0)
    assert section.count('class="bad"') == 1
    assert '<span class="bad">✗</span> limit 100' in section
    assert "short" in section


def test_the_threshold_of_an_error_rate_stands_beside_what_it_keeps(tmp_path: Path) -> None:
    section = costly(tmp_path, growth=0.0, first_ms=12.0)
    assert re.search(r"from 0\.\d{4} \(", section)
    assert "0 of 1 wrong" in section


def test_a_report_that_measured_no_costs_has_the_confidence_alone(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("one"), "one")])
    results.add_run("ort", {})
    page = (results.report() / "index.html").read_text()
    section = page[page.index('id="costs"') : page.index('id="charts"')]
    assert re.findall("<h3>(.+)</h3>", section) == ["Confidence"]
