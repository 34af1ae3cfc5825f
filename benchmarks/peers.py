#!/usr/bin/env python3
"""Rows of a report beside what a user would install instead, in one interleaved run: bytes in memory to text.

Each contestant has a process of its own that stays loaded; a round is a pass of each in turn over the same words, and
the first is not counted. A peer runs in an environment of its own, made of what its requirements name. Leave the
machine alone meanwhile.

    snakemake --cores 2 report --configfile config/ppocr.yaml …
    python benchmarks/peers.py --results results --dataset iiit5k --rows crnn/openvino-int8-bf16 ppocr/quick
        --output benchmarks/results/peers.json
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import polars as pl

from crnn.core.command import LOG, Command
from crnn.core.files import read_json, write_json
from crnn.core.record import describe_host, peak_mib, tool_versions
from crnn.data.labels import LabelPolicy
from crnn.data.lmdb import Words
from crnn.inference.benchmark import EndToEnd
from crnn.inference.cascade import Cascade
from crnn.inference.timings import Timings
from crnn.runtimes.registry import find_runtime
from crnn.score.accuracy import judge, wilson_interval
from crnn.score.audit import compare, flips
from stage import run
from stages.run.time_cascade import opened

PEERS = {"rapidocr": ("peer_rapidocr.py", ["rapidocr-onnxruntime==1.4.4", "onnxruntime==1.32.0"])}
Pass = dict[str, Any]  # seconds, processor, peak_mib, texts
_path: dict[str, Callable[[], Pass]] = {}  # of this process, which is one contestant's


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--results", type=Path, default=Path("results"), help="of a report (default: results)")
    command.add_argument("--dataset", required=True, help="name in the report")
    command.add_argument("--rows", nargs="+", required=True, metavar="MODEL/DEPLOYMENT")
    command.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="by default all")
    command.add_argument("--environments", type=Path, default=Path("build/peers"), help="where peers are installed")
    command.add_argument("--repeats", type=int, default=3, help="rounds that count (default: 3)")
    command.add_argument("--output", type=Path, required=True, help="JSON file to write")
    return command


@dataclass(frozen=True)
class Row:
    """A row of a report, read in the path that its e2e clock times."""

    results: Path
    dataset: str
    model: str
    deployment: str
    threads: int

    @property
    def words(self) -> Path:
        return self.results / "datasets" / self.dataset / "words.lmdb"

    def members(self) -> list[dict[str, Any]]:
        """What it is made of: itself, or the members of a cascade; as the records of the report say."""
        timed = read_json(self.results / "runs" / self.dataset / self.model / self.deployment / "timings.json")
        told = timed["parameters"]
        if "member" in told:
            return [
                {**each, "model": self._here(each["model"]), "contract": self._here(each["contract"])}
                for each in told["member"]
            ]
        build = self.results / "builds" / self.model / self.deployment
        return [
            {
                **{key: told[key] for key in ("runtime", "options", "calls", "widths")},
                "batch": str(told["measure"]["batch"]),
                "model": str(build / find_runtime(told["runtime"]).files[0]),
                "contract": str(self.results / "models" / self.model / "contract.json"),
            }
        ]

    def _here(self, path: str) -> str:
        return str(self.results / Path(path).relative_to("results"))

    def open(self) -> Callable[[], Pass]:
        plan = self.results / "builds" / self.model / self.deployment / "cascade.json"
        told = read_json(plan) if plan.exists() else {"threshold": 0.0, "keep": "last"}
        members = [opened(member, self.threads, ExitStack()) for member in self.members()]
        path = EndToEnd(self.words, Cascade(members, told["threshold"], told["keep"]), self.threads)

        def once() -> Pass:
            timings, used = Timings(), time.process_time()
            found = path.run(timings, 0)
            texts = found.select("index", "text", "confidence").rows()
            facts = {"seconds": timings.last_seconds, "processor": time.process_time() - used, "peak_mib": peak_mib()}
            return {**facts, "texts": texts}

        return once


def _enter(row: Row) -> None:
    _path["once"] = row.open()


def _once() -> Pass:
    return _path["once"]()


@contextmanager
def ours(row: Row) -> Iterator[Callable[[], Pass]]:
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_enter, initargs=(row,)) as process:
        yield lambda: process.submit(_once).result()


@contextmanager
def peer(name: str, words: Path, environments: Path) -> Iterator[Callable[[], Pass]]:
    """A peer's own program over the words, in an environment of its own, which is made once."""
    program, requirements = PEERS[name]
    folder = environments / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    with tempfile.TemporaryDirectory() as scratch, Words(words) as reader:
        packed = Path(scratch) / "images"
        kept = [word for word in reader if word.image]
        packed.write_bytes(b"".join(struct.pack("<I", len(word.image or b"")) + (word.image or b"") for word in kept))
        command = [str(python), str(Path(__file__).parent / program), str(packed)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            given, answers = process.stdin, process.stdout

            def once() -> Pass:
                print("go", file=given, flush=True)
                answer: Pass = next(json.loads(line) for line in answers if line.startswith("{"))
                pairs = zip(kept, answer["texts"], strict=True)
                return {**answer, "texts": [(word.index, *read) for word, read in pairs]}

            yield once
            given.close()


def judged(args: argparse.Namespace, texts: list[Any]) -> pl.DataFrame:
    tensors = min((args.results / "datasets" / args.dataset / "tensors").iterdir())
    policy = LabelPolicy(**read_json(tensors / "1" / "contract.json")["label_policy"])
    samples = pl.concat(pl.read_parquet(part / "samples.parquet") for part in sorted(tensors.iterdir()))
    schema = {"index": pl.Int64, "text": pl.String, "confidence": pl.Float64}
    found = pl.DataFrame(texts, schema=schema, orient="row")
    return judge(samples, samples.select("index").join(found, on="index", how="left"), policy)


def main(args: argparse.Namespace) -> None:
    cores = len(os.sched_getaffinity(0))
    rows = [Row(args.results, args.dataset, *name.split("/"), cores) for name in args.rows]
    with ExitStack() as stack:
        contestants = {f"{row.model}/{row.deployment}": stack.enter_context(ours(row)) for row in rows}
        contestants |= {name: stack.enter_context(peer(name, rows[0].words, args.environments)) for name in args.peers}
        passes: dict[str, list[Pass]] = {name: [] for name in contestants}
        for number in range(args.repeats + 1):
            for name, once in contestants.items():
                found = once()
                LOG.info("round %d of %d, %s: %.2f s", number, args.repeats, name, found["seconds"])
                passes[name] += [found] if number else []
    words = {name: judged(args, each[-1]["texts"]) for name, each in passes.items()}
    write_json(
        args.output,
        {
            "command": sys.argv,
            "host": describe_host(),
            "tools": tool_versions(("onnxruntime", "openvino", "numpy", "opencv-python-headless")),
            "peers": {name: PEERS[name][1] for name in args.peers},
            "contestants": {
                name: described(passes[name], words[name], cores, {peer: words[peer] for peer in args.peers})
                for name in contestants
            },
        },
    )


def described(passes: list[Pass], judged: pl.DataFrame, cores: int, peers: dict[str, pl.DataFrame]) -> dict[str, Any]:
    correct, count = int(judged["correct"].sum()), judged.height
    seconds = [each["seconds"] for each in passes]
    return {
        "words": count,
        "correct": correct,
        "accuracy": correct / count,
        "accuracy_ci95": wilson_interval(correct, count),
        "seconds": seconds,
        "processor_seconds": [each["processor"] for each in passes],
        "core_milliseconds": median(seconds) * cores / count * 1e3,
        "words_per_second": count / median(seconds),
        "peak_mib": max(each["peak_mib"] for each in passes),
        "against": {name: asdict(compare(count, flips(other, judged))) for name, other in peers.items()},
    }


if __name__ == "__main__":
    run(main, arguments())
