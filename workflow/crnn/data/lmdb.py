"""The common scene-text LMDB: reading it with all its faults, writing it, copying it compactly.

Keys `num-samples`, `image-%09d` and `label-%09d`, counted from 1; images are PNG or JPEG files, labels UTF-8
(the layout of clovaai/deep-text-recognition-benchmark and of most text-recognition code since).
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import lmdb

from crnn.core.errors import UserError, mendable
from crnn.core.files import atomic_path, scratch_directory, what_it_is

IN_PAGE = 1024  # bytes of a value that lies among others on a page; larger ones may have pages of their own
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


def _check_place(directory: Path) -> None:
    data = directory / "data.mdb"
    if directory.is_file():
        raise UserError(f"{directory}: is a file; expected an LMDB folder that holds data.mdb")
    if directory.is_dir() and not os.access(directory, os.R_OK | os.X_OK):
        raise UserError(f"{directory}: no permission to read it; chmod it or run as its owner")
    if not data.is_file():
        raise UserError(f"{directory}: is not an LMDB folder (no data.mdb in it)")
    if not os.access(data, os.R_OK):
        raise UserError(f"{data}: no permission to read it; chmod it or run as its owner")
    if (instead := what_it_is(data)) is not None:
        raise UserError(f"{data}: {instead}")


@contextmanager
def _damage_named(directory: Path) -> Iterator[None]:
    """Turn what LMDB says of a damaged file into a UserError; of a full disk and the like it stays what it is."""
    try:
        yield
    except lmdb.Error as error:
        if mendable(error):
            raise
        raise UserError(f"{directory}: is damaged ({error}); copy it again") from error


class Words:
    """Read-only view of an LMDB of words, indexed from 1 as its keys are. Use it as a context manager.

    Raises UserError where the folder is no LMDB, cannot be read, or its `num-samples` is missing, not a number,
    zero, or absurdly larger than what is stored.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._turn = threading.Lock()  # a transaction is one thread's at a time
        _check_place(directory)
        with ExitStack() as opened:
            try:
                # No lock file: results are read-only to their readers, and a lock needs write permission.
                environment = lmdb.open(str(directory), readonly=True, lock=False, readahead=False, meminit=False)
                self._environment = opened.enter_context(environment)
                self._transaction = self._environment.begin(buffers=True)
                self._count = self._read_count()
            except lmdb.Error as error:
                raise UserError(f"{directory}: is not a readable LMDB ({error})") from error
            opened.pop_all()

    def _read_count(self) -> int:
        stored = self._transaction.get(b"num-samples")
        if stored is None:
            with self._transaction.cursor() as cursor:
                first = [bytes(key) for key in islice(cursor.iternext(values=False), 5)]
            keys = ", ".join(key.decode("utf-8", "backslashreplace") for key in first)
            raise UserError(f"{self.directory}: holds no key 'num-samples', so no words. Its keys: {keys or 'none'}")
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
        return Word(index, self.image(index), self._get(b"label-%09d" % index))

    def image(self, index: int) -> bytes | None:
        """The image of record `index` alone."""
        return self._get(b"image-%09d" % index)

    def _get(self, key: bytes) -> bytes | None:
        with _damage_named(self.directory), self._turn:
            value = self._transaction.get(key)
            return None if value is None else bytes(value)

    def keys_beside(self) -> Iterator[bytes]:
        """Every stored key that is none of a word's and not `num-samples`. What lies between those is not read."""
        ours = [(kind % 1, kind % self._count) for kind in (b"image-%09d", b"label-%09d")]
        ours.append((b"num-samples", b"num-samples"))
        with self._transaction.cursor() as cursor:
            there = cursor.first()
            while there:
                key = bytes(cursor.key())
                end = next((last for first, last in ours if first <= key <= last), None)
                if end is None:
                    yield key
                there = cursor.next() if end is None else cursor.set_range(end + b"\0")

    def __iter__(self) -> Iterator[Word]:
        return (self[index] for index in range(1, self._count + 1))

    def __enter__(self) -> "Words":
        return self

    def __exit__(self, *raised: object) -> None:
        self._transaction.abort()
        self._environment.close()


def _new(directory: Path) -> lmdb.Environment:
    """An empty LMDB with as much room as this process may map: the file is sparse, and copied compactly afterwards."""
    for bits in range(40, 27, -2):
        with suppress(lmdb.MemoryError):
            return lmdb.open(str(directory), map_size=1 << bits, lock=False)
    raise UserError(f"{directory}: there is no memory to map a file; raise the limit of the process (ulimit -v)")


def write_words(directory: Path, pairs: Iterable[tuple[bytes, str]]) -> int:
    """Write (image file bytes, label) pairs as a new LMDB in `directory` and return how many there are.

    The data file appears in one step when it is complete; equal pairs give an equal file.
    Raises UserError where there is not one pair.
    """
    with scratch_directory(directory) as scratch, scratch_directory(directory) as compact:
        count = 0
        with _new(scratch) as environment:
            with environment.begin(write=True) as transaction:
                for count, (image, label) in enumerate(pairs, 1):
                    transaction.put(b"image-%09d" % count, image)
                    transaction.put(b"label-%09d" % count, label.encode("utf-8", "surrogatepass"))
                transaction.put(b"num-samples", b"%d" % count)
            if count == 0:
                raise UserError(f"{directory}: no words to write")
        compact_copy(scratch, compact)
        publish(compact, directory)
    return count


def compact_copy(source: Path, directory: Path) -> None:
    """Copy the LMDB `source` into the empty `directory`. Raises UserError as `Words`.

    Compaction drops free pages and the sparse tail that many published datasets carry (a data.mdb of 1 TiB).
    """
    with Words(source) as words, _damage_named(source):
        words._environment.copy(str(directory), compact=True)


def publish(scratch: Path, directory: Path) -> None:
    """Move the LMDB in `scratch` to `directory` in one step."""
    with atomic_path(directory / "data.mdb") as temporary:
        (scratch / "data.mdb").replace(temporary)


def copy_and_look(folders: tuple[Path, Path]) -> None:
    """`compact_copy`, and follow each record of the copy to its end: what survives this can read it."""
    source, scratch = folders
    compact_copy(source, scratch)
    size = (scratch / "data.mdb").stat().st_size
    with (
        _damage_named(source),
        lmdb.open(str(scratch), readonly=True, lock=False) as environment,  # reads ahead, in the order of the file
        environment.begin(buffers=True) as transaction,
        transaction.cursor() as cursor,
    ):
        for value in cursor.iternext(keys=False):
            if len(value) > size:
                raise lmdb.CorruptedError("a value is longer than the file")
            if len(value) > IN_PAGE:
                _ = value[-1]
