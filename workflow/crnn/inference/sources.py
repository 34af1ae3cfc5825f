"""Where words come from: the encoded images of an LMDB, or the tensors that were made of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from crnn.core.errors import UserError
from crnn.data.buckets import BatchOf
from crnn.data.decode import Pixels
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorBatch, TensorSet
from crnn.inference.scheduler import Batch, Reader
from crnn.inference.step_timer import StepTimer

Encoded = tuple[int, bytes]
Prepared = tuple[int, Pixels]

CHUNK = 32  # words that a worker decodes before it looks for a batch to infer: a few milliseconds


class WordBatches:
    """Images, decoded and resized on the way; words of one width make a batch, in the order they were taken in."""

    def __init__(self, reader: Reader) -> None:
        self._preprocess, self._batch_of = reader.preprocess, reader.batch_of
        self._waiting: dict[int, list[Prepared]] = {}

    def pixels(self, _index: int, image: Any) -> Pixels | None:
        """The pixels of an encoded image; None leaves it out."""
        return self._preprocess.decode(image)

    def prepare(self, chunk: list[tuple[int, Any]], timer: StepTimer) -> list[Prepared]:
        prepared = []
        for index, image in chunk:
            with timer.step("decode"):
                pixels = self.pixels(index, image)
            if pixels is not None:
                with timer.step("resize"):
                    prepared.append((index, self._preprocess.resize(pixels)))
        return prepared

    def collate(self, prepared: list[Prepared]) -> list[Batch]:
        whole = []
        for index, pixels in prepared:
            width = pixels.shape[2]
            bucket = self._waiting.setdefault(width, [])
            bucket.append((index, pixels))
            if len(bucket) == self._batch_of(width):
                whole.append(_batch(self._waiting.pop(width)))
        return whole

    def flush(self) -> list[Batch]:
        return [_batch(bucket) for bucket in self._waiting.values()]


class EncodedWords(WordBatches):
    """The images of an LMDB, of which those that cannot be read are left out.

    handed: chunks of their indices; by default of all, or of the first `limit`.
    """

    def __init__(
        self, words: Words, reader: Reader, handed: Iterable[Sequence[int]] | None = None, limit: int | None = None
    ) -> None:
        super().__init__(reader)
        self._words = words
        count = len(words) if limit is None else min(len(words), limit)
        starts = range(1, count + 1, CHUNK)
        self._indices = (range(n, min(n + CHUNK, count + 1)) for n in starts) if handed is None else handed

    def chunks(self) -> Iterator[list[Encoded]]:
        """The words that have an image. One transaction serves all workers, which take turns."""
        for indices in self._indices:
            images = ((index, self._words.image(index)) for index in indices)
            yield [(index, image) for index, image in images if image]


def readable_images(words: Words, preprocess: Preprocess, limit: int) -> Iterator[tuple[bytes, Pixels]]:
    """The images of the first `limit` words that can be read, encoded and decoded. Raises UserError where none can."""
    found = False
    for image in (words.image(index) for index in range(1, min(len(words), limit) + 1)):
        pixels = preprocess.decode(image) if image else None
        if image and pixels is not None:
            found = True
            yield image, pixels
    if not found:
        raise UserError(f"{words.directory}: none of the first {limit} words has a readable image")


def _batch(bucket: Sequence[Prepared]) -> Batch:
    return Batch([index for index, _ in bucket], [pixels for _, pixels in bucket])


class TensorWords:
    """The tensors of a dataset, batch by batch: words of equal width, narrow first, in the order of the LMDB."""

    def __init__(self, tensors: TensorSet, batch_of: BatchOf, limit: int | None = None) -> None:
        self._tensors, self._batch_of, self._limit = tensors, batch_of, limit

    def chunks(self) -> Iterator[TensorBatch]:
        return self._tensors.unread(self._batch_of, self._limit)

    def prepare(self, chunk: TensorBatch, timer: StepTimer) -> Batch:
        with timer.step("read"):
            return Batch(chunk.indices, chunk.load())

    def collate(self, prepared: Batch) -> list[Batch]:
        return [prepared]

    def flush(self) -> list[Batch]:
        return []
