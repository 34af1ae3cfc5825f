"""What takes long to make: one worker of pytest-xdist makes it, the others wait and find it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, once for all workers. They share it, so nobody may change it."""
    base = factory.getbasetemp()
    made = (base.parent / "all" if "PYTEST_XDIST_WORKER" in os.environ else base) / "once" / name
    made.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(made.with_suffix(".lock")):
        if not made.with_suffix(".made").exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            make(made)
            made.with_suffix(".made").touch()
    return made


def copied(factory: pytest.TempPathFactory, made: Path) -> Path:
    """A copy of a folder for one worker, whose tests may change it."""
    return shutil.copytree(made, factory.mktemp(made.name) / made.name, symlinks=True)
