"""How far each row of a check came: a table, and the file that a user attaches to an issue.

Nothing in it names a place of the machine, or a word: words are counted, and paths lose their folders. Snakemake's own
process writes it, which need not have the packages of a stage.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crnn.core.files import read_json, write_text
from crnn.core.record import describe_host
from crnn.score.budgets import judge_budgets

HEAD = (
    "row",
    "built",
    "read",
    "changed against ONNX Runtime",
    "batching",
    "words a second",
    "ms a word",
    "failed step",
)
STEP_OF = {"flipped": "predict", "changed_by_batching": "check_batching", "changed_by_repeating": "time_words"}
ABSENT = "—"
LAST = 20  # lines of a log
# From the root, a home or a folder above, not within a word, an address or a path that begins in the working directory.
PATHS = re.compile(r"(?<![\w./…])(?:~\w*|\.\.)?(?:/[^\s/'\"`:,;=()\[\]{}|<>]+)+")


@dataclass(frozen=True)
class Failure:
    """A step that failed: the name of its rule, what was run, and the last lines of its log or what was exceeded."""

    step: str
    command: str
    said: str


@dataclass(frozen=True)
class CheckedRow:
    """A row: what its steps left, a list of JSON objects each and nothing where they left none, and what failed."""

    name: str
    left: Mapping[str, Sequence[Any]]
    failures: tuple[Failure, ...]

    @classmethod
    def read(cls, entry: Mapping[str, Any], budgets: Mapping[str, float]) -> "CheckedRow":
        """A row of `engine.check.checked_rows`, held against the budgets of the config."""
        left = {step: [read_json(Path(file)) for file in files] for step, files in entry["files"].items()}
        row = cls(entry["name"], left, tuple(map(failure_of, entry["failed"])))
        return cls(row.name, left, (*row.failures, *row.exceeded(budgets)))

    def one(self, step: str) -> Any:
        """What a step left; None where it left nothing."""
        return next(iter(self.left.get(step, ())), None)

    @property
    def judged(self) -> dict[str, Any]:
        """What budgets are about, as a row of the report has it; of the audit only the step to the device."""
        audit, batching, run = (self.one(step) for step in ("audit", "batching", "run"))
        return {
            "audit": audit and audit["path"][-1],
            "batching": batching and {**batching, "changed": len({word["index"] for word in batching["changed"]})},
            "repeat_texts": run and run["repeat_texts"],
        }

    def exceeded(self, budgets: Mapping[str, float]) -> list[Failure]:
        """The steps that ended and gave other words than they may."""
        allowed = {name: budgets[name] for name in STEP_OF if name in budgets}
        verdicts = judge_budgets([dict.fromkeys(("dataset", "model", "deployment"), "") | self.judged], allowed)
        return [
            Failure(STEP_OF[each.budget], "", f"{each.budget} is {each.value:g}, over the budget of {each.allowed:g}")
            for each in verdicts
            if not each.kept
        ]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        build, run, judged = self.one("build"), self.one("run"), self.judged
        audit, batching = judged["audit"], judged["batching"]
        words = sum(part["results"]["words"] for part in self.left.get("read", ()))
        double = ", simulated" if words and self.one("read")["results"]["runtime"]["simulated"] else ""
        other = " (PyTorch)" if audit and audit["from"] == "torch" else ""
        return (
            self.name,
            f"{build['seconds']:.3g} s" if build else ABSENT,
            f"{words} words{double}" if words else ABSENT,
            f"{audit['flipped']} of {audit['samples']}{other}" if audit else ABSENT,
            f"{batching['changed']} of {batching['words']}" if batching else ABSENT,
            f"{run['e2e']['images_per_second']:,.0f}" if run else ABSENT,
            f"{run['latency_ms']['p50']:.3g}" if run else ABSENT,
            ", ".join(dict.fromkeys(each.step for each in self.failures)) or ABSENT,
        )


def failure_of(job: Mapping[str, Any]) -> Failure:
    """What a job said last. One without a log was not run, for Snakemake stops at the first that fails."""
    log = job["log"] and Path(job["log"])
    if not log or not log.is_file():
        return Failure(f"{job['step']} (not run)", job["command"], "not run; run again with --keep-going")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST:]
    told = ("".join(letter for letter in line if letter.isprintable()) for line in lines)
    return Failure(job["step"], job["command"], "\n".join(told))


def without_paths(text: str) -> str:
    """The text, each path without its folders; what lies below the working directory keeps them."""
    for place in (Path.cwd(), Path.home()):  # which may have blanks in their names
        text = text.replace(f"{place}/", "…/")
    return PATHS.sub(lambda path: f"…/{path[0].rpartition('/')[2]}", text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the head first, as a Markdown table whose columns stand one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *others = rows
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *others)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_check(
    checked: Sequence[Mapping[str, Any]], budgets: Mapping[str, float], versions: Mapping[str, str], output: Path
) -> str:
    """Print the table, write it with all that explains it, and return what to tell the user of rows that failed.

    checked: of `engine.check.checked_rows`; versions: tool → version, of those that no record of a row has.
    """
    rows = [CheckedRow.read(entry, budgets) for entry in checked]
    lines = table([HEAD, *(row.cells for row in rows)])
    write_text(output, without_paths("\n\n".join([lines, *sections(rows, versions)]) + "\n"))
    print(f"\n{lines}\n", flush=True)
    failed = [row.name for row in rows if row.failures]
    told = f"{len(failed)} of {len(rows)} rows failed the check: {', '.join(failed)}"
    return f"{told}; {output} has the last lines of each step, and is what to attach to an issue" if failed else ""


def sections(rows: Sequence[CheckedRow], versions: Mapping[str, str]) -> list[str]:
    """What stands behind the table: each failure with its rows, the machine, and what builds and sessions say."""
    failures: dict[Failure, list[str]] = {}
    for row in rows:
        for failure in row.failures:
            failures.setdefault(failure, []).append(row.name)
    recorded = [record["tools"] for row in rows for step in ("build", "read") for record in row.left.get(step, ())]
    host = {name: value for name, value in describe_host().items() if name != "name"}
    machine = {name: value for known in (host, versions, *recorded) for name, value in known.items()}
    told = [
        *((f"{each.step}: {', '.join(names)}", [each.command, each.said]) for each, names in failures.items()),
        ("Machine and versions", [f"{name}: {value}" for name, value in machine.items()]),
        ("Devices and builds", [facts(row) for row in rows]),
    ]
    return ["\n".join([f"## {title}\n\n````text", *filter(None, said), "````"]) for title, said in told]


def facts(row: CheckedRow) -> str:
    """What a row's build and session say of themselves, in a line."""
    build, read = row.one("build"), row.one("read")
    said = {**(build["results"] if build else {}), **(read["results"]["runtime"] if read else {})}
    return f"{row.name}: {json.dumps(said, ensure_ascii=False)}"
