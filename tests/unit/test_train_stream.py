"""Rendered words as batches: one width each, every word once, and the same order from any place on."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.data.preprocess import Preprocess
from crnn.data.widths import Aspect, Fixed
from crnn.model.charset import Charset, steps_needed
from crnn.train.stream import Batch, Place, batches, fitting_width, jittered, training_policy
from training import CHARSET, PREPARE


def first(count: int, start: Place | None = None, size: int = 4, processes: int = 0) -> list[Batch]:
    return list(islice(batches(PREPARE, size, start or Place(), processes), count))


def same(ours: Batch, theirs: Batch) -> bool:
    return np.array_equal(ours.pixels, theirs.pixels) and ours.classes == theirs.classes and ours.after == theirs.after


def test_a_batch_holds_words_of_one_width() -> None:
    made = first(20)
    assert {batch.pixels.shape[:2] for batch in made} == {(4, 32)}
    assert len({batch.pixels.shape[2] for batch in made}) > 1


def test_every_word_is_in_one_batch_or_waits() -> None:
    made = first(20)
    last = made[-1].after
    waiting = sum(len(indices) for indices in last.waiting.values())
    assert 20 * 4 + waiting == last.next


@pytest.mark.parametrize("steps", [1, 7, 13])
def test_a_stream_goes_on_from_any_place_as_if_it_had_never_stopped(steps: int) -> None:
    whole = first(steps + 5)
    rest = first(5, start=whole[steps - 1].after)
    assert all(map(same, rest, whole[steps:]))


def test_worker_processes_change_nothing() -> None:
    assert all(map(same, first(12, processes=1), first(12)))


def test_words_are_resized_as_the_deployment_will_resize_them() -> None:
    cubic = Preprocess.from_settings({"rule": "aspect", "interpolation": "opencv-cubic"})
    prepare = replace(PREPARE, preprocess=cubic, jitter=(1.0, 1.0))
    for index in range(5):
        word, gray = prepare(index), prepare.renderer.draw(index)[0]
        assert word is not None
        assert np.array_equal(word.pixels, cubic.resize(gray)[0])


def test_labels_are_classes_of_the_charset() -> None:
    texts = {"".join(CHARSET.characters[c - 1] for c in label) for batch in first(20) for label in batch.classes}
    assert texts & {"exit", "hotel", "parking"}
    assert all(texts)


@given(st.integers(1, 600), st.integers(8, 200), st.text("abz019", min_size=1, max_size=25))
def test_a_width_has_the_time_steps_its_label_needs(width: int, height: int, text: str) -> None:
    rule = Aspect()
    chosen = fitting_width(rule, width, height, text)
    assert chosen is not None
    assert chosen // 4 + 1 >= steps_needed(text)
    assert chosen == rule(width, height) or chosen // 4 + 1 < steps_needed(text) + rule.step // 4
    assert (chosen - rule.min) % rule.step == 0


def test_a_label_that_no_width_can_spell_has_none() -> None:
    assert fitting_width(Fixed(100), 300, 30, "a" * 14) is None
    assert fitting_width(Aspect(max=40), 300, 30, "a" * 14) is None


def test_jitter_stretches_what_has_a_stretch() -> None:
    assert jittered(Aspect(stretch=1.2), 0.5) == Aspect(stretch=0.6)
    assert jittered(Fixed(100), 0.5) == Fixed(100)


@pytest.mark.parametrize(
    ("characters", "label"),
    [("abcdeo", "cafe"), ("ABCDEFO", "CAFE"), ("abcdefABCDEF", "Cafe"), ("abcdefé", "café")],
)
def test_a_charset_decides_what_a_label_keeps_of_a_text(characters: str, label: str) -> None:
    policy = training_policy(Charset(characters if "f" in characters.lower() else characters + "f"))
    assert policy.apply("«Café»")[0] == label
