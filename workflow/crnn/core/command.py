"""What every stage command shares: a command line that knows the options of many stages, logging, progress."""

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from tqdm import tqdm

LOG = logging.getLogger("crnn")
Item = TypeVar("Item")


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


def sha256_hex(text: str) -> str:
    """Argparse type: a SHA-256 as 64 hexadecimal digits, returned in lower case."""
    digest = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError(f"{text!r} is not a SHA-256; expected 64 hexadecimal digits")
    return digest


class Arguments(argparse.Namespace):
    """What a stage was told: an attribute for every option, and the `command` that parsed them."""

    command: "Command"


class Command(argparse.ArgumentParser):
    """The command line of a stage, whose module docstring is the help."""

    def __init__(self, documentation: str | None, stage: str = "") -> None:
        super().__init__(
            prog=f"crnn {stage}" if stage else None,
            description=documentation,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.stage = stage
        self.set_defaults(command=self)

    def read(self, words: Sequence[str] | None = None) -> Arguments:
        """Parse the words of a command line, by default those of this process."""
        return self.parse_args(words, Arguments())

    def settings(self, args: Arguments) -> dict[str, Any]:
        """The values of all options that are no paths."""
        options = [action.dest for action in self._actions if action.type not in (Path, named_path)]
        return {name: getattr(args, name) for name in options if name != "help"}

    def add_path(self, option: str, help: str | None = None, *, required: bool = True, **more: Any) -> None:
        """A file or folder."""
        self.add_argument(option, type=Path, required=required, help=help, **more)

    def add_paths(self, option: str, help: str, **more: Any) -> None:
        """One or more files or folders, such as those of the parts of a dataset, in order."""
        self.add_path(option, help, nargs="+", **more)

    def add_json(self, option: str, help: str, *, required: bool = True) -> None:
        """A JSON object."""
        self.add_argument(option, type=json_object, required=required, help=help)

    def add_labels(self) -> None:
        self.add_json("--labels", "label policy, as in config `labels`")

    def add_threads(self) -> None:
        self.add_argument("--threads", type=int, default=1, help="CPU cores to use (default: 1)")

    def add_output(self, help: str, *, record: bool = True, **more: Any) -> None:
        """--output, and --record beside it."""
        self.add_path("--output", help, **more)
        if record:
            self.add_record()

    def add_record(self, *, required: bool = True) -> None:
        self.add_path("--record", "file for the record of what the stage did", required=required)


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
    return progress(cast(Iterable[None], ()), total=total, what=what)
