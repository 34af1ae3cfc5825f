"""Say what a run would do and why: each stage that would run, by the one cause that it would run for.

  python workflow/engine/why.py [options of snakemake] [targets]

Takes the command line that the run would get, such as `--configfile mine.yaml report`, and runs nothing.
"""

import ast
import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from snakemake.cli import main as snakemake
from snakemake.workflow import Workflow

from engine.causes import Job, explain


def recorded(params: list[str] | None) -> dict[str, Any] | None:
    """The made_from among the params of an earlier run, which Snakemake keeps as reprs of values without names."""
    for text in params or []:
        value = ast.literal_eval(text)
        if isinstance(value, str) and value.startswith('{"code":'):
            return dict(json.loads(value))
    return None


def jobs_to_run(workflow: Any) -> Iterator[Job]:
    """Every job that is planned, in the order of the work, with what Snakemake found out about it."""
    dag, memory = workflow.dag, workflow.persistence
    altered = workflow.globals.get("ALTERED", {})
    levels = [sorted(level, key=lambda job: (job.rule.name, *job.wildcards)) for level in dag.toposorted()]
    planned = [job for level in levels for job in level if dag.needrun(job) and not job.is_norun]
    numbers = {job: number for number, job in enumerate(planned)}
    known = {wildcard for job in dag.jobs if memory.has_metadata(job) for wildcard in job.wildcards_dict.items()}
    for job, number in numbers.items():
        reason, record = dag.reason(job), memory.metadata(job.output[0])
        new = [" ".join(wildcard) for wildcard in job.wildcards_dict.items() if wildcard not in known]
        yield Job(
            rule=job.rule.name,
            wildcards=job.wildcards_dict,
            number=number,
            upstream=frozenset(numbers[above] for above in dag.dependencies[job] if above in numbers),
            before=recorded(record.params) if record else None,
            after=json.loads(job.params.made_from),
            missing=tuple(sorted(map(str, reason.missing_output))),
            new=new[0] if new and record is None else "",
            changed_inputs=tuple(sorted(map(str, reason.updated_input))),
            inputs_before=frozenset(record.input or []) if record else frozenset(),
            inputs_after=frozenset(map(str, job.input)),
            command_changed=bool(record and record.code and record.code != job.rule.shellcmd),
            altered=next((altered[file] for file in map(str, job.output) if file in altered), ""),
            forced=reason.forced,
        )


def main(arguments: list[str]) -> None:
    """Let Snakemake read its command line and plan the jobs, then say why instead of running them.

    Its own account of reasons is text that has no names for what changed; the plan that it has in memory has both.
    """
    plan, said = Workflow._build_dag, io.StringIO()
    found: list[str] = []

    def plan_and_explain(workflow: Workflow) -> None:
        plan(workflow)
        found.append(explain(jobs_to_run(workflow)))
        sys.exit(0)

    Workflow._build_dag = plan_and_explain
    try:
        with redirect_stdout(said), redirect_stderr(said):
            snakemake(["--quiet", "all", "--cores", "1", "--dry-run", *arguments])
    finally:
        print(*found or [said.getvalue()], file=sys.stdout if found else sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
