"""The audit of one run as a path: stages with what each read right, and between them the words that changed."""

from dataclasses import dataclass

from crnn.report.inputs import Run
from crnn.report.words import DatasetWords


@dataclass(frozen=True)
class Edge:
    """What happened to words between two stages; `reader` or `step` name the words among those of the dataset."""

    source: str
    target: str
    count: int
    verb: str
    note: str = ""
    reader: int | None = None
    step: int | None = None

    @property
    def title(self) -> str:
        noun = "word" if self.count == 1 else "words"
        if self.step is not None:
            return f"{self.count:,} {noun} changed from {self.source} to {self.target}"
        return f"{self.count:,} {noun} read wrong by {self.target}, most confident first"


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
    wrong = Edge("tensors", first, readable - right, "read wrong", reader=words.reference_of[place])
    path = [
        Stage("dataset", row["samples"], "records", Edge("dataset", "tensors", row["unscorable"], "unusable")),
        Stage("tensors", readable, "readable", wrong),
    ]
    name = first
    for step in steps:
        note = f"{step['fixed']} gained, {step['broken']} lost" if step["flipped"] else ""
        number = words.step_of.get((place, step["from"], step["to"]))
        edge = Edge(step["from"], step["to"], step["flipped"], "flipped", note, step=number)
        path.append(Stage(name, right, "right", edge))
        name, right = step["to"], right + step["fixed"] - step["broken"]
    return [*path, Stage(name, right, "right", None)]
