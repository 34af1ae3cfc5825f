"""index.html: complete, self-contained, and deaf to what its texts say."""

import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from crnn.report.inputs import Inputs, Run, StageRecord, read_published
from crnn.report.page import page
from crnn.words import write_words
from report_results import EVERYTHING, Results, picture

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\" onerror='alert(1)' x=\"",
    "template": "{{ 7 * 7 }}{% raw %}",
    "right-to-left": "\u202eمطعم",
    "long": "w" * 200,
}
PUBLISHED = Path(__file__).parents[2] / "resources" / "published.json"


class Document(HTMLParser):
    """Collects what a browser would see: elements, attributes, texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
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

    def values(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]


def rendered(results: Results) -> Document:
    inputs = Inputs.from_json(results.inputs)
    runs = [Run.read(files) for files in inputs.runs]
    records = [StageRecord.read(path) for path in inputs.records]
    return Document(page(inputs, runs, read_published(PUBLISHED), records, "1 May 2026"))


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


def test_hostile_texts_are_shown_as_text(hostile: Document) -> None:
    for label in HOSTILE.values():
        assert label in hostile.text


def test_hostile_texts_make_no_element_and_no_handler(hostile: Document) -> None:
    assert hostile.tags["script"] == 0
    assert not [name for _, name, _ in hostile.attributes if name.startswith("on")]


def test_direction_of_a_label_is_kept_to_itself(hostile: Document) -> None:
    assert ("bdi", "dir", "auto") in hostile.attributes


def test_the_page_needs_nothing_from_outside(document: Document) -> None:
    assert not {"script", "link", "iframe", "object", "embed"} & set(document.tags)
    assert all(source.startswith("data:image/png;base64,") for source in document.values("src"))
    outside = [
        (tag, value) for tag, name, value in document.attributes if name in ("href", "xlink:href") and value[:1] != "#"
    ]
    assert {tag for tag, _ in outside} <= {"a"}
    assert "url(" not in document.text


def test_the_page_forbids_scripts_and_requests(document: Document) -> None:
    policy = document.values("content")[0]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_every_identifier_is_used_once_and_every_anchor_leads_somewhere(document: Document) -> None:
    identifiers = Counter(document.values("id"))
    assert identifiers.most_common(1)[0][1] == 1
    anchors = {
        value[1:] for tag, name, value in document.attributes if tag == "a" and name == "href" and value[:1] == "#"
    }
    assert anchors <= set(identifiers)


def test_the_summary_names_the_best_real_run(document: Document) -> None:
    assert "best of 2: torch" in document.text
    assert "60.00\u2009%" in document.text


def test_a_simulated_run_is_marked(document: Document) -> None:
    assert "int8 simulated" in document.text


def test_kept_budgets_are_said_in_the_summary(document: Document) -> None:
    assert "Within every budget (2 checks over 2 runs)" in document.text


def test_a_budget_that_is_exceeded_is_said_in_the_summary(tmp_path: Path) -> None:
    results = signs(tmp_path)
    results.budgets = {"flipped": 0.1}
    assert "int8: words that differ from the reference 20.00\u2009%, allowed 10.00\u2009%" in rendered(results).text


def test_a_flipped_word_is_shown_with_both_texts_and_its_picture(document: Document) -> None:
    assert "1 word changed from torch to int8" in document.text
    assert "word 4" in document.values("alt")


def test_a_word_whose_picture_is_lost_has_a_placeholder(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("cafe"), "cafe"), (picture("24"), "24")])
    results.add_run("torch", {1: "cafo"})
    shutil.rmtree(results.lmdb)
    write_words(results.lmdb, [(b"torn", "cafe"), (b"torn", "24")])
    assert "image cannot be decoded" in rendered(results).text


def test_bad_records_are_listed_with_their_status(document: Document) -> None:
    assert "signs: 1 record" in document.text
    assert "corrupt-image" in document.text


def test_published_figures_stand_apart_and_name_their_boundary(document: Document) -> None:
    text = document.text
    assert text.index("none of these was measured here") > text.index("Comparison")
    assert "5.9 to 6.1\u2009s" in text
    assert "infer only: sum of InferSession.infer calls" in text


def test_provenance_shows_outputs_with_their_hashes_and_the_command(document: Document) -> None:
    assert any(len(title) == 64 for title in document.values("title"))
    assert "words.lmdb/data.mdb" in document.text
    assert "snakemake --cores 4 report" in document.text


def test_a_run_that_was_not_timed_is_no_error(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("cafe"), "cafe"), (picture("24"), "24")])
    results.add_run("torch", {}, timed=False, batching=None, repeat_texts=None)
    text = rendered(results).text
    assert "not timed" in text
    assert "No word was read wrong on signs" in text


def test_two_datasets_have_two_summaries(tmp_path: Path) -> None:
    other = Results(tmp_path / "other", [(picture("cafe"), "cafe"), (picture("24"), "24")], dataset="menus")
    other.add_run("torch", {})
    other.runs += signs(tmp_path / "signs").runs
    text = rendered(other).text
    assert "menus · best of 1: torch" in text
    assert "signs · best of 2: torch" in text
