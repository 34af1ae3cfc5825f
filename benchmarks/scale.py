#!/usr/bin/env python3
"""Time and peak memory of bytes to text over 3 thousand to a million words.

The words of an LMDB are read again and again until there are enough, each time decoded, resized, inferred and kept as a
text, each size in a process of its own. The network is one of a sixteenth of the usual channels with random weights:
what is measured is everything around it, which is what could grow.

    python benchmarks/scale.py --words results/datasets/sample/words.lmdb --output benchmarks/results/scale.json
"""

import argparse
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import torch

from crnn.core.command import LOG, Command
from crnn.core.files import write_json
from crnn.core.record import describe_host, tool_versions
from crnn.data.buckets import at_most
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess
from crnn.inference.predict import Readings
from crnn.inference.scheduler import Reader, Reading, Scheduler
from crnn.inference.sources import EncodedWords
from crnn.inference.timings import Timings
from crnn.model.charset import Charset
from crnn.model.contract import Contract
from crnn.model.export import export_onnx
from crnn.model.network import CRNN, NetworkSize
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from stage import run

CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
TINY = NetworkSize((4, 8, 16, 16, 32, 32, 32), hidden=16)


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--words", type=Path, required=True, help="LMDB folder")
    command.add_argument("--sizes", type=int, nargs="+", default=[3_000, 30_000, 300_000, 1_000_000])
    command.add_argument("--batch", type=int, default=16)
    command.add_argument("--threads", type=int, default=describe_host()["cores"], help="default: every core")
    command.add_argument("--output", type=Path, required=True, help="JSON file to write")
    return command


class Repeated(Words):
    """An LMDB that seems to hold `count` words: behind the last one comes the first one again."""

    def __init__(self, directory: Path, count: int) -> None:
        super().__init__(directory)
        self._stored, self._count = self._count, count

    def image(self, index: int) -> bytes | None:
        return super().image((index - 1) % self._stored + 1)


def read_all(model: Path, folder: Path, threads: int, batch: int, count: int) -> dict[str, float]:
    """Read `count` words in this process: words, seconds, MiB at the peak and before the first word."""
    runtime, charset = OnnxSession(model, threads, threads), Charset(CHARACTERS)
    reader = Reader(Preprocess.from_settings({"rule": "aspect"}), runtime, charset, at_most(batch))
    timings, readings = Timings(), Readings()
    before = _peak_mib()

    def deliver(reading: Reading) -> None:
        readings.add(reading.rows)
        timings.add("e2e", 0, len(reading.rows), reading.width, reading.seconds, reading.steps)

    started = time.perf_counter()
    with Repeated(folder, count) as words:
        Scheduler(EncodedWords(words, reader), runtime, charset, threads).run(deliver)
    found = readings.frame()
    seconds = time.perf_counter() - started
    return {"words": found.height, "seconds": seconds, "peak_mib": _peak_mib(), "before_mib": before}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux


def tiny_model(folder: Path) -> Path:
    torch.manual_seed(0)
    export_onnx(CRNN(TINY).eval(), Contract(Charset(CHARACTERS)), folder / "tiny.onnx")
    return folder / "tiny.onnx"


def in_its_own_process(model: Path, args: argparse.Namespace, count: int) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(read_all, model, args.words, args.threads, args.batch, count).result()


def main(args: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        model = tiny_model(Path(folder))
        for count in args.sizes:
            rows.append(in_its_own_process(model, args, count))
            LOG.info("%(words)d words: %(seconds).1f s, %(peak_mib).0f MiB at the peak", rows[-1])
    facts = {"command": sys.argv, "host": describe_host(), "tools": tool_versions(["onnxruntime", "numpy", "polars"])}
    write_json(args.output, {**facts, "rows": rows})


if __name__ == "__main__":
    run(main, arguments())
