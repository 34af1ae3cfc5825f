"""Rendered words that are learned from again and again while new ones come: for devices that learn faster.

The words lie on the device of the learner, the latest of each width. Whatever the worker processes have rendered since
the last batch is taken in before the next; batches are drawn from what there is, each word in another look every time.
So rendering and learning go on side by side, each as fast as it can, and no two runs are alike.

Not here: the looks (`crnn.train.looks`); words that are seen once, in an order that stays (`crnn.train.stream`).
"""

from collections.abc import Generator, Iterator
from itertools import count
from queue import Empty, SimpleQueue
from threading import Event, Thread

import numpy as np
import torch
from torch import Tensor

from crnn.core.workers import WorkerProcesses
from crnn.data.preprocess import Pixels
from crnn.data.widths import HEIGHT
from crnn.train.looks import another_look
from crnn.train.stream import Batch, Classes, Place, Preparation, Words

CHUNK = 512  # words that a worker renders at a time
FIRST = 16  # batches whose words are there before the first is drawn


class Shelf:
    """The latest `size` words of one width."""

    def __init__(self, size: int, width: int, device: torch.device) -> None:
        self._pixels = torch.empty(size, HEIGHT, width, dtype=torch.uint8, device=device)
        self._classes: list[Classes] = []
        self.came = 0

    def add(self, pixels: Pixels, classes: list[Classes]) -> None:
        """Take words in, uint8 [N, 32, W] and their labels, in the place of the oldest where the shelf is full."""
        while len(classes):
            first = self.came % len(self._pixels)
            fits = min(len(classes), len(self._pixels) - first)
            self._pixels[first : first + fits] = torch.from_numpy(pixels[:fits])
            self._classes[first : first + fits] = classes[:fits]
            self.came += fits
            pixels, classes = pixels[fits:], classes[fits:]

    def draw(self, most: int, rng: np.random.Generator) -> tuple[Tensor, list[Classes]]:
        """Return up to `most` words at random, uint8 [N, 32, W] on the device, with their labels."""
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

    def add(self, words: Words) -> None:
        for pixels, classes in words:
            width = pixels.shape[2]
            if width not in self._shelves:
                self._shelves[width] = Shelf(self._size, width, self._device)
            self._shelves[width].add(pixels, classes)

    def draw(self, most: int, rng: np.random.Generator) -> tuple[Tensor, list[Classes]]:
        """Return up to `most` words of one width: uint8 [N, 32, W] on the device, and their labels."""
        shelves = list(self._shelves.values())
        bounds = np.cumsum([shelf.came for shelf in shelves])
        return shelves[int(np.searchsorted(bounds, rng.integers(bounds[-1]), side="right"))].draw(most, rng)


def pooled_batches(
    prepare: Preparation, size: int, shelf: int, device: torch.device, start: Place, processes: int
) -> Generator[Batch, None, None]:
    """Yield batches of up to `size` words for ever; rendering begins at the word that `start` names as the next."""
    rng = np.random.default_rng([prepare.seed, start.next])
    pool, begun = Pool(shelf, device), start.next
    ready: SimpleQueue[Words | BaseException] = SimpleQueue()
    stop = Event()
    with WorkerProcesses(prepare.by_width, processes) as workers:
        chunks = workers.map(range(first, first + CHUNK) for first in count(begun, CHUNK))
        Thread(target=_hand_over, args=(chunks, ready, stop), daemon=True).start()
        try:
            while True:
                for words in _taken(ready, wait=pool.came < FIRST * size):
                    pool.add(words)
                    begun += CHUNK
                if pool.came >= FIRST * size:
                    pixels, classes = pool.draw(size, rng)
                    yield Batch(another_look(pixels), classes, Place(begun))
        finally:
            stop.set()


def _hand_over(chunks: Iterator[Words], ready: "SimpleQueue[Words | BaseException]", stop: Event) -> None:
    """Put what workers have done where the learner finds it, until it stops or they fail."""
    try:
        for chunk in chunks:
            ready.put(chunk)
            if stop.is_set():
                return
    except BaseException as error:
        ready.put(error)


def _taken(ready: "SimpleQueue[Words | BaseException]", wait: bool) -> Iterator[Words]:
    """What has come by now; with `wait`, at least one."""
    while True:
        try:
            chunk = ready.get(block=wait)
        except Empty:
            return
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk
        wait = False
