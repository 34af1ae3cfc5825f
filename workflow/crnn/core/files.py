"""Writing files whole, hashing them, and telling files from what lies in their place: nobody sees half a file."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crnn.core.errors import UserError


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(target: Path, mode: int = 0o666) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success sync it and rename it to `target`.

    Where the block raises, `target` stays as it was and the temporary file is removed. The file gets `mode`, less the
    umask.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private; results are for everyone the umask allows.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(mode & ~umask)
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch_directory(near: Path) -> Iterator[Path]:
    """Yield an empty directory beside `near` (same file system, so its files can be renamed into place)."""
    near.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{near.name}.", dir=near.parent, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def write_text(target: Path, text: str) -> None:
    """Write `text` atomically, as UTF-8; what that cannot hold is escaped as JSON and Python escape it."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(target: Path, value: Any) -> None:
    """Write `value` atomically: sorted keys, two spaces, so equal values are equal files."""
    write_text(target, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def what_it_is(path: Path) -> str | None:
    """What lies in the place of a file of data, and the remedy, for use behind the path; None where nothing is known.

    Model hubs and hosts hand these out as if they were the file. Raises OSError where the file cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head and not path.stat().st_size:
        return "is empty; fetch the file again"
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "is a Git LFS pointer, not the file itself; `git lfs pull` fetches it"
    if head.startswith((b"<!doctype html", b"<html")):
        return "is a web page, not the file itself; download the file that the page is about"
    return None


def read_json(path: Path) -> Any:
    """Return the parsed file. Raises UserError where it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error})") from error


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify_sha256(path: Path, expected: str) -> None:
    """Return when the file's SHA-256 is `expected` (lower-case hex).

    Raises UserError that names both hashes where it is not, or where the file cannot be read.
    """
    try:
        found = sha256(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of the file you have") from error
    if found != expected:
        other = f"sha256 is {found}, expected {expected}; the file is damaged or another one. Fetch it again"
        raise UserError(f"{path}: {what_it_is(path) or other}")


def file_facts(path: Path) -> dict[str, Any]:
    """A file as records and contracts identify it: {"sha256": hex, "bytes": size}."""
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


def atomic_copy(source: Path, target: Path) -> Path:
    """Copy a file's bytes as `atomic_path` writes them; returns `target`."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return target
