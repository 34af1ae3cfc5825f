"""The words that the page shows, read wrong or changed between two stages: columns for its script, and a run's path.

Every text is made visible first (`crnn.report.format.visible`) and edits are between visible texts, so the script knows
nothing of characters. Runs that read a word alike share the entry.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.data.labels import LabelPolicy
from crnn.report.format import FLIP_KINDS, visible
from crnn.report.inputs import Object, Run
from crnn.score.accuracy import edits_between, judge

# Bytes of an entry on the page besides its texts (brackets, commas, numbers), measured and rounded up.
WORD_BYTES, READING_BYTES, FLIP_BYTES = 24, 48, 64


def judged(run: Run) -> pl.DataFrame:
    """The run's words as `crnn.score.accuracy.judge` judges them.

    Raises UserError where the number of right words is not the one that run.json states.
    """
    policy = LabelPolicy.from_settings(read_json(run.files.contract)["label_policy"])
    words = judge(run.samples, run.predictions, policy)
    correct = int(words["correct"].sum())
    if correct != run.row["correct"]:
        raise UserError(
            f"{', '.join(map(str, run.files.predictions))}: {correct} words are right, but {run.files.run} states "
            f"{run.row['correct']}; they are not of one run, remove them and run again"
        )
    return words


def before_the_path(run: Run, words: pl.DataFrame) -> pl.DataFrame:
    """What the reference read: the run's judged words with every change on its audit path undone."""
    order = {step["from"]: place for place, step in enumerate(run.row["audit"]["path"])}
    first = (
        run.flips.with_columns(place=pl.col("from").replace_strict(order, return_dtype=pl.Int64))
        .sort("place")
        .unique("index", keep="first")
        .select("index", before="text_from", was="confidence_from")
    )
    undone = words.join(first, on="index", how="left", maintain_order="left")
    text = pl.coalesce("before", "text")
    return undone.with_columns(
        text=text,
        confidence=pl.coalesce("was", "confidence"),
        correct=pl.col("scorable") & (text == pl.col("label")),
    )


def _shown(column: str) -> pl.Expr:
    return pl.col(column).fill_null("").map_elements(visible, return_dtype=pl.String)


def _wrong(words: pl.DataFrame, reader: int) -> pl.DataFrame:
    """Scorable words read wrong. Confidences have three digits, by which equal readings meet."""
    wrong = words.filter(pl.col("scorable") & ~pl.col("correct"))
    read = {"text": _shown("text"), "confidence": pl.col("confidence").round(3), "reader": pl.lit(reader)}
    return wrong.select(word="index", label=_shown("label"), **read)


def _flips(run: Run, step: Object) -> pl.DataFrame:
    """The words that one step of a run's path changed, in the order of the words."""
    return (
        run.flips.filter((pl.col("from") == step["from"]) & (pl.col("to") == step["to"]))
        .sort("index")
        .select(
            *(pl.col("index").alias("word"), _shown("label"), pl.col("kind").replace(FLIP_KINDS)),
            *(_shown("text_from").alias("before"), _shown("text_to").alias("after")),
            *(pl.col("confidence_from").round(3).alias("was"), pl.col("confidence_to").round(3).alias("is")),
        )
    )


