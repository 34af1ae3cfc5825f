"""Checking that a file from elsewhere is the right one.

Not here: where the file comes from (`crnn.data.sources.download`).
"""

import argparse
import re
from pathlib import Path

from crnn.core.errors import UserError
from crnn.core.files import sha256


def sha256_hex(text: str) -> str:
    """Argparse type: a SHA-256 as 64 hexadecimal digits, returned in lower case."""
    digest = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError(f"{text!r} is not a SHA-256; expected 64 hexadecimal digits")
    return digest


def verify_sha256(path: Path, expected: str) -> None:
    """Return when the file's SHA-256 is `expected` (lower-case hex).

    Raises UserError that names both hashes where it is not, or where the file cannot be read.
    """
    try:
        found = sha256(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of the file you have") from error
    if found != expected:
        raise UserError(
            f"{path}: sha256 is {found}, expected {expected}; the file is damaged or another one. Fetch it again"
        )
