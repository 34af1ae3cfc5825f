"""Digests of source code: what a stage's output depends on besides its inputs and parameters.

A rule carries the digests of its stage's modules as a parameter. Snakemake then reruns it when the stage, or any module
of this repository that it really imports, changes what it does, and not when a file is touched, checked out,
reformatted or given another comment or docstring. Imports are found in the source; nothing is imported. They must be
absolute.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Source(NamedTuple):
    """What a file says. digest: 16 hex digits; names: every dotted name that its import statements may load."""

    digest: str
    names: list[str]


@dataclass
class Modules:
    """The modules below `root`, the folder that imports start from; each is read once.

    Reading a syntax tree takes longer than everything else that a run does where nothing is to be done, so what was
    found is remembered in `store`, by the hash of a file's bytes.
    """

    root: Path
    store: dict[str, Any] = field(default_factory=dict)
    _sources: dict[Path, Source] = field(default_factory=dict)
    _files: dict[str, list[Path]] = field(default_factory=dict)
    _closures: dict[tuple[str, ...], set[Path]] = field(default_factory=dict)

    def digests(self, *files: str) -> dict[str, str]:
        """Path → 16 hex digits, for `files` and all local modules they import, however indirectly.

        A module's digest is taken over its syntax tree, that of any other file over its bytes. `files` and the paths
        are relative to the root.
        """
        closure = sorted(self.closure(files))
        return {path.relative_to(self.root).as_posix(): self._source(path).digest for path in closure}

    def packages(self, *files: str) -> set[str]:
        """Top-level names of everything that `files` and their local modules import, local or not."""
        return {name.partition(".")[0] for path in self.closure(files) for name in self._source(path).names}

    def closure(self, files: tuple[str, ...]) -> set[Path]:
        """`files` and every local module that they import, however indirectly."""
        if files not in self._closures:
            seen: set[Path] = set()
            waiting = [self.root / name for name in files]
            while waiting:
                path = waiting.pop()
                if path not in seen:
                    seen.add(path)
                    waiting.extend(file for name in self._source(path).names for file in self._files_of(name))
            self._closures[files] = seen
        return self._closures[files]

    def _files_of(self, name: str) -> list[Path]:
        """The file of a local module, and the __init__ of every package around it, which importing runs too."""
        if name not in self._files:
            parts = name.split(".")
            bases = [self.root.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
            candidates = (file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py"))
            self._files[name] = [file for file in candidates if file.is_file()]
        return self._files[name]

    def _source(self, path: Path) -> Source:
        if path not in self._sources:
            data = path.read_bytes()
            self._sources[path] = self._remembered(data) if path.suffix == ".py" else Source(digits(data), [])
        return self._sources[path]

    def _remembered(self, source: bytes) -> Source:
        # A syntax tree is printed otherwise by another Python.
        key = hashlib.sha256(sys.version.encode() + source).hexdigest()
        if key not in self.store:
            self.store[key] = _read(source)
        return Source(*self.store[key])


def _read(source: bytes) -> Source:
    """The digest of a module's syntax tree, free of comments, docstrings and layout, and the names it imports."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return Source(digits(ast.dump(tree).encode()), list(_names_in(nodes)))


def digits(data: bytes) -> str:
    """16 hex digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def _names_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
