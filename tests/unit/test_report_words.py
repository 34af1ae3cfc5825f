"""Which words the page holds, and what it says of them."""

from pathlib import Path
from typing import Any

import pytest

from crnn.core.errors import UserError
from crnn.report.words import DatasetWords, bad_records, path_of
from report_results import Results, picture

WORDS = [(picture(word), word) for word in ("cafe", "24", "open", "exit", "hotel")]


def words_of(results: Results) -> DatasetWords:
    return DatasetWords(results.read(), [run["deployment"] for run in results.runs])


def columns(words: DatasetWords, limit: int = 10**6) -> dict[str, Any]:
    return words.columns(words.kept(limit))


def readings(shown: dict[str, Any]) -> list[tuple[int, str, list[str]]]:
    """(LMDB index, text, deployments that read it so) of every reading, references left out."""
    names = [reader["name"] for reader in shown["readers"] if not reader["reference"]]
    entries = zip(*(shown["readings"][key] for key in ("word", "text", "readers")), strict=True)
    return [
        (shown["words"]["index"][word], text, [names[reader] for reader in readers if reader < len(names)])
        for word, text, readers in entries
    ]


def test_a_word_read_wrong_is_held_with_who_read_it_so(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("torch", {1: "cafo"}, before={"torch": {1: "cafo"}})
    results.add_run("ort", {1: "cafo"}, before={"torch": {1: "cafo"}})
    results.add_run("int8", {1: "cafo", 2: "2a"}, before={"torch": {1: "cafo"}})
    shown = columns(words_of(results))
    assert readings(shown) == [(1, "cafo", ["torch", "ort", "int8"]), (2, "2a", ["int8"])]
    assert shown["words"]["label"] == ["cafe", "24"]


def test_edits_say_where_two_texts_differ_and_what_was_taken_for_what(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("ort", {1: "kafe", 3: "opens", 5: "hote"})
    shown = columns(words_of(results))
    place, other, pair = 0, 1, 2
    by_word = zip(shown["readings"]["word"], shown["readings"]["edits"], strict=True)
    edits = {shown["words"]["label"][word]: made for word, made in by_word}
    assert edits["cafe"][:2] == [0, 0]
    assert shown["pairs"][edits["cafe"][pair]] == ["c", "k"]
    assert (edits["open"][place], shown["pairs"][edits["open"][pair]]) == (-1, ["", "s"])
    assert (edits["hotel"][other], shown["pairs"][edits["hotel"][pair]]) == (-1, ["l", ""])


def test_predictions_of_another_run_are_refused(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("torch", {})
    results.add_run("ort", {1: "cafo"})
    results.runs[0]["predictions"] = results.runs[1]["predictions"]
    with pytest.raises(UserError, match=r"4 words are right, but .* states 5"):
        words_of(results)


def test_a_step_holds_the_words_it_changed_with_both_texts_and_confidences(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("int8", {2: "2a", 4: "exlt"}, before={"torch": {4: "ex1t"}, "raw": {4: "ex1t"}})
    (step,) = columns(words_of(results))["steps"]
    assert (step["from"], step["to"]) == ("raw", "int8")
    assert (step["before"], step["after"], step["kind"]) == (["24", "ex1t"], ["2a", "exlt"], ["lost", "changed"])
    assert all(0 < confidence < 1 for confidence in step["was"] + step["is"])


def test_runs_that_a_step_changed_alike_share_it(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    for name in ("one", "two"):
        results.add_run(name, {2: "2a"}, before={"torch": {}, "raw": {2: "2a"}})
    words = words_of(results)
    assert [(source, target) for source, target, _ in words.steps] == [("torch", "raw")]
    assert words.step_of == {(0, "torch", "raw"): 0, (1, "torch", "raw"): 0}


def test_what_the_reference_read_follows_from_undoing_the_changes(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("int8", {2: "2a"}, before={"torch": {1: "cafo", 2: "z4"}, "raw": {2: "zz"}})
    words = words_of(results)
    (reference,) = (place for place, reader in enumerate(words.readers) if reader["reference"])
    shown = columns(words)["readings"]
    read = [text for text, readers in zip(shown["text"], shown["readers"], strict=True) if reference in readers]
    assert sorted(read) == ["cafo", "z4"]


def test_the_path_counts_what_each_stage_reads_right(tmp_path: Path) -> None:
    results = Results(tmp_path, [*WORDS, (b"torn", "torn")])
    results.add_run("int8", {2: "2a", 3: "opem"}, before={"torch": {1: "cafo"}, "raw": {}})
    path = path_of(0, words_of(results))
    assert [(stage.name, stage.words) for stage in path] == [
        *(("dataset", 6), ("tensors", 5)),
        *(("torch", 4), ("raw", 5), ("int8", 3)),
    ]
    edges = [stage.edge for stage in path if stage.edge]
    assert [edge.count for edge in edges] == [1, 1, 1, 2]
    assert [edge.title for edge in edges[2:]] == [
        "1 word changed from torch to raw",
        "2 words changed from raw to int8",
    ]


def test_changed_words_are_kept_before_wrong_ones_and_confident_ones_first(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("ort", {1: "cafo", 3: "opem", 5: "hotei"}, before={"torch": {1: "cafo", 3: "opem"}})
    order = words_of(results).order["word"].to_list()
    assert order[0] == 5
    confidence = {index: 0.999 - 0.9 * (index * 37 % 100) / 100 for index in (1, 3)}
    assert order[1:] == sorted(confidence, key=lambda index: -confidence[index])


def test_words_keep_to_their_limit_and_say_how_many_there_are(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    results.add_run("ort", {1: "cafo", 3: "opem", 4: "exlt"})
    words = words_of(results)
    first = int(words.order["bytes"][0])
    shown = columns(words, limit=first)
    assert (len(shown["words"]["index"]), shown["total"]) == (1, 3)
    assert len(readings(columns(words, limit=0))) == 0


def test_records_that_cannot_be_scored_are_listed_with_their_status(tmp_path: Path) -> None:
    results = Results(tmp_path, [*WORDS, (picture("cut")[:50], "cut"), (b"", "gone"), (picture("x"), "")])
    results.add_run("torch", {})
    listed, total = bad_records(results.read()[0], 2)
    assert [(record["index"], record["status"]) for record in listed] == [(6, "corrupt-image"), (8, "empty-label")]
    assert total == 3
