"""The common scene-text LMDB: reading it with all its faults, writing it, copying it compactly.

Keys `num-samples`, `image-%09d` and `label-%09d`, counted from 1; images are PNG or JPEG files, labels UTF-8
(the layout of clovaai/deep-text-recognition-benchmark and of most text-recognition code since).

Not here: decoding pixels (`crnn.data.preprocess`), what a label means (`crnn.data.labels`), other formats
(`crnn.data.sources`).
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lmdb

from crnn.core.errors import UserError
from crnn.core.files import atomic_path, scratch_directory

# A reader maps the file whatever this says; a writer needs room for the whole dataset. The file is sparse until
# written and copied compactly afterwards, so the bound costs nothing.
MAP_SIZE = 1 << 40
# `num-samples` may promise more records than there are. Listing a few million lost ones is useful; a corrupt
# count of 10^15 is not a dataset.
MOST_LOST_RECORDS = 10_000_000


@dataclass(frozen=True)
class Word:
    """One LMDB record as stored. `image` and `label` are None where the key is missing; both may be empty."""

    index: int
    image: bytes | None
    label: bytes | None

    @property
    def key(self) -> str:
        return f"image-{self.index:09d}"


def _open(directory: Path) -> lmdb.Environment:
    data = directory / "data.mdb"
    if directory.is_file():
        raise UserError(f"{directory}: is a file; expected an LMDB folder that holds data.mdb")
    if directory.is_dir() and not os.access(directory, os.R_OK | os.X_OK):
        raise UserError(f"{directory}: no permission to read it; chmod it or run as its owner")
    if not data.is_file():
        raise UserError(f"{directory}: is not an LMDB folder (no data.mdb in it)")
    if not os.access(data, os.R_OK):
        raise UserError(f"{data}: no permission to read it; chmod it or run as its owner")
    try:
        # No lock file: results are read-only to their readers, and a lock needs write permission.
        return lmdb.open(str(directory), readonly=True, lock=False, readahead=False, meminit=False)
    except lmdb.Error as error:
        raise UserError(f"{directory}: is not a readable LMDB ({error})") from error


class Words:
    """Read-only view of an LMDB of words, indexed from 1 as its keys are. Use it as a context manager.

    Raises UserError where the folder is no LMDB, cannot be read, or its `num-samples` is missing, not a number,
    zero, or absurdly larger than what is stored.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._environment = _open(directory)
        try:
            self._transaction = self._environment.begin(buffers=True)
            self._count = self._read_count()
        except UserError:
            self._environment.close()
            raise
        except lmdb.Error as error:
            self._environment.close()
            raise UserError(f"{directory}: is not a readable LMDB ({error})") from error

    def _read_count(self) -> int:
        stored = self._transaction.get(b"num-samples")
        if stored is None:
            raise UserError(
                f"{self.directory}: holds no key 'num-samples'; this is not an LMDB of words, or it is empty"
            )
        text = bytes(stored).decode("ascii", "replace").strip()
        if not text.isdecimal():
            raise UserError(f"{self.directory}: 'num-samples' is {text!r}; expected a number")
        count = int(text)
        if count == 0:
            raise UserError(f"{self.directory}: 'num-samples' is 0; there is nothing to read")
        entries = self._environment.stat()["entries"]
        if count > entries + MOST_LOST_RECORDS:
            raise UserError(f"{self.directory}: 'num-samples' is {count}, but only {entries} records are stored")
        return count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Word:
        """Return record `index` (1 … len). Absent keys come back as None, never as an exception."""
        if not 1 <= index <= self._count:
            raise IndexError(index)
        image = self.image(index)
        label = self._transaction.get(b"label-%09d" % index)
        return Word(index, image, None if label is None else bytes(label))

    def image(self, index: int) -> bytes | None:
        """The image of record `index` alone."""
        image = self._transaction.get(b"image-%09d" % index)
        return None if image is None else bytes(image)

    def __iter__(self) -> Iterator[Word]:
        return (self[index] for index in range(1, self._count + 1))

    def __enter__(self) -> "Words":
        return self

    def __exit__(self, *raised: object) -> None:
        self._transaction.abort()
        self._environment.close()


def write_words(directory: Path, pairs: Iterable[tuple[bytes, str]]) -> int:
    """Write (image file bytes, label) pairs as a new LMDB in `directory` and return how many there are.

    The data file appears in one step when it is complete; equal pairs give an equal file.
    Raises UserError where there is not one pair.
    """
    with scratch_directory(directory) as scratch:
        count = 0
        with lmdb.open(str(scratch), map_size=MAP_SIZE, lock=False) as environment:
            with environment.begin(write=True) as transaction:
                for count, (image, label) in enumerate(pairs, 1):
                    transaction.put(b"image-%09d" % count, image)
                    transaction.put(b"label-%09d" % count, label.encode())
                transaction.put(b"num-samples", b"%d" % count)
            if count == 0:
                raise UserError(f"{directory}: no words to write")
        copy_words(scratch, directory)
    return count


def copy_words(source: Path, directory: Path) -> int:
    """Copy the LMDB `source` compactly into `directory` and return its number of words.

    Compaction drops free pages and the sparse tail that many published datasets carry (a data.mdb of 1 TiB).
    Raises UserError as `Words` does.
    """
    with Words(source) as words, scratch_directory(directory) as scratch:
        words._environment.copy(str(scratch), compact=True)
        with atomic_path(directory / "data.mdb") as temporary:
            (scratch / "data.mdb").replace(temporary)
        return len(words)
