"""Rendered words that are learned from again and again while new ones come: for devices that learn faster.

The words lie on the device of the learner, the latest of each width. Before a batch is drawn, what worker processes
have rendered meanwhile is taken in; each word has another look every time. Rendering and learning go on side by side,
each as fast as it can, and no two runs are alike.
"""

import time
from collections import Counter
from collections.abc import Generator, Iterable
from itertools import count

import numpy as np
import torch
from torch import Tensor

from crnn.core.workers import WorkerProcesses
from crnn.train.looks import another_look
from crnn.train.stream import Batch, Place, Preparation, Prepared

CHUNK = 512  # words that a worker renders at a time
FIRST = 16  # batches whose words are there before the first is drawn


class Pool:
    """The latest `size` words of each width, which is drawn as often as its words come."""

    def __init__(self, size: int, device: torch.device) -> None:
        self._size, self._device = size, device
        self._pixels: dict[int, Tensor] = {}
        self._classes: dict[int, list[list[int]]] = {}
        self._came: Counter[int] = Counter()

    @property
    def came(self) -> int:
        """How many words were taken in, those that are gone included."""
        return self._came.total()

    def add(self, words: Iterable[Prepared]) -> None:
        """Take words in, in the place of the oldest of their width where there is no other."""
        for word in words:
            height, width = word.pixels.shape
            if width not in self._pixels:
                self._pixels[width] = torch.empty(self._size, height, width, dtype=torch.uint8, device=self._device)
                self._classes[width] = []
            place = self._came[width] % self._size
            self._pixels[width][place] = torch.from_numpy(word.pixels)
            self._classes[width][place : place + 1] = [word.classes]
            self._came[width] += 1

    def draw(self, most: int, rng: np.random.Generator) -> tuple[Tensor, list[list[int]]]:
        """Return up to `most` words of one width: uint8 [N, 32, W] on the device, and their labels."""
        width = int(rng.choice(list(self._came), p=[came / self.came for came in self._came.values()]))
        classes = self._classes[width]
        chosen = rng.integers(len(classes), size=min(most, len(classes)))
        return self._pixels[width][torch.from_numpy(chosen).to(self._device)], [classes[k] for k in chosen]


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
