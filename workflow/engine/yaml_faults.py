"""What YAML makes of a config file without a word: of two equal keys the last, of a name a number or a truth value."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

TAG = "tag:yaml.org,2002:"
NAMES = {f"{TAG}str", f"{TAG}merge"}  # how YAML may read a key that is a name


def yaml_faults(files: Iterable[Path]) -> Iterator[str]:
    """A fault for each key that stands twice in one mapping of a file, or that YAML does not read as a text."""
    for file in files:
        yield from _faults_in(yaml.compose(file.read_text(encoding="utf-8"), yaml.CSafeLoader), str(file))


def _faults_in(node: yaml.Node | None, file: str, within: str = "") -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _faults_in(item, file, within)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line, name, kind = key.start_mark.line + 1, str(key.value), key.tag.removeprefix(TAG)
            if name in lines:
                again = f"is in line {lines[name]} of {file} and again in line {line}"
                yield f"{within}{name} {again}; YAML keeps the last, so join them"
            if key.tag not in NAMES:
                yield f"{within}{name} is no name for YAML, but of type {kind} ({file}, line {line}); put it in quotes"
            lines[name] = line
            yield from _faults_in(value, file, f"{within}{name}.")
