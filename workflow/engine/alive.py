"""Telling the locks of a run that was killed from those of one that is alive.

Snakemake locks the files of a run by leaving their names in .snakemake/locks; a killed run leaves them behind, and the
next one is refused until somebody has looked and said --unlock. A lock of the operating system ends with its process,
so every run holds one as well: where nobody holds it, nobody is alive, and what is in .snakemake/locks is stale.
"""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import TextIO


def declare_alive(folder: Path) -> TextIO:
    """Clear the locks in `folder`/locks if no other run is alive; return the open file that says that this one is.

    The file is to be kept open for as long as the run lasts; jobs do not inherit it. A file system without such locks
    is left as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    alive = (folder / "alive").open("a", encoding="utf-8")
    with suppress(OSError):  # another run is alive, or the file system has no such locks
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in (folder / "locks").glob("*"):
            lock.unlink()
    with suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_SH)  # shared: runs with other files may go on side by side
    return alive
