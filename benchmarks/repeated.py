"""A report over the words of another one several times over: its real readings repeated, scored and audited anew.

What networks read is copied; scores, audits, tables and the page come of the modules and the stage that make them in
the workflow. Times stay those of the words that were timed. Not here: measuring the page (`page.py`).
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from crnn.core.files import atomic_copy, read_json, write_json
from crnn.data.labels import LabelPolicy
from crnn.data.lmdb import Words, write_words
from crnn.report.inputs import Run, RunFiles
from crnn.report.words import before_the_path, judged
from crnn.score.accuracy import judge, score
from crnn.score.audit import compare, flips

ROOT = Path(__file__).parents[1]
PATHS = ("run", "audit", "flips", "predictions", "timings", "samples", "words")


def repeated_report(report: Path, times: int, folder: Path) -> Path:
    """Write the report over the words of `report`, `times` times, into `folder`; its own folder is returned.

    The files behind `report` must still lie where its record.json says, seen from the folder that holds `results/`.
    """
    base = report.resolve().parents[1]
    told = read_json(report / "record.json")["parameters"]
    repeat = Repeat(times, folder)
    runs = [repeat.run({**run, **{name: _below(base, run[name]) for name in PATHS}}) for run in told["runs"]]
    inputs = json.dumps({**told, "runs": runs, "previous": None})
    made = folder / "report"
    command = [sys.executable, ROOT / "workflow" / "stage.py", "make_report", "--inputs", inputs, "--output-dir", made]
    command += ["--published", ROOT / "resources" / "published.json", "--record", made / "record.json"]
    subprocess.run(command, cwd=base, check=True)
    return made


def _below(base: Path, told: str | list[str]) -> str | list[str]:
    return str(base / told) if isinstance(told, str) else [str(base / each) for each in told]


@dataclass
class Repeat:
    """Repeats the files of runs into a folder. Copy k of word i, from 0 on, is word k × n + i of n words."""

    times: int
    folder: Path
    shared: dict[Path, Path] = field(default_factory=dict)  # files of a dataset, which its runs have in common

    def run(self, told: dict[str, Any]) -> dict[str, Any]:
        """What the report is told of a repeated run."""
        run = Run.read(RunFiles.from_json(told))
        to = {name: self.folder / run.files.dataset / run.files.model / run.files.deployment / name for name in PATHS}
        to["words"] = self._once(run.files.words, self._words)
        to["samples"] = self._once(run.files.samples[0], self._samples_of(run))
        atomic_copy(run.files.timings, to["timings"])
        for name, table in (("predictions", run.predictions), ("flips", run.flips)):
            self._table(table, to[name], run.samples.height)
        policy = LabelPolicy.from_settings(read_json(run.files.contract)["label_policy"])
        words = judge(pl.read_parquet(to["samples"]), pl.read_parquet(to["predictions"]), policy)
        write_json(to["run"], {**read_json(run.files.run), **score(words)})
        write_json(to["audit"], self._audit(run))
        parts = {name: [str(to[name])] for name in ("predictions", "samples")}
        return {**told, **{name: str(path) for name, path in to.items()}, **parts}

    def _once(self, source: Path, make: Callable[[Path, Path], None]) -> Path:
        if source not in self.shared:
            self.shared[source] = self.folder / "datasets" / str(len(self.shared)) / source.name
            make(source, self.shared[source])
        return self.shared[source]

    def _words(self, source: Path, target: Path) -> None:
        def pairs(words: Words) -> Iterator[tuple[bytes, str]]:
            for _ in range(self.times):
                for word in words:
                    yield word.image or b"", (word.label or b"").decode(errors="replace")

        with Words(source) as words:
            write_words(target, pairs(words))

    def _samples_of(self, run: Run) -> Callable[[Path, Path], None]:
        def make(_: Path, target: Path) -> None:
            self._table(run.samples, target, run.samples.height)
            atomic_copy(run.files.contract, target.with_name("contract.json"))

        return make

    def _table(self, table: pl.DataFrame, target: Path, words: int) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        copies = [table.with_columns(pl.col("index") + copy * words) for copy in range(self.times)]
        pl.concat(copies).write_parquet(target)

    def _audit(self, run: Run) -> dict[str, Any]:
        """audit.json of the repeated words: every count and every test anew."""

        def repeated(flipped: pl.DataFrame) -> dict[str, Any]:
            return asdict(compare(self.times * run.samples.height, pl.concat([flipped] * self.times)))

        told, words = read_json(run.files.audit), judged(run)
        steps = [
            {**step, **repeated(run.flips.filter((pl.col("from") == step["from"]) & (pl.col("to") == step["to"])))}
            for step in told["path"]
        ]
        return {**told, **repeated(flips(before_the_path(run, words), words)), "path": steps}
