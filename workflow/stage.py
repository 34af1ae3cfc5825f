"""Run a stage by name.

  python workflow/stage.py make_tensors --help
  crnn make_tensors --help                       the same, where the library is installed (pip install .)

Every stage is a file below workflow/stages/; its docstring is its help.
"""

import ast
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crnn.core.command import Arguments, Command

STAGES = Path(__file__).parent / "stages"
FAULT = (
    "this is a fault of the program, not of yours; please report it with the form for bugs "
    "(.github/ISSUE_TEMPLATE/bug.yml), the lines above, the command and the config"
)


def stage_files() -> dict[str, Path]:
    """Name → file of every stage, in the order of the folders."""
    return {path.stem: path for path in sorted(STAGES.glob("*/*.py")) if path.stem != "__init__"}


def overview() -> str:
    """The names of all stages with the first line of each one's help. Nothing is imported."""
    lines = [str(__doc__).strip(), ""]
    for name, path in stage_files().items():
        summary = (ast.get_docstring(ast.parse(path.read_bytes())) or "").partition("\n")[0]
        lines.append(f"  {name:<20}{summary}")
    return "\n".join(lines)


def load(name: str) -> tuple[Callable[["Arguments"], None], "Command"]:
    """What a stage does, and its command line."""
    from crnn.core.command import Command

    stage = importlib.import_module(f"stages.{stage_files()[name].parent.name}.{name}")
    command = Command(stage.__doc__, name)
    stage.arguments(command)
    return stage.main, command


@contextmanager
def faults_told(name: str) -> Iterator[None]:
    """Do the work of a program. What a user can mend becomes one line on stderr and exit status 1.

    Every other exception keeps its traceback, with a line that says so.
    """
    from crnn.core.errors import UserError, mendable

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    try:
        yield
    except Exception as error:
        said = str(error) if isinstance(error, UserError) else mendable(error)
        if said is None:
            traceback.print_exc()
            said = f"{name}: {FAULT}"
        sys.exit(f"error: {said}")


def run(main: Callable[["Arguments"], None], command: "Command") -> None:
    """Do what the command line of this process says, in a program that is no stage."""
    with faults_told(command.prog):
        main(command.read())


def main() -> None:
    """Run the stage that the command line names."""
    if sys.getfilesystemencoding() != "utf-8":  # arguments and files are UTF-8, whatever the environment says
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(overview())
        return
    if name not in stage_files():
        sys.exit(f"error: stage {name!r}: expected one of {', '.join(stage_files())}")
    sys.path.insert(0, str(STAGES.parent))
    with faults_told(name):
        work, command = load(name)
        work(command.read(sys.argv[2:]))


if __name__ == "__main__":
    main()
