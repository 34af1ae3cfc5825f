"""Holding plans against an accuracy budget: words are read at the widths that rules give, once each."""

from pathlib import Path

import pytest

from crnn.errors import UserError
from crnn.plan import Bucket, Candidate
from crnn.tensors import Preprocess
from crnn.tuning import TuningWords, cheapest_within, judged
from examples import ASPECT, CHARSET, POLICY, PixelReader, png, put_words, read_alone, scribble

W100 = Preprocess.from_settings({"rule": "fixed", "width": 100})
CHEAP, DEAR = (Candidate(0.1, 0.1, (Bucket(64, 1, 9, seconds),)) for seconds in (1.0, 2.0))


def words_with_labels(tmp_path: Path) -> Path:
    """The first words of `healthy_words`, with what PixelReader reads on them as labels, but for word 2."""
    images = {i: png(scribble(*size, seed=i)) for i, size in enumerate([(60, 20), (61, 20), (90, 30)], 1)}
    labels = {i: read_alone(i).encode() for i in images} | {2: b"other"}
    return put_words(tmp_path / "tuning.lmdb", len(images), images, labels)


def test_a_word_is_right_where_it_reads_as_its_label(tmp_path: Path) -> None:
    words = TuningWords.read(words_with_labels(tmp_path), ASPECT, POLICY)
    (right,) = words.right([ASPECT], PixelReader(), CHARSET)
    assert right == [True, False, True]


def test_a_word_is_read_once_at_every_width(tmp_path: Path) -> None:
    words, runtime = TuningWords.read(words_with_labels(tmp_path), ASPECT, POLICY), PixelReader()
    first = words.right([ASPECT, W100, ASPECT], runtime, CHARSET)
    assert first[0] == first[2]
    assert sum(shape[0] for shape in runtime.calls) == 3 + 3  # at their own widths, and at 100
    before = len(runtime.calls)
    assert words.right([W100], runtime, CHARSET) == [first[1]]
    assert len(runtime.calls) == before


def test_words_without_a_label_or_an_image_are_left_out(faulty: Path) -> None:
    words = TuningWords.read(faulty, ASPECT, POLICY)
    assert words.labels == ["cafe", "tshirt"]


def test_words_that_are_all_unlabelled_are_refused(tmp_path: Path) -> None:
    folder = put_words(tmp_path / "words.lmdb", 1, {1: png(scribble(60, 20))}, {})
    with pytest.raises(UserError, match=r"words\.lmdb: holds no readable word with a label"):
        TuningWords.read(folder, ASPECT, POLICY)


def test_a_candidate_may_lose_as_many_words_as_the_budget_says() -> None:
    finest = [True, True, True, False]
    verdict = judged(CHEAP, [False, False, True, True], finest, accuracy_drop=0.25)
    assert (verdict.correct, verdict.broken, verdict.fixed, verdict.within) == (2, 2, 1, True)
    assert not judged(CHEAP, [False, False, True, True], finest, accuracy_drop=0.24).within


def test_the_cheapest_candidate_within_the_budget_is_chosen() -> None:
    finest = [True, True]
    lossy, faithful = judged(CHEAP, [False, True], finest, 0.0), judged(DEAR, [True, True], finest, 0.0)
    assert cheapest_within([lossy, faithful], 0.0) == DEAR
    assert cheapest_within([judged(CHEAP, [False, True], finest, 0.5), faithful], 0.5) == CHEAP


def test_where_every_candidate_loses_too_much_the_best_is_named() -> None:
    verdicts = [judged(CHEAP, right, [True] * 4, 0.1) for right in ([False] * 4, [True, True, True, False])]
    with pytest.raises(UserError, match=r"more than 10\.00% of the tuning words; the best loses 25\.00%"):
        cheapest_within(verdicts, 0.1)
