"""The audit of one run as a path: stages with what each read right, and between them the words that changed."""

from dataclasses import dataclass

from crnn.report.inputs import Run
from crnn.report.words import DatasetWords


@dataclass(frozen=True)
class Edge:
    """What happened to words between two stages; `reader` or `step` name the words among those of the dataset."""

    count: int
    verb: str
    what: str = ""
    note: str = ""
    reader: int | None = None
    step: int | None = None

    @property
    def title(self) -> str:
        return f"{self.count:,} word{'' if self.count == 1 else 's'} {self.what}"


@dataclass(frozen=True)
class Stage:
    """One stop: its name, how many words there are and what they are, and the edge that leads to the next stop."""

    name: str
    words: int
    what: str
    edge: Edge | None


def path_of(run: Run, place: int, words: DatasetWords) -> list[Stage]:
    """From the dataset to the build of the run at `place` among those of `words`."""
    row, steps = run.row, run.row["audit"]["path"]
    readable = row["samples"] - row["unscorable"]
    right = row["correct"] - sum(step["fixed"] - step["broken"] for step in steps)
    first = row["audit"]["reference"] if steps else row["deployment"]
    told = f"read wrong by {first}, most confident first"
    wrong = Edge(readable - right, "read wrong", told, reader=words.reference_of[place])
    path = [
        Stage("dataset", row["samples"], "records", Edge(row["unscorable"], "unusable")),
        Stage("tensors", readable, "readable", wrong),
    ]
    name = first
    for step in steps:
        note = f"{step['fixed']} gained, {step['broken']} lost" if step["flipped"] else ""
        number = words.step_of.get((place, step["from"], step["to"]))
        told = f"changed from {step['from']} to {step['to']}"
        path.append(Stage(name, right, "right", Edge(step["flipped"], "flipped", told, note, step=number)))
        name, right = step["to"], right + step["fixed"] - step["broken"]
    return [*path, Stage(name, right, "right", None)]
