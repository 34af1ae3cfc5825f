"""What YAML makes of a config without a word: of two equal keys the last, of a name a number or a truth value.

Not here: what the keys mean (`engine.config`).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml


def repeated_keys(files: Iterable[Path]) -> Iterator[str]:
    """A fault for each key that stands twice in one mapping of a config file; of these YAML keeps the last."""
    for file in files:
        root = yaml.compose(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for name, first, again in _repeated_in(root):
            yield f"{name} is in line {first} of {file} and again in line {again}; YAML keeps the last, so join them"


def _repeated_in(node: yaml.Node | None, within: str = "") -> Iterator[tuple[str, int, int]]:
    """Dotted key, and two lines (from 1) that have it."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_in(item, within)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if name in lines:
                yield f"{within}{name}", lines[name], line
            lines[name] = line
            yield from _repeated_in(value, f"{within}{name}.")


def names_that_are_no_text(value: Any, within: str = "") -> Iterator[str]:
    """A fault for each key that YAML read as something other than text, such as `no` and `2013`."""
    if isinstance(value, list):
        for item in value:
            yield from names_that_are_no_text(item, within)
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                where = within.rstrip(".") or "the configuration"
                yield f"{where}: YAML reads a name there as {_read_as(key)}; put it in quotes"
            yield from names_that_are_no_text(inner, f"{within}{key}.")


def _read_as(key: Any) -> str:
    if isinstance(key, bool):
        return f"the truth value {str(key).lower()} (as {'yes, on and true' if key else 'no, off and false'})"
    return f"{key!r}, a value of type {type(key).__name__}"
