"""Holding plans against an accuracy budget: words are read at the widths that rules give, once each."""

from pathlib import Path

import pytest

from crnn.core.errors import UserError
from crnn.data.preprocess import Pixels, Preprocess, normalise
from crnn.model.decoding import greedy_decode
from crnn.planning.evaluation import TuningWords, around, cheapest_within, judged
from crnn.planning.optimiser import Bucket, Candidate, Span
from examples import ASPECT, CHARSET, POLICY, PixelReader, png, put_words, read_alone, scribble

W100 = Preprocess.from_settings({"rule": "fixed", "width": 100})
CHEAP, DEAR = (Candidate(0.1, (Span(0, 0, 68.0, 0.0, Bucket(64, 1, 9, seconds)),)) for seconds in (1.0, 2.0))


def read(image: Pixels) -> str:
    """What PixelReader reads on an image at the width of its own."""
    (text,), _ = greedy_decode(PixelReader().infer(normalise(ASPECT.resize(image)[None])), CHARSET)
    return text


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
    assert sum(shape[0] for shape in runtime.shapes) == 3 + 3  # at their own widths, and at 100
    before = len(runtime.shapes)
    assert words.right([W100], runtime, CHARSET) == [first[1]]
    assert len(runtime.shapes) == before


def test_chances_follow_from_what_becomes_of_words_at_other_widths(tmp_path: Path) -> None:
    """PixelReader reads another text at another width: words are right at their own alone."""
    images = {i: png(scribble(60 + i, 20, seed=i)) for i in range(1, 40)}
    unlabelled = TuningWords.read(
        put_words(tmp_path / "words.lmdb", 39, images, dict.fromkeys(images, b"x")), ASPECT, POLICY
    )
    words = TuningWords(unlabelled.images, [read(image) for image in unlabelled.images], POLICY)
    rules = [Preprocess.from_settings({"rule": "aspect", "stretch": 1.2 * factor}) for factor in around(0.25)]
    model = words.accuracy_model(ASPECT, rules, PixelReader(), CHARSET)
    assert model(120, 120) > 0.8
    assert model(120, 90) < 0.2


def test_words_without_a_label_or_an_image_are_left_out(faulty: Path) -> None:
    words = TuningWords.read(faulty, ASPECT, POLICY)
    assert words.labels == ["cafe", "tshirt"]


def test_words_that_are_all_unlabelled_are_refused(tmp_path: Path) -> None:
    folder = put_words(tmp_path / "words.lmdb", 1, {1: png(scribble(60, 20))}, {})
    with pytest.raises(UserError, match=r"words\.lmdb: holds no readable word with a label"):
        TuningWords.read(folder, ASPECT, POLICY)


def words_of(lost: int, gained: int, words: int = 1000) -> tuple[list[bool], list[bool]]:
    """What a candidate and the finest rule read right, of words that mostly read alike."""
    alike = [True] * (words - lost - gained)
    return [False] * lost + [True] * gained + alike, [True] * lost + [False] * gained + alike


def test_a_candidate_may_lose_as_many_words_as_the_budget_says_with_confidence() -> None:
    verdict = judged(CHEAP, *words_of(lost=12, gained=4), accuracy_drop=0.015)
    assert (verdict.correct, verdict.lost, verdict.gained) == (988, 12, 4)
    assert verdict.most_lost == pytest.approx(8 + 1.645 * 4)  # the variance of the difference is 12 + 4
    assert verdict.within
    assert not judged(CHEAP, *words_of(lost=12, gained=4), accuracy_drop=0.014).within


def test_words_that_change_as_often_to_the_good_as_to_the_bad_are_still_a_doubt() -> None:
    assert judged(CHEAP, *words_of(lost=0, gained=0), accuracy_drop=0.0).within
    assert not judged(CHEAP, *words_of(lost=25, gained=25), accuracy_drop=0.005).within
    assert judged(CHEAP, *words_of(lost=25, gained=25, words=4000), accuracy_drop=0.005).within


def test_the_cheapest_candidate_within_the_budget_is_chosen() -> None:
    lossy, faithful = (words_of(lost, 0) for lost in (30, 0))
    for budget, chosen in ((0.005, DEAR), (0.05, CHEAP)):
        verdicts = [judged(CHEAP, *lossy, budget), judged(DEAR, *faithful, budget)]
        assert cheapest_within(verdicts, budget) == chosen


def test_where_every_candidate_loses_too_much_the_best_is_named() -> None:
    verdicts = [judged(CHEAP, *words_of(lost, 4), 0.005) for lost in (40, 12)]
    with pytest.raises(UserError, match=r"less than 0\.50% of the 1000 tuning words; .* loses 12 .* at most 1\.46%"):
        cheapest_within(verdicts, 0.005)
