"""What a target module declares, read from its source: the rules need it, and its toolchain need not be installed."""

import ast
from pathlib import Path


def built_files(module: Path) -> tuple[str, ...]:
    """The value of the module's `FILES`: names of the files its `build` writes.

    Raises ValueError where the module does not assign FILES a literal tuple of names.
    """
    for node in ast.parse(module.read_bytes()).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == "FILES" for name in node.targets
        ):
            files = ast.literal_eval(node.value)
            if isinstance(files, tuple) and files and all(isinstance(name, str) for name in files):
                return files
    raise ValueError(f'{module}: expected FILES = ("…",), a literal tuple with the names of the files it builds')


def declared_targets(folder: Path) -> dict[str, tuple[str, ...]]:
    """Every target module of a folder with the files it builds, by name."""
    return {path.stem: built_files(path) for path in sorted(folder.glob("[!_]*.py"))}
