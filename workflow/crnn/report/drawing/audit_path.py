"""The audit of one run as a path: stages with what each read right, and between them the words that changed.

Not here: the words themselves (`crnn.report.words`), how the path looks (`page.html.j2`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from crnn.report.inputs import Run
from crnn.report.words import DatasetWords


@dataclass(frozen=True)
class Stage:
    """One stop: its name, how many words there are or were read right, and which of the two `words` says."""

    name: str
    words: int
    right: bool


@dataclass(frozen=True)
class Edge:
    """What happened to words between two stops; `reader` or `step` name the words among those of the dataset."""

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
class AuditPath:
    """Stages and the edges between them, one fewer."""

    run: Run
    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]

    def __iter__(self) -> Iterator[tuple[Stage, Edge | None]]:
        """Every stage with the edge that leads on from it."""
        return iter(zip(self.stages, (*self.edges, None), strict=True))


def path_of(run: Run, place: int, words: DatasetWords) -> AuditPath:
    """From the dataset to the build of the run at `place` among those of `words`."""
    samples, unusable = run.scores.samples, run.scores.unscorable
    steps = run.audit.path
    right = run.scores.correct - sum(step.fixed - step.broken for step in steps)
    reference = words.reference_of[place]
    stages = [Stage("dataset", samples, False), Stage("tensors", samples - unusable, False)]
    stages.append(Stage(run.audit.reference if steps else run.files.deployment, right, True))
    reader = place if reference is None else reference
    edges = [
        Edge("dataset", "tensors", unusable, "unusable"),
        Edge("tensors", stages[-1].name, samples - unusable - right, "read wrong", reader=reader),
    ]
    for step in steps:
        right += step.fixed - step.broken
        stages.append(Stage(step.target, right, True))
        note = f"{step.fixed} gained, {step.broken} lost" if step.flipped else ""
        edges.append(Edge(step.source, step.target, step.flipped, "flipped", note, step=words.step_of(place, step)))
    return AuditPath(run, tuple(stages), tuple(edges))
