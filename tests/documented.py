"""The commands that the documentation shows, with what it shows of their output.

A block of commands is fenced as `console`. A line that begins with `$ ` is a command, a `\\` at its end goes on with
the next line, and other lines are output, of which those with `…` stand for what is left out. A comment above the
block says which of its commands the tests do not run as they stand, and why: `dry run` where Snakemake shall only plan
them, `not run` where nothing shall happen. With beginnings of commands in backticks it means those alone:

    <!-- not run, `docker`: needs a container engine -->
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"^( *)```([^`\n]*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"<!-- (dry run|not run)((?:, `[^`]+`)*): (\S[^>]*) -->\Z")
HERE = re.compile(r"<<'?(\w+)'?")


@dataclass(frozen=True)
class Command:
    """What to give to a shell, and the lines that the page shows behind it; `mode` is `run`, `dry run` or `not run`."""

    text: str
    output: tuple[str, ...]
    mode: str = "run"


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of a page, without the blanks that indent it, and the mark above it."""

    place: str
    language: str
    body: str
    mark: re.Match[str] | None

    @property
    def commands(self) -> list[Command]:
        """The commands of a console block, in order; none of another."""
        entries = re.split(r"^\$ ", self.body, flags=re.MULTILINE)[1:] if self.language == "console" else []
        return [self._command(entry) for entry in entries]

    def _command(self, entry: str) -> Command:
        lines = entry.splitlines()
        here = HERE.search(lines[0])
        last = next(i for i, line in enumerate(lines) if (line == here[1] if here else not line.endswith("\\")))
        text = "\n".join(lines[: last + 1])
        output = tuple(line for line in lines[last + 1 :] if line.strip())
        meant = re.findall(r"`([^`]+)`", self.mark[2]) if self.mark else []
        if self.mark is None or (meant and not text.startswith(tuple(meant))):
            return Command(text, output)
        return Command(text, output, self.mark[1])


def code_blocks(page: Path) -> list[CodeBlock]:
    """Every fenced block of a page."""
    text, found = page.read_text(), []
    for match in FENCE.finditer(text):
        body = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        line = text[: match.start()].count("\n") + 1
        mark = MARK.search(text[: match.start()].rstrip())
        found.append(CodeBlock(f"{page.name}:{line}", match[2], body, mark))
    return found


def commands(page: Path) -> list[Command]:
    """Every command of a page, in order."""
    return [command for block in code_blocks(page) for command in block.commands]


def named_files(page: Path) -> dict[str, str]:
    """Files that a page shows whole: blocks whose first line is a comment that begins with the file's name."""
    files = {}
    for block in code_blocks(page):
        name = re.match(r"# ([\w.]+\.(?:yaml|py))\b", block.body)
        if block.language in {"yaml", "python"} and name:
            files[name[1]] = block.body
    return files
