#!/usr/bin/env python3
"""How fast words become texts: the published recipe, every CPU deployment of a report, and what there is to reach.

Takes the builds that a report has made, and measures in one run, each contestant in a process of its own that stays
loaded, one task of one contestant at a time: a round of everything, `--repeats` times, after a round of bytes to text
that is not counted. Leave the machine alone meanwhile.

    snakemake --cores 2 report --configfile config/iiit5k.yaml --config 'datasets={iiit5k: {lmdb: …/IIIT5K_lmdb}}'
    python benchmarks/bytes_to_text.py --results results --dataset iiit5k --output benchmarks/results/bytes_to_text.json

The result is a JSON file; write_readme.py makes the tables and pictures of it.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import polars as pl
from ceilings import matrix_product
from contestants import Deployment, Outcome, Recipe, Task

from crnn.core.command import LOG, Command
from crnn.core.files import read_json, write_json
from crnn.core.record import describe_host, tool_versions
from crnn.data.labels import LabelPolicy
from crnn.inference.predict import SCHEMA
from crnn.model.charset import Charset
from crnn.score.accuracy import judge, wilson_interval
from crnn.score.audit import compare, flips
from stage import run

TOOLS = ("torch", "onnxruntime", "openvino", "numpy", "opencv-python-headless")
PRECISIONS = ("fp32", "bf16", "int8")
BYTES_TO_TEXT = "bytes to text"
_tasks: dict[str, Task] = {}  # of this process, which is one contestant's


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--results", type=Path, default=Path("results"), help="of a report (default: results)")
    command.add_argument("--dataset", required=True, help="name in the report")
    command.add_argument("--model", default="crnn", help="name in the report (default: crnn)")
    command.add_argument("--deployments", nargs="+", help="names in the report (default: all of the dataset)")
    command.add_argument(
        "--whole", nargs="+", default=[], help="deployments of which nothing but bytes to text is timed"
    )
    command.add_argument("--reference", default="ort", help="deployment that texts are compared with (default: ort)")
    command.add_argument("--charset", default="0123456789abcdefghijklmnopqrstuvwxyz")
    command.add_argument("--threads", type=int, default=describe_host()["cores"], help="default: every core")
    command.add_argument("--repeats", type=int, default=3, help="rounds that count (default: 3)")
    command.add_argument("--output", type=Path, required=True, help="JSON file to write")
    return command


def contestants(args: argparse.Namespace) -> dict[str, Recipe | Deployment]:
    charset, words = Charset(args.charset), args.results / "datasets" / args.dataset / "words.lmdb"
    runs, read = (args.results / kind / args.dataset / args.model for kind in ("runs", "predictions"))
    names = args.deployments or sorted(path.parent.name for path in runs.glob("*/run.json"))
    recipe = Recipe(args.results / "models" / args.model / "fixed.onnx", words, charset, args.threads)
    builds = args.results / "builds" / args.model
    records = {name: next(read.glob(f"*/{name}/1.json")) for name in names}  # of the first part
    return {"recipe": recipe} | {
        name: Deployment.from_records(record, builds / name, words, charset, args.threads)
        for name, record in records.items()
    }


def _enter(contestant: Recipe | Deployment) -> None:
    _tasks.update(contestant.tasks())


def _names() -> list[str]:
    return list(_tasks)


def _do(name: str) -> Outcome:
    return _tasks[name]()


@contextmanager
def box(contestant: Recipe | Deployment) -> Iterator[ProcessPoolExecutor]:
    """A process of the contestant's own, which stays loaded."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_enter, initargs=(contestant,)) as executor:
        yield executor


def judged(args: argparse.Namespace, outcome: Outcome) -> pl.DataFrame:
    rule = min((args.results / "datasets" / args.dataset / "tensors").iterdir())
    parts = sorted(rule.iterdir(), key=lambda path: int(path.name))
    policy = LabelPolicy(**read_json(parts[0] / "contract.json")["label_policy"])
    samples = pl.concat([pl.read_parquet(part / "samples.parquet") for part in parts])
    texts = pl.DataFrame(outcome.texts, schema=SCHEMA, orient="row")
    return judge(samples, samples.select("index").join(texts, on="index", how="left"), policy)


def accuracies(args: argparse.Namespace, warm: dict[str, Outcome]) -> dict[str, dict[str, Any]]:
    words = {name: judged(args, outcome) for name, outcome in warm.items()}
    reference = words[args.reference]
    found = {}
    for name, each in words.items():
        correct = int(each["correct"].sum())
        found[name] = {
            "samples": each.height,
            "correct": correct,
            "accuracy_ci95": wilson_interval(correct, each.height),
            "against_reference": asdict(compare(each.height, flips(reference, each))),
        }
    return found


def main(args: argparse.Namespace) -> None:
    entered = contestants(args)
    with ExitStack() as stack:
        boxes = {name: stack.enter_context(box(contestant)) for name, contestant in entered.items()}
        tasks = {
            name: [BYTES_TO_TEXT] if name in args.whole else each.submit(_names).result()
            for name, each in boxes.items()
        }
        seconds: dict[str, dict[str, list[float]]] = {name: {} for name in boxes}
        warm: dict[str, Outcome] = {}
        for number in range(args.repeats + 1):
            for name, each in boxes.items():
                for task in tasks[name] if number else [BYTES_TO_TEXT]:
                    outcome = each.submit(_do, task).result()
                    LOG.info("round %d of %d, %s: %s", number, args.repeats, name, json.dumps(outcome.seconds))
                    if number:
                        for what, took in outcome.seconds.items():
                            seconds[name].setdefault(what, []).append(took)
                    else:
                        warm[name] = outcome
    found = accuracies(args, warm)
    write_json(
        args.output,
        {
            "command": sys.argv,
            "checkpoint": checkpoint(args),
            "host": describe_host(),
            "tools": tool_versions(TOOLS),
            "threads": args.threads,
            "repeats": args.repeats,
            "reference": args.reference,
            "matrix_product": {name: matrix_product(name, args.threads) for name in precisions(entered)},
            "contestants": {
                name: {
                    "settings": settings(contestant),
                    "seconds": seconds[name],
                    **found[name],
                }
                for name, contestant in entered.items()
            },
        },
    )


def checkpoint(args: argparse.Namespace) -> dict[str, str]:
    """The file that the model was imported from: path, SHA-256."""
    ((path, facts),) = read_json(args.results / "models" / args.model / "weights.json")["inputs"].items()
    return {"path": path, "sha256": facts["sha256"]}


def precisions(entered: dict[str, Recipe | Deployment]) -> list[str]:
    """Those that a contestant computes in: others may have no instructions here, and take minutes."""
    asked = {settings(each)["precision"] for each in entered.values()}
    return [name for name in PRECISIONS if name in asked]


def settings(contestant: Recipe | Deployment) -> dict[str, Any]:
    if isinstance(contestant, Recipe):
        return {"runtime": "onnxruntime", "precision": "fp32", "widths": {"rule": "recipe"}, "batch": 1}
    names = ("runtime", "precision", "options", "widths", "batch")
    return {**{name: getattr(contestant, name) for name in names}, "gigaflops": contestant.gigaflops()}


if __name__ == "__main__":
    run(main, arguments())
