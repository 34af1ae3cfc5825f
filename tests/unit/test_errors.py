"""What a user can mend is told from the exceptions of many libraries; what is left is a fault of the program."""

import resource
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import lmdb
import numpy as np
import polars as pl
import pytest

from crnn.core.errors import mendable
from crnn.core.files import write_text
from crnn.data.lmdb import write_words

LIMIT = 100_000  # bytes; stands for a disk that fills up


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may grow beyond `LIMIT`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def too_many_words(folder: Path) -> None:
    write_words(folder / "words.lmdb", [(bytes(LIMIT), "word")] * 3)


def too_long_a_table(folder: Path) -> None:
    pl.DataFrame({"number": np.random.default_rng(0).random(LIMIT)}).write_parquet(folder / "table.parquet")


def too_large_an_array(folder: Path) -> None:
    np.save(folder / "array.npy", np.zeros(LIMIT))


def too_long_a_text(folder: Path) -> None:
    write_text(folder / "text", "a" * 2 * LIMIT)


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("write", [too_many_words, too_long_a_table, too_large_an_array, too_long_a_text])
def test_every_writer_on_a_full_disk_is_something_to_mend(tmp_path: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each library has a class of its own
        write(tmp_path)
    assert "disk" in str(mendable(raised.value))


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (lmdb.MemoryError("words: Cannot allocate memory"), "more memory"),
        (MemoryError(), "more memory"),
        (RuntimeError("std::bad_alloc"), "more memory"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (OSError(24, "Too many open files", "w40.npy"), "ulimit -n"),
        (PermissionError(13, "Permission denied", "results"), "permissions"),
        (OSError(30, "Read-only file system", "results"), "where you may write"),
        (BrokenProcessPool("A process in the process pool was terminated abruptly"), "a worker was killed"),
    ],
)
def test_what_the_machine_refuses_has_a_remedy(error: Exception, remedy: str) -> None:
    said = str(mendable(error))
    assert remedy in said
    assert "\n" not in said


def test_the_cause_counts_too() -> None:
    error = RuntimeError("the session could not be made")
    error.__cause__ = OSError(28, "No space left on device", "cache")
    assert "cache" in str(mendable(error))


@pytest.mark.parametrize("error", [KeyError("width"), RuntimeError("unexpected"), FileNotFoundError(2, "No such file")])
def test_every_other_error_is_a_fault_of_the_program(error: Exception) -> None:
    assert mendable(error) is None


def test_where_little_memory_may_be_mapped_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 29, 1 << 29))
    assert "may map 512 MiB of memory (ulimit -v)" in str(mendable(NameError("name 'PyDataFrame' is not defined")))
