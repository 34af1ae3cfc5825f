"""Words that are learned from again: which are kept, which are drawn, and in what look."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crnn.train import pool
from crnn.train.looks import another_look
from crnn.train.pool import Pool, pooled_batches
from crnn.train.settings import TrainingSettings
from crnn.train.stream import Place, Prepared
from training import CPU, PREPARE, small_run


def words(first: int, count: int, width: int) -> list[Prepared]:
    """Words whose pixels and label are their number."""
    return [Prepared(k, np.full((32, width), k, np.uint8), [k]) for k in range(first, first + count)]


def test_a_word_is_drawn_with_its_label() -> None:
    shelves, rng = Pool(8, CPU), np.random.default_rng(0)
    for first, width in [(0, 40), (3, 80), (5, 40), (10, 40)]:
        shelves.add(words(first, 3, width))
    for _ in range(20):
        pixels, classes = shelves.draw(4, rng)
        assert [[int(image[0, 0])] for image in pixels] == classes
        assert pixels.dtype == torch.uint8


def test_a_full_shelf_keeps_the_latest_words() -> None:
    shelves, rng = Pool(4, CPU), np.random.default_rng(0)
    for first in (0, 3, 6):
        shelves.add(words(first, 3, 40))
    drawn = {classes[0] for _ in range(50) for classes in shelves.draw(4, rng)[1]}
    assert drawn == {5, 6, 7, 8}
    assert shelves.came == 9


def test_a_batch_is_no_larger_than_what_there_is_of_its_width() -> None:
    shelves = Pool(8, CPU)
    shelves.add(words(0, 3, 40))
    assert len(shelves.draw(64, np.random.default_rng(0))[1]) == 3


@pytest.mark.parametrize("processes", [0, 1])
def test_batches_hold_rendered_words_and_the_place_behind_them(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CHUNK", 16)
    batches = pooled_batches(PREPARE, 4, 100, CPU, Place(32), processes)
    made = [next(batches) for _ in range(5)]
    batches.close()
    for batch in made:
        assert batch.pixels.shape[:2] == (len(batch.classes), 32)
        assert batch.after.next >= 32 + pool.FIRST * 4
        assert batch.after.next % 16 == 0


def test_what_stops_a_worker_stops_the_run() -> None:
    broken = replace(PREPARE, preprocess=None)
    with pytest.raises(AttributeError):
        next(pooled_batches(broken, 4, 100, CPU, Place(), processes=0))


def test_a_run_of_minutes_learns_until_they_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CHUNK", 16)
    settings = TrainingSettings(minutes=0.05, batch=4)
    run = small_run(settings, tmp_path)
    run.stream = lambda place: pooled_batches(PREPARE, settings.batch, settings.shelf, CPU, place, processes=0)
    progress = run.train()
    assert progress.seconds >= 3
    assert progress.seen > 0


def test_looks_differ_and_keep_what_the_network_reads() -> None:
    torch.manual_seed(0)
    pixels = torch.from_numpy(
        np.stack([word.pixels for k in range(60) if (word := PREPARE(k)) and word.pixels.shape[1] == 72])
    )
    first, second = another_look(pixels), another_look(pixels)
    for images in (first, second):
        assert images.shape[:2] == pixels.shape[:2]
        assert images.shape[2] % 8 == 0
        assert images.dtype == torch.float32
        assert float(images.min()) >= -1
        assert float(images.max()) <= 1
    assert first.shape != second.shape or not torch.equal(first, second)
