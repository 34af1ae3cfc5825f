"""What files hold: digests that are computed once for as long as a file stays as it is.

Snakemake compares the content of an input only when its time is newer than the outputs'; a file that is replaced by an
older one (cp -p, rsync -t, tar) or that lies in a folder escapes it. The rules give such inputs' digests as parameters.
"""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.store import Store

# A file changed within this many seconds of being hashed may change again under the same time stamp.
UNSETTLED = 2.0
State = tuple[int, int, int, int]


@dataclass
class Digests:
    """SHA-256 of files and folders, remembered in `store` with the size, times and inode they were taken at.

    Files larger than `limit` bytes count by size and modification time instead of content.
    """

    store: Store
    limit: int

    def of(self, path: Path) -> str:
        """Digest of a file, or of the names and contents of all files below a folder; empty where nothing is there.

        A pipe or a device is not read, which might never end.
        """
        if path.is_dir():
            return self._of_folder(path)
        if path.is_file():
            return self._of_file(path)
        return "no regular file" if path.exists() else ""

    def texts(self, paths: Iterable[str]) -> list[str]:
        """Each path with 16 digits of its digest, as a rule's params hold them."""
        return [f"{path} {self.of(Path(path))[:16]}" for path in paths]

    def _of_folder(self, folder: Path) -> str:
        digest = hashlib.sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + self._of_file(path).encode() + b"\0")
        return digest.hexdigest()

    def _of_file(self, path: Path) -> str:
        state = _state(path)
        size, modified, changed, _ = state
        if size > self.limit:
            return f"{size} bytes of {modified}"
        known = self.store.get(str(path))
        if known and tuple(known["state"]) == state:
            return str(known["sha256"])
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if time.time() - changed / 1e9 > UNSETTLED and _state(path) == state:
            self.store[str(path)] = {"state": list(state), "sha256": digest}
        return digest


def _state(path: Path) -> State:
    """Size, modification and change time, inode. The change time cannot be set back, so no content hides behind it."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
