"""Digests of source code: what a stage's output depends on besides its inputs and parameters.

A rule carries its stage's digest as a parameter. Snakemake then reruns it when the stage, or any module of this
repository that it really imports, changes what it does, and not when a file is touched, checked out, reformatted or
given another comment. Imports are found in the source; nothing is imported. They must be absolute.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def code_digest(root: Path, *files: str) -> str:
    """16 hex digits over the syntax of `files` and of all local modules they import, and over data files' bytes.

    `files` are relative to `root`, the folder that imports start from.
    """
    digest = hashlib.sha256()
    for path in sorted(source_closure(root, [root / name for name in files])):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_meaning(path) + b"\0")
    return digest.hexdigest()[:16]


def _meaning(path: Path) -> bytes:
    """The syntax tree of a module, free of comments and layout; the bytes of anything else."""
    source = path.read_bytes()
    return ast.dump(ast.parse(source)).encode() if path.suffix == ".py" else source


def source_closure(root: Path, start: list[Path]) -> set[Path]:
    seen: set[Path] = set()
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_imports(root, path))
    return seen


def _imports(root: Path, path: Path) -> Iterator[Path]:
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            yield from _module_files(root, name)


def _module_files(root: Path, name: str) -> Iterator[Path]:
    """The file of a local module, and the __init__ of every package around it, which importing runs too."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:depth])
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                yield candidate
