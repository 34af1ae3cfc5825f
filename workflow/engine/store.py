"""What earlier runs found out, kept as JSON between runs; one that cannot be read costs time and nothing else."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from crnn.core.files import write_json


class Store(dict[str, Any]):
    """Texts → facts. `path` may be relative: it counts from where Snakemake reads the rules, not from where it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        with suppress(OSError, ValueError):
            self.update(json.loads(self._path.read_text(encoding="utf-8")))
        self._kept = dict(self)

    def save(self) -> None:
        """Write it down, where anything is new."""
        if self != self._kept:
            with suppress(OSError):  # a folder that may be read only
                write_json(self._path, self)
