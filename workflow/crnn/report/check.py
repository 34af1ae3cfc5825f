"""How far each row of a check came: a table, and the file that a user attaches to an issue.

It names no place of the machine and no word: words are counted, and paths lose their folders. Snakemake's own process
writes it, which need not have the packages of a stage.
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

HEAD = ("row", "built", "read", "changed against ONNX Runtime", "batching", "words/s", "ms a word", "failed step")
STEP_OF = {"flipped": "predict", "changed_by_batching": "check_batching", "changed_by_repeating": "time_words"}
ABSENT = "—"
LAST = 20  # lines of a log
# From the root, a home or a folder above, not within a word, an address or a path that begins in the working directory.
PATHS = re.compile(r"(?<![\w./…])(?:~\w*|\.\.)?(?:/[^\s/'\"`:,;=()\[\]{}|<>]+)+")
Failure = tuple[str, str]  # the rule of a step; what was run and what it said last, or the budget that it exceeded


def failure_of(job: Any) -> Failure:
    """What a job of Snakemake's said last. One without a log was not run: Snakemake stops at the first that fails."""
    command = " ".join((job.shellcmd or "").replace("\\\n", " ").split())
    log = Path(next(iter(job.log), "no log"))
    if not log.is_file():
        return f"{job.rule.name} (not run)", f"{command}\nnot run; run again with --keep-going"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST:]
    told = ("".join(letter for letter in line if letter.isprintable()) for line in lines)
    return job.rule.name, "\n".join([command, *told])


@dataclass(frozen=True)
class CheckedRow:
    """A row: what the files of its steps hold, no step where there are none, and the jobs that failed."""

    name: str
    left: Mapping[str, Sequence[Any]]
    failed: Sequence[Failure]

    @classmethod
    def read(cls, name: str, steps: Mapping[str, Sequence[str]], jobs: Sequence[Any]) -> "CheckedRow":
        """A row of `engine.check.progress`: the files of its steps, and the jobs of Snakemake's that failed."""
        left = {step: [read_json(Path(file)) for file in files] for step, files in steps.items()}
        return cls(name, left, list(map(failure_of, jobs)))

    def one(self, step: str) -> Any:
        """What a step left; None where it left nothing."""
        return next(iter(self.left.get(step, ())), None)

    @property
    def judged(self) -> dict[str, Any]:
        """What budgets are about, as a row of the report has it; of the audit only the step to the device."""
        audit, batching, run = (self.one(step) for step in ("audit", "batching", "run"))
        return {
            **dict.fromkeys(("dataset", "model", "deployment"), self.name),
            "audit": audit and audit["path"][-1],
            "batching": batching and {**batching, "changed": len({word["index"] for word in batching["changed"]})},
            "repeat_texts": run and run["repeat_texts"],
        }

    def failures(self, budgets: Mapping[str, float]) -> list[Failure]:
        """The steps that failed, and those that ended and gave more other words than they may."""
        verdicts = judge_budgets([self.judged], {name: budgets[name] for name in STEP_OF if name in budgets})
        return [*self.failed, *((STEP_OF[each.budget], str(each)) for each in verdicts if not each.kept)]

    def cells(self, budgets: Mapping[str, float]) -> tuple[str, ...]:
        """The row of the table."""
        build, read, run, judged = self.one("build"), self.one("read"), self.one("run"), self.judged
        audit, batching = judged["audit"], judged["batching"]
        words = sum(part["results"]["words"] for part in self.left.get("read", ()))
        double = ", simulated" if read and read["results"]["runtime"]["simulated"] else ""
        other = " (PyTorch)" if audit and audit["from"] == "torch" else ""
        return (
            self.name,
            f"{build['seconds']:.3g} s" if build else ABSENT,
            f"{words} words{double}" if words else ABSENT,
            f"{audit['flipped']} of {audit['samples']}{other}" if audit else ABSENT,
            f"{batching['changed']} of {batching['words']}" if batching else ABSENT,
            f"{run['e2e']['images_per_second']:,.0f}" if run else ABSENT,
            f"{run['latency_ms']['p50']:.3g}" if run else ABSENT,
            ", ".join(dict.fromkeys(step for step, _ in self.failures(budgets))) or ABSENT,
        )

    def facts(self) -> str:
        """What its build and its session say of themselves, in a line."""
        build, read = self.one("build"), self.one("read")
        said = (build["results"] if build else {}) | (read["results"]["runtime"] if read else {})
        return f"{self.name}: {json.dumps(said, ensure_ascii=False)}"


def without_paths(text: str) -> str:
    """The text, each path without its folders; what lies below the working directory keeps them."""
    for place in (Path.cwd(), Path.home()):  # which may have blanks in their names
        text = text.replace(f"{place}/", "…/")
    return PATHS.sub(lambda path: f"…/{path[0].rpartition('/')[2]}", text)


def write_check(
    rows: Sequence[CheckedRow], budgets: Mapping[str, float], versions: Mapping[str, str], output: Path
) -> str:
    """Print the table, write it with all that explains it, and return what to tell the user of rows that failed.

    versions: tool → version, where no record of a row knows better.
    """
    failures: dict[Failure, list[str]] = {}
    for row in rows:
        for failure in row.failures(budgets):
            failures.setdefault(failure, []).append(row.name)
    records = [record["tools"] for row in rows for step in ("build", "read") for record in row.left.get(step, ())]
    host = {name: value for name, value in describe_host().items() if name != "name"}
    machine = {name: value for known in (host, versions, *records) for name, value in known.items()}
    sections = [
        *((f"{step}: {', '.join(names)}", said) for (step, said), names in failures.items()),
        ("Machine and versions", "\n".join(f"{name}: {value}" for name, value in machine.items())),
        ("Devices and builds", "\n".join(row.facts() for row in rows)),
    ]
    lines = table([HEAD, *(row.cells(budgets) for row in rows)])
    details = (f"## {title}\n\n````text\n{said}\n````\n" for title, said in sections)
    write_text(output, without_paths("\n".join([f"{lines}\n", *details])))
    print(f"\n{lines}\n", flush=True)
    failed = list(dict.fromkeys(name for names in failures.values() for name in names))
    told = f"{len(failed)} of {len(rows)} rows failed the check: {', '.join(failed)}"
    return f"{told}; {output} has the last lines of each step, and is what to attach to an issue" if failed else ""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the head first, as a Markdown table whose columns stand one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [rows[0], ["-" * width for width in widths], *rows[1:]]
    padded = ((cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)
