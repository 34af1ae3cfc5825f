"""Downloading one file: an interruption costs little, and a wrong file is found out."""

import math
import os
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from crnn.core.command import LOG, progress
from crnn.core.errors import UserError
from crnn.core.files import verify_sha256

SCHEMES = ("http", "https", "file")
CHUNK = 1 << 20  # bytes; the unit of the progress line, and the most that a reset connection loses
SILENCE = 60.0  # seconds without a byte after which a connection counts as broken

PARTIAL_CONTENT = 206  # RFC 9110, section 15.3.7
RANGE_NOT_SATISFIABLE = 416  # RFC 9110, section 15.5.17


def part_path(output: Path) -> Path:
    """Where an unfinished download of `output` is kept, to be continued."""
    return output.with_name(f"{output.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(url: str, part: Path) -> None:
    """Add to `part`, over one connection, what it still lacks.

    Raises OSError or HTTPException where the server cannot be reached, refuses, or stops early.
    """
    held = _size(part)
    request = Request(url, headers={"User-Agent": "crnn-dynamic", **({"Range": f"bytes={held}-"} if held else {})})
    with urlopen(request, timeout=SILENCE) as response:
        # A server may ignore Range and send the whole file again, and file:// always does.
        start = held if response.status == PARTIAL_CONTENT else 0
        length = int(response.headers.get("Content-Length", 0))
        with part.open("ab" if start else "wb") as stream:
            chunks = iter(partial(response.read, CHUNK), b"")
            for chunk in progress(chunks, total=math.ceil(length / CHUNK), what=part.name, unit="MiB"):
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
    # http.client ends a sized read quietly when the connection closes early.
    if _size(part) < start + length:
        raise ConnectionError(f"connection closed after {_size(part)} of {start + length} bytes")


def _fetch_all(url: str, part: Path) -> None:
    """Fetch until `part` is whole, reconnecting for as long as each connection gets further than those before."""
    furthest = _size(part)
    while True:
        try:
            return _fetch(url, part)
        except HTTPError as error:
            error.close()
            if error.code == RANGE_NOT_SATISFIABLE:
                return None  # nothing lies behind what is held: the hash decides whether that is the file
            raise
        except (OSError, HTTPException) as error:
            if _size(part) <= furthest:
                raise
            furthest = _size(part)
            LOG.warning("%s: %s; continuing at byte %d", url, error, furthest)


def download(url: str, sha256: str, output: Path, remedy: str) -> None:
    """Download `url` (http, https or file) to `output` and check that its SHA-256 is `sha256` (lower-case hex).

    An interrupted download stays beside it as `output`.part and is continued by the next call; a file with another
    hash is removed. Raises UserError, ending in `remedy`, where the download fails, and on another hash or scheme.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise UserError(f"{url}: expected an address that begins with one of {', '.join(SCHEMES)}")
    part = part_path(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _fetch_all(url, part)
    except (OSError, HTTPException) as error:
        raise UserError(f"{url}: cannot be downloaded ({error}); {remedy}") from error
    try:
        verify_sha256(part, sha256)
    except UserError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"{url}: {error}; what came is removed. If that repeats, {remedy}") from error
    part.replace(output)
