"""What earlier runs found out, kept as JSON between runs; one that cannot be read costs time and nothing else."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crnn.core.files import write_json


@dataclass
class Store:
    """Texts → facts. `path` may be relative: it counts from where Snakemake reads the rules, not from where it ends."""

    path: Path
    _known: dict[str, Any] = field(default_factory=dict)
    _fresh: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = self.path.absolute()
        with suppress(OSError, ValueError):
            self._known = json.loads(self.path.read_text(encoding="utf-8"))

    def get(self, key: str) -> Any:
        """What is known of `key`; None where nothing is."""
        return self._fresh.get(key, self._known.get(key))

    def put(self, key: str, fact: Any) -> None:
        """Remember what was found out."""
        self._fresh[key] = fact

    def save(self) -> None:
        """Write it down, where anything is new."""
        if self._fresh:
            with suppress(OSError):  # a folder that may be read only
                write_json(self.path, self._known | self._fresh)
