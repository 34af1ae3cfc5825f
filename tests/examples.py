"""Small datasets and runtimes without a network, for testing what stands between an LMDB and a score."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import numpy.typing as npt

from crnn.data.buckets import at_most
from crnn.data.decode import Pixels
from crnn.data.labels import LabelPolicy
from crnn.data.preprocess import Preprocess, Tensor, normalise
from crnn.inference.scheduler import Reader
from crnn.model.charset import Charset
from crnn.model.contract import Contract
from crnn.model.decoding import greedy_decode
from crnn.runtimes.runtime import Session

Levels = npt.NDArray[np.int64]

CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
CHARSET = Charset(CHARACTERS)
CONTRACT = Contract(CHARSET)  # of networks of 37 classes that are as CRNNs are
POLICY = LabelPolicy(CHARACTERS)
ASPECT = Preprocess.from_settings({"rule": "aspect"})
FIXED = Preprocess.from_settings({"rule": "fixed", "width": 100})
RECIPE = Preprocess.from_settings({"rule": "recipe"})


# --- words -------------------------------------------------------------------------------------------------


def scribble(width: int, height: int, seed: int = 0) -> Pixels:
    """Gray uint8 [height, width] with strokes rather than noise: every size of it has something to resample."""
    random = np.random.default_rng(seed)
    image = np.full((height, width), 220, np.uint8)
    for _ in range(6):
        (x0, x1), (y0, y1) = random.integers(0, width, 2).tolist(), random.integers(0, height, 2).tolist()
        cv2.line(image, (x0, y0), (x1, y1), int(random.integers(0, 120)), 1 + height // 16, cv2.LINE_AA)
    return image


def png(pixels: Pixels) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def put_words(directory: Path, count: int, images: Mapping[int, bytes], labels: Mapping[int, bytes]) -> Path:
    """Write an LMDB that promises `count` words and holds what is given, as no careful writer would."""
    with lmdb.open(str(directory), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"num-samples", b"%d" % count)
        for index, image in images.items():
            transaction.put(b"image-%09d" % index, image)
        for index, label in labels.items():
            transaction.put(b"label-%09d" % index, label)
    return directory


# (width, height) of the words of `healthy_words`: shrinking and growing, narrow and wide, several to a tensor width.
SIZES = [
    *[(60, 20), (61, 20), (90, 30), (31, 40), (200, 48), (64, 32)],
    *[(66, 33), (10, 60), (400, 24), (62, 20), (128, 64), (130, 65)],
]


def healthy_words(directory: Path) -> Path:
    """An LMDB of readable words with labels `Word1` … `Word12`."""
    images = {i: png(scribble(w, h, seed=i)) for i, (w, h) in enumerate(SIZES, 1)}
    return put_words(directory, len(images), images, {i: b"Word%d" % i for i in images})


# What is wrong with each word of `faulty_words`, by index, and the status it should get.
FAULTS = {
    1: ("nothing", "ok"),
    2: ("PNG cut in half", "corrupt-image"),
    3: ("JPEG cut in half", "corrupt-image"),
    4: ("image of zero bytes", "missing-image"),
    5: ("no image key", "missing-image"),
    6: ("no label key", "missing-label"),
    7: ("empty label", "empty-label"),
    8: ("label with a dash", "ok"),
    9: ("label of punctuation only", "empty-label"),
    10: ("bytes that are no image", "corrupt-image"),
    11: ("promised by num-samples, not stored", "missing-image"),
    12: ("promised by num-samples, not stored", "missing-image"),
}


def faulty_words(directory: Path) -> Path:
    """An LMDB with every fault of `FAULTS`."""
    pixels = scribble(80, 40)
    images = dict.fromkeys((1, 6, 7, 8, 9), png(pixels))
    images |= {2: png(pixels)[: len(png(pixels)) // 2], 3: jpeg(pixels)[: len(jpeg(pixels)) // 2]}
    images |= {4: b"", 10: b"<html>not found</html>"}
    labels = {1: b"Cafe", 2: b"two", 3: b"three", 4: b"four", 5: b"five", 7: b"", 8: b"T-Shirt", 9: b"?!", 10: b"ten"}
    return put_words(directory, len(FAULTS), images, labels)


# --- runtimes ----------------------------------------------------------------------------------------------


def reader_of(session: Session, batch: int, preprocess: Preprocess = ASPECT) -> Reader:
    """What reads with a session, at most `batch` words in a call."""
    return Reader(preprocess, session, CHARSET, at_most(batch))


class PixelReader:
    """Reads a character off every fourth column, so a word's text follows from its own pixels and nothing else.

    A real Session: float32 [N, 1, 32, W] in, log-probabilities [W // 4 + 1, N, 37] out. Keeps the shapes of its calls.
    """

    calls = 1

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def infer(self, images: Tensor) -> Tensor:
        self.shapes.append(images.shape)
        classes = self.classes(np.rint((images * 0.5 + 0.5) * 255).astype(np.int64))
        best = np.arange(37) == classes.T[:, :, None]
        log_probabilities: Tensor = np.array([np.log(0.01 / 36), np.log(0.99)], np.float32)[best.astype(int)]
        return log_probabilities

    def classes(self, levels: Levels) -> Levels:
        """Class of every time step, [N, T], from gray levels [N, 1, 32, W]."""
        columns = np.pad(levels.sum(axis=(1, 2)), ((0, 0), (0, 4)))
        steps = levels.shape[3] // 4 + 1
        read: Levels = columns[:, : 4 * steps].reshape(len(levels), steps, 4).sum(axis=2) % 37
        return read

    def describe(self) -> dict[str, Any]:
        return {"device": "columns", "simulated": True}

    def close(self) -> None:
        """Nothing to release."""


class NeighbourlyReader(PixelReader):
    """Reads a word otherwise when it shares its call, as a padded batch makes networks do."""

    def classes(self, levels: Levels) -> Levels:
        return (super().classes(levels) + len(levels)) % 37


class MoodyReader(PixelReader):
    """Never reads a word the same way twice, as a kernel with a race does."""

    def classes(self, levels: Levels) -> Levels:
        return (super().classes(levels) + len(self.shapes)) % 37


def read_alone(index: int) -> str:
    """What `PixelReader` reads on a word of `healthy_words` that is prepared (`ASPECT`) and read by itself."""
    image = normalise(ASPECT.resize(scribble(*SIZES[index - 1], seed=index)))
    return greedy_decode(PixelReader().infer(image[None]), CHARSET)[0][0]