class DatasetWords:
    """The words of one dataset that some run misread or some step changed.

    A reader of the words is a deployment, or the reference of the deployments of one width rule.
    """

    def __init__(self, runs: Sequence[Run], names: Sequence[str]) -> None:
        self.runs = runs
        self.readers: list[Object] = [{"name": name, "reference": False} for name in names]
        self.reference_of: list[int] = []  # of each run, its reference among the readers; itself where it has none
        self.readings = (
            pl.concat(self._read())
            .group_by("word", "label", "text", "confidence")
            .agg(pl.col("reader").sort())
            .sort("word", "text", "confidence")
        )
        self.steps: list[tuple[str, str, pl.DataFrame]] = []  # from, to and the words that changed on the way
        self.step_of: dict[tuple[int, str, str], int] = {}  # run, from and to of a step that changed words: its place
        self._find_steps()

    def _read(self) -> list[pl.DataFrame]:
        frames, known = [], dict[tuple[str, str, str], int]()
        for place, run in enumerate(self.runs):
            words, row = judged(run), run.row
            frames.append(_wrong(words, place))
            key = (row["model"], row["widths"], row["audit"]["reference"])
            if row["audit"]["path"] and key not in known:
                known[key] = len(self.readers)
                self.readers.append({"name": f"{key[2]}, {key[1]}", "reference": True})
                frames.append(_wrong(before_the_path(run, words), known[key]))
            self.reference_of.append(known[key] if row["audit"]["path"] else place)
        return frames

    def _find_steps(self) -> None:
        """Steps that changed words; runs on whose path a step changed the very same ones share it."""
        known: dict[tuple[object, ...], int] = {}
        for place, run in enumerate(self.runs):
            for step in run.row["audit"]["path"]:
                if not step["flipped"]:
                    continue
                ends, flips = (step["from"], step["to"]), _flips(run, step)
                number = known.setdefault((*ends, *flips.select("word", "before", "after").rows()), len(known))
                self.step_of[place, *ends] = number
                if number == len(self.steps):
                    self.steps.append((*ends, flips))

    @cached_property
    def order(self) -> pl.DataFrame:
        """Every word with its label and the bytes it takes, as words are kept and given pictures.

        Changed words come first, then wrong ones by confidence.
        """
        size = pl.col("text").str.len_bytes() + READING_BYTES + 4 * pl.col("reader").list.len()
        parts = [self.readings.select("word", "label", "confidence", changed=False, bytes=size)]
        size = pl.col("before").str.len_bytes() + pl.col("after").str.len_bytes() + FLIP_BYTES
        parts += [flips.select("word", "label", confidence="is", changed=True, bytes=size) for *_, flips in self.steps]
        return (
            pl.concat(parts, how="vertical_relaxed")
            .group_by("word")
            .agg(
                pl.col("label").first(),
                pl.col("confidence").max(),
                pl.col("changed").any(),
                pl.col("bytes").sum() + pl.col("label").first().str.len_bytes() + WORD_BYTES,
            )
            .sort("changed", "confidence", "word", descending=[True, True, False], nulls_last=True)
            .select("word", "label", "bytes")
        )

    def kept(self, limit: int) -> pl.DataFrame:
        """The first words of `order` that take at most `limit` bytes, in the order of interest."""
        return self.order.filter(pl.col("bytes").cum_sum() <= limit)

    def columns(self, kept: pl.DataFrame) -> Object:
        """What the script gets of the words `kept`. A word is named by its place among them, in the dataset's order."""
        words = kept.sort("word")
        place = {word: number for number, word in enumerate(words["word"])}
        unscorable = set(self.runs[0].samples.filter(pl.col("status") != "ok")["index"])
        pairs: dict[tuple[str, str], int] = {}
        readings = self.readings.filter(pl.col("word").is_in(list(place)))
        edits = _edits(readings.select("label", "text"), lambda *pair: pairs.setdefault(pair, len(pairs)))
        return {
            "readers": self.readers,
            "total": self.order.height,
            "words": {
                **{"index": words["word"].to_list(), "label": words["label"].to_list()},
                "unscorable": [number for word, number in place.items() if word in unscorable],
            },
            "pairs": [list(pair) for pair in pairs],
            "readings": {
                "word": [place[index] for index in readings["word"]],
                "text": readings["text"].to_list(),
                "confidence": readings["confidence"].to_list(),
                "readers": readings["reader"].to_list(),
                "edits": edits,
            },
            "steps": [self._step_columns(*step, place) for step in self.steps],
        }

    def _step_columns(self, source: str, target: str, changed: pl.DataFrame, place: dict[int, int]) -> Object:
        flips = changed.filter(pl.col("word").is_in(list(place)))
        return {
            **{"from": source, "to": target},
            "word": [place[index] for index in flips["word"]],
            **{name: flips[name].to_list() for name in ("before", "after", "was", "is", "kind")},
            "edits": _edits(flips.select("before", "after"), lambda *_: 0),
        }


def _edits(texts: pl.DataFrame, number: Callable[[str, str], int]) -> list[list[int]]:
    """Of every row of two texts, three numbers for each edit: its place in either, and that of its characters."""
    made = (edits_between(text, other) for text, other in texts.iter_rows())
    return [[each for a, b, x, y in edits for each in (a, b, number(x, y))] for edits in made]


def bad_records(run: Run, limit: int) -> tuple[list[Object], int]:
    """The first `limit` records of a run's dataset that could not be scored, as stored, and how many there are.

    `outside`: the characters of the label outside the charset.
    """
    bad = run.samples.filter(pl.col("status") != "ok").sort("status", "index")
    return bad.head(limit).select("index", "key", "status", "label", "outside").to_dicts(), bad.height


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


def path_of(place: int, words: DatasetWords) -> list[Stage]:
    """The audit of the run at `place` among those of `words`, as its path from the dataset to the build."""
    row = words.runs[place].row
    steps = row["audit"]["path"]
    readable = row["samples"] - row["unscorable"]
    right = row["correct"] - sum(step["fixed"] - step["broken"] for step in steps)
    name = row["audit"]["reference"] if steps else row["deployment"]
    told = f"read wrong by {name}, most confident first"
    wrong = Edge(readable - right, "read wrong", told, reader=words.reference_of[place])
    path = [
        Stage("dataset", row["samples"], "records", Edge(row["unscorable"], "unusable")),
        Stage("tensors", readable, "readable", wrong),
    ]
    for step in steps:
        note = f"{step['fixed']} gained, {step['broken']} lost" if step["flipped"] else ""
        number = words.step_of.get((place, step["from"], step["to"]))
        told = f"changed from {step['from']} to {step['to']}"
        path.append(Stage(name, right, "right", Edge(step["flipped"], "flipped", told, note, step=number)))
        name, right = step["to"], right + step["fixed"] - step["broken"]
    return [*path, Stage(name, right, "right", None)]
