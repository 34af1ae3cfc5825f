"""Calling stages in this process as their rules call them, and a runtime that exists for the length of a test."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import crnn.runtimes
from crnn.runtimes.registry import known_runtimes
from stage import load

FACTS = '''"""A runtime of a test."""

from crnn.runtimes.runtime import Runtime

RUNTIMES = (Runtime("{name}", "crnn.runtimes.{name}.session", ("model.bin",), tools=()),)
'''


def run_stage(name: str, words: Sequence[str]) -> None:
    """Run a stage's main with the words of a command line."""
    main, command = load(name)
    main(command.read(words))


def call(stage: str, /, **options: object) -> None:
    """Run a stage's main with its own arguments, parsed as from a command line.

    A list repeats its option, a tuple gives it several values at once.
    """
    words = []
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            several = each if isinstance(each, tuple) else (each,)
            option = f"--{name.replace('_', '-')}"
            words += [f"{option}={each}"] if len(several) == 1 else [option, *map(str, several)]
    run_stage(stage, words)


def put_runtime(runtimes: Path, name: str, session: str) -> None:
    """Write the folder of a runtime: its facts, and `session` as the source of its verbs."""
    (runtimes / name).mkdir(parents=True)
    (runtimes / name / "__init__.py").write_text(FACTS.replace("{name}", name))
    (runtimes / name / "session.py").write_text(session)


@contextmanager
def added_runtime(directory: Path, name: str, session: str) -> Iterator[str]:
    """A runtime that `crnn.runtimes` has while the block runs; gives its name."""
    put_runtime(directory, name, session)
    crnn.runtimes.__path__.append(str(directory))
    known_runtimes.cache_clear()
    try:
        yield name
    finally:
        crnn.runtimes.__path__.remove(str(directory))
        known_runtimes.cache_clear()
        for module in [each for each in sys.modules if each.startswith(f"crnn.runtimes.{name}")]:
            del sys.modules[module]
