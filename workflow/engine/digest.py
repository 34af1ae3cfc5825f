"""Digests of source code: what a stage's output depends on besides its inputs and parameters.

A rule carries the digests of its stage's modules as a parameter. Snakemake then reruns it when the stage, or any module
of this repository that it really imports, changes what it does, and not when a file is touched, checked out,
reformatted or given another comment or docstring. Imports are found in the source; nothing is imported. They must be
absolute.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def module_digests(root: Path, *files: str) -> dict[str, str]:
    """Path → 16 hex digits, for `files` and all local modules they import, however indirectly.

    A module's digest is taken over its syntax tree, that of any other file over its bytes. `files` and the paths are
    relative to `root`, the folder that imports start from.
    """
    closure = source_closure(root, [root / name for name in files])
    return {path.relative_to(root).as_posix(): _digest(path) for path in sorted(closure)}


def imported_packages(root: Path, *files: str) -> set[str]:
    """Top-level names of everything that `files` and their local modules import, local or not."""
    closure = source_closure(root, [root / name for name in files])
    return {name.partition(".")[0] for path in closure for name in _imported_names(path)}


def source_closure(root: Path, start: list[Path]) -> set[Path]:
    """The files of `start` and every local module that they import, however indirectly."""
    seen: set[Path] = set()
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(file for name in _imported_names(path) for file in _module_files(root, name))
    return seen


def forget() -> None:
    """Read every file anew from here on; without it a file is read once in a process."""
    for remembered in (_tree, _digest, _imported_names, _module_files):
        remembered.cache_clear()


@cache
def _tree(path: Path) -> ast.Module:
    """The syntax tree of a module: what it does, free of comments, docstrings and layout."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return tree


@cache
def _digest(path: Path) -> str:
    meaning = ast.dump(_tree(path)).encode() if path.suffix == ".py" else path.read_bytes()
    return hashlib.sha256(meaning).hexdigest()[:16]


@cache
def _imported_names(path: Path) -> tuple[str, ...]:
    """Every dotted name that the import statements of a module may load, wherever in it they stand."""
    return tuple(_names_in(path)) if path.suffix == ".py" else ()


def _names_in(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _module_files(root: Path, name: str) -> tuple[Path, ...]:
    """The file of a local module, and the __init__ of every package around it, which importing runs too."""
    parts = name.split(".")
    bases = [root.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    candidates = (file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py"))
    return tuple(file for file in candidates if file.is_file())
