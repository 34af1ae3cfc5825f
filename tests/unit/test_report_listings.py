"""Which words the page lists."""

from pathlib import Path

import pytest

from crnn.errors import UserError
from crnn.report.inputs import Inputs, Run
from crnn.report.listings import bad_records, flipped_words, worst_words
from report_results import Results, picture

WORDS = [(picture(word), word) for word in ("cafe", "24", "open", "exit", "hotel")]


def runs_of(results: Results) -> list[Run]:
    return [Run.read(files) for files in Inputs.from_json(results.inputs).runs]


def test_worst_words_come_most_confident_first(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("onnxruntime", {1: "cafo", 3: "opem", 4: "exlt"})
    (listing,) = worst_words(runs_of(results), 60)
    confidences = [word.confidence for word in listing.entries]
    assert confidences == sorted(confidences, reverse=True)
    assert {(word.index, word.label, word.text) for word in listing.entries} == {
        (1, "cafe", "cafo"),
        (3, "open", "opem"),
        (4, "exit", "exlt"),
    }


def test_a_list_is_cut_and_says_how_many_there_are(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("onnxruntime", {1: "cafo", 3: "opem", 4: "exlt"})
    (listing,) = worst_words(runs_of(results), 2)
    assert (len(listing.entries), listing.total) == (2, 3)


def test_runs_that_read_alike_share_a_list(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("torch", {1: "cafo"})
    results.add_run("onnxruntime", {1: "cafo"})
    results.add_run("int8", {1: "cafo", 2: "2a"})
    shared, alone = worst_words(runs_of(results), 60)
    assert [run.files.deployment for run in shared.runs] == ["torch", "onnxruntime"]
    assert [run.files.deployment for run in alone.runs] == ["int8"]


def test_a_case_difference_is_no_error_under_the_standard_policy(tmp_path: Path) -> None:
    results = Results(tmp_path, [(picture("EXIT"), "EXIT"), (picture("in"), "in")])
    results.add_run("onnxruntime", {1: "Exit", 2: "im"})
    (listing,) = worst_words(runs_of(results), 60)
    assert [word.index for word in listing.entries] == [2]


def test_predictions_of_another_run_are_refused(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("torch", {})
    results.add_run("onnxruntime", {1: "cafo"})
    results.runs[0]["predictions"] = results.runs[1]["predictions"]
    with pytest.raises(UserError, match=r"4 words are right, but .* states 5"):
        worst_words(runs_of(results), 60)


def test_flips_are_listed_edge_by_edge(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("int8", {2: "2a", 4: "exlt"}, before={"torch": {4: "ex1t"}, "raw": {4: "ex1t"}})
    (listing,) = flipped_words(runs_of(results), 60)
    assert (listing.source, listing.target, listing.total) == ("raw", "int8", 2)
    assert [(word.index, word.kind) for word in listing.entries] == [(2, "broken"), (4, "changed")]


def test_a_path_on_which_nothing_changed_lists_nothing(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("onnxruntime", {2: "2a"}, before={"torch": {2: "2a"}})
    assert flipped_words(runs_of(results), 60) == []


def test_records_that_cannot_be_scored_are_listed_once_with_their_status(tmp_path: Path) -> None:
    results = Results(tmp_path, [*WORDS, (picture("cut")[:50], "cut"), (b"", "gone"), (picture("x"), "")])
    results.add_run("torch", {})
    results.add_run("onnxruntime", {})
    (listing,) = bad_records(runs_of(results), 200)
    assert [(record.index, record.status) for record in listing.entries] == [
        (6, "corrupt-image"),
        (8, "empty-label"),
        (7, "missing-image"),
    ]
    assert len(listing.runs) == 2
