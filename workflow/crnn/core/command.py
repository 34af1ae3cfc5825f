"""What every stage command shares: argument parsing from its docstring, logging, progress.

Not here: anything a stage does.
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from tqdm import tqdm

LOG = logging.getLogger("crnn")
Item = TypeVar("Item")


def parser(documentation: str | None) -> argparse.ArgumentParser:
    """An argument parser whose help is the stage's module docstring."""
    return argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)


def json_object(text: str) -> dict[str, Any]:
    """Argparse type: a JSON object, as the rules pass a config block."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object, got {type(value).__name__}")
    return value


def named_path(text: str) -> tuple[str, Path]:
    """Argparse type: name=path."""
    name, separator, path = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r}: expected name=path")
    return name, Path(path)


class _Lines:
    """A log file for tqdm, which redraws one line with carriage returns: writes whole lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        if line:
            self._stream.write(line + "\n")

    def flush(self) -> None:
        self._stream.flush()


def progress(items: Iterable[Item], *, total: int, what: str, unit: str = "words") -> "tqdm[Item]":
    """Iterate with rate and time left: a bar on a terminal, a line every five seconds in a log."""
    if sys.stderr.isatty():
        return tqdm(items, total=total, desc=what, unit=f" {unit}")
    lines = cast(TextIO, _Lines(sys.stderr))
    style = f"{{desc}}: {{n_fmt}}/{{total_fmt}} {unit}, {{rate_noinv_fmt}}, {{remaining}} left"
    return tqdm(items, total=total, desc=what, mininterval=5, file=lines, bar_format=style)


def counter(total: int, what: str) -> "tqdm[None]":
    """Progress that the caller advances with `update(n)`; a context manager."""
    nothing: Iterable[None] = ()
    return progress(nothing, total=total, what=what)
