"""Finding an LMDB that was cut off, as by a broken download, before reading it kills the process.

LMDB reads its file as mapped memory: touching a page beyond the file's end is SIGBUS, which no `except` catches.

Not here: every other fault of an LMDB (`crnn.data.lmdb` reports those).
"""

import os
import sys
from multiprocessing import get_context
from pathlib import Path

import lmdb

from crnn.core.errors import UserError


def _walk_pages(directory: str) -> None:
    """Read every page in use, as the body of a process that may die of it."""
    try:
        with lmdb.open(directory, readonly=True, lock=False) as environment, open(os.devnull, "wb") as sink:
            environment.copyfd(sink.fileno(), compact=True)
    except lmdb.Error:
        sys.exit(1)


def refuse_truncated(directory: Path) -> None:
    """Return where the LMDB's file holds all pages in use, or is no LMDB at all. Raises UserError otherwise."""
    try:
        with lmdb.open(str(directory), readonly=True, lock=False) as environment:
            expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        size = (directory / "data.mdb").stat().st_size
    except (lmdb.Error, OSError):
        return
    if size >= expected:
        return
    # A short file may yet be whole: LMDB never writes a page that was allocated and freed in one transaction.
    child = get_context("spawn").Process(target=_walk_pages, args=(str(directory),))
    child.start()
    child.join()
    if child.exitcode != 0:
        raise UserError(f"{directory}: data.mdb is cut off ({size} of about {expected} bytes); copy it again")
