"""Rendered words that are learned from again and again while new ones come: for devices that learn faster.

The words lie on the device of the learner, the latest of each width. Before a batch is drawn, what worker processes
have rendered meanwhile is taken in; each word has another look every time. Rendering and learning go on side by side,
each as fast as it can, and no two runs are alike.

Not here: the looks (`crnn.train.looks`); words that are seen once, in an order that stays (`crnn.train.stream`).
"""

import time
from collections.abc import Generator, Iterable
from itertools import count

import numpy as np
import torch
from torch import Tensor

from crnn.core.workers import WorkerProcesses
from crnn.data.widths import HEIGHT
from crnn.train.looks import another_look
from crnn.train.stream import Batch, Place, Preparation, Prepared

CHUNK = 512  # words that a worker renders at a time
FIRST = 16  # batches whose words are there before the first is drawn


class Shelf:
    """The latest `size` words of one width."""

    def __init__(self, size: int, width: int, device: torch.device) -> None:
        self._pixels = torch.empty(size, HEIGHT, width, dtype=torch.uint8, device=device)
        self._classes: list[list[int]] = []
        self.came = 0

    def add(self, word: Prepared) -> None:
        """Take a word in, in the place of the oldest where the shelf is full."""
        place = self.came % len(self._pixels)
        self._pixels[place] = torch.from_numpy(word.pixels)
        self._classes[place : place + 1] = [word.classes]
        self.came += 1

    def draw(self, most: int, rng: np.random.Generator) -> tuple[Tensor, list[list[int]]]:
        """Return up to `most` words at random: uint8 [N, 32, W] on the device, and their labels."""
        chosen = rng.integers(len(self._classes), size=min(most, len(self._classes)))
        return self._pixels[torch.from_numpy(chosen).to(self._pixels.device)], [self._classes[k] for k in chosen]


class Pool:
    """Words of all widths, each width drawn as often as its words come."""

    def __init__(self, size: int, device: torch.device) -> None:
        """size: most words of a width; older ones make room."""
        self._size, self._device = size, device
        self._shelves: dict[int, Shelf] = {}

    @property
    def came(self) -> int:
        """How many words were taken in, those that are gone included."""
        return sum(shelf.came for shelf in self._shelves.values())

    def add(self, words: Iterable[Prepared]) -> None:
        for word in words:
            width = word.pixels.shape[1]
            if width not in self._shelves:
                self._shelves[width] = Shelf(self._size, width, self._device)
            self._shelves[width].add(word)

    def draw(self, most: int, rng: np.random.Generator) -> tuple[Tensor, list[list[int]]]:
        """Return up to `most` words of one width: uint8 [N, 32, W] on the device, and their labels."""
        shelves = list(self._shelves.values())
        shares = [shelf.came / self.came for shelf in shelves]
        return shelves[rng.choice(len(shelves), p=shares)].draw(most, rng)


def pooled_batches(
    prepare: Preparation, size: int, shelf: int, device: torch.device, start: Place, processes: int
) -> Generator[Batch, None, None]:
    """Yield batches of up to `size` words for ever; rendering begins at the word that `start` names as the next."""
    rng = np.random.default_rng([prepare.seed, start.next])
    pool, begun = Pool(shelf, device), start.next
    with WorkerProcesses(prepare.all, processes) as workers:
        for words in workers.arrivals(range(first, first + CHUNK) for first in count(begun, CHUNK)):
            if words is not None:
                pool.add(words)
                begun += CHUNK
            if pool.came >= FIRST * size:
                pixels, classes = pool.draw(size, rng)
                yield Batch(another_look(pixels), classes, Place(begun))
            elif words is None:
                time.sleep(0.1)
