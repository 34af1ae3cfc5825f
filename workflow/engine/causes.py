"""Why a job would run, in a person's words: what the engine found, compared with what it recorded, by name.

A job's `made_from` (rules/staleness.smk) holds all that its output follows from besides its inputs and its command:
config, code, tools, inputs from outside. The first difference between the recorded one and the present one is named,
in the order in which a person would have made it.

Not here: asking the engine (`engine.why`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ABSENT = object()
LONGEST = 60  # characters of a value before it is cut


@dataclass(frozen=True)
class Job:
    """A job that would run. `before` and `after` are its made_from as recorded and now, None where there is none."""

    rule: str
    wildcards: Mapping[str, str]
    number: int = 0
    upstream: frozenset[int] = frozenset()  # numbers of jobs that run before it and make its inputs
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    missing: tuple[str, ...] = ()
    new: str = ""  # what of its wildcards has no result yet, such as `deployment ort-8`
    changed_inputs: tuple[str, ...] = ()
    inputs_before: frozenset[str] = frozenset()
    inputs_after: frozenset[str] = frozenset()
    command_changed: bool = False
    altered: str = ""  # a file of its outputs that is not as its record says
    forced: bool = False


def cause(job: Job) -> str:
    """The one cause of its own that a job would run for; empty where it only follows others."""
    candidates = (
        job.altered and f"{job.altered} is not what its stage wrote",
        job.forced and "an earlier run ended before it was complete",
        job.new and f"new: {job.new}",
        job.missing and f"{job.missing[0]} is missing",
        next(_differences(job.before, job.after), ""),
        job.changed_inputs and f"input {job.changed_inputs[0]} changed",
        _input_set(job),
        job.command_changed and f"the command of rule {job.rule} changed",
    )
    return next((text for text in candidates if text), "")


def explain(jobs: Iterable[Job]) -> str:
    """Jobs by cause: each cause on a line, the jobs that run for it below; then what follows from those.

    Jobs come in the order of the work. One that only follows others is put down to the rules where that begins.
    """
    own: dict[str, dict[str, list[str]]] = {}
    following: dict[str, dict[str, list[str]]] = {}
    roots: dict[int, tuple[str, ...]] = {}
    for job in jobs:
        text = cause(job)
        above = dict.fromkeys(rule for number in sorted(job.upstream) for rule in roots.get(number, ()))
        roots[job.number] = tuple(above) or (job.rule,)
        groups = own if text else following
        name = " ".join(job.wildcards.values())
        groups.setdefault(text or _following(tuple(above)), {}).setdefault(job.rule, []).append(name)
    if not roots:
        return "Nothing to do."
    width = max(len(rule) for rules in [*own.values(), *following.values()] for rule in rules)
    blocks = [
        "\n".join([text, *(f"    {rule:<{width}}  {_listed(names)}".rstrip() for rule, names in rules.items())])
        for text, rules in [*own.items(), *following.items()]
    ]
    return "\n\n".join([*blocks, f"{len(roots)} {'job' if len(roots) == 1 else 'jobs'} would run."])


def _following(rules: tuple[str, ...]) -> str:
    if not rules:
        return "asked for"
    names = sorted(rules)
    joined = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"because {joined} {'reruns' if len(names) == 1 else 'rerun'}"


def _listed(names: list[str], most: int = 4) -> str:
    shown = ", ".join(sorted(names)[:most])
    return f"{shown}, … ({len(names)} in all)" if len(names) > most else shown


# --- differences -------------------------------------------------------------------------------------------


def _differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        return
    yield from _run_differences(before["config"].get("runs"), after["config"].get("runs"))
    for key, old, new in _changes(before["config"], after["config"]):
        yield f"config {key}: {_shown(old)} → {_shown(new)}"
    for path, old, new in _changes(before["code"], after["code"]):
        yield f"workflow/{path} {_verb(old, new)}"
    for tool, old, new in _changes(before["tools"], after["tools"]):
        yield f"{tool} {_shown(old)} → {_shown(new)}"
    for path, old, new in _changes(before["inputs"], after["inputs"]):
        yield f"input {path} {_verb(old, new)}"


def _verb(old: Any, new: Any) -> str:
    return "is new" if old is ABSENT else "is gone" if new is ABSENT else "changed"


def _changes(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, old value, new value) of every value that differs; a list is one value."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        if before != after:
            yield key, before, after
        return
    for name in [*before, *(name for name in after if name not in before)]:
        inner = f"{key}.{name}" if key else name
        yield from _changes(before.get(name, ABSENT), after.get(name, ABSENT), inner)


def _run_differences(before: list[str] | None, after: list[str] | None) -> Iterator[str]:
    """Datasets, models and deployments that came or went, from the runs of a report: `dataset model deployment …`."""
    if before is None or after is None or before == after:
        return
    for place, what in enumerate(("dataset", "model", "deployment")):
        old, new = ([run.split()[place] for run in runs] for runs in (before, after))
        yield from (f"new: {what} {name}" for name in dict.fromkeys(new) if name not in old)
        yield from (f"removed: {what} {name}" for name in dict.fromkeys(old) if name not in new)
    yield "the order of the runs changed"


def _input_set(job: Job) -> str:
    if not job.inputs_before:
        return ""
    added, gone = sorted(job.inputs_after - job.inputs_before), sorted(job.inputs_before - job.inputs_after)
    return f"input {added[0]} is new" if added else f"input {gone[0]} is no longer used" if gone else ""


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "(none)"
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
