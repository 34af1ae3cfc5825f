"""Analyse the errors of a run: accuracy by length, digits, case, size, width and contrast, and confused characters."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import polars as pl

from crnn.core.command import json_object, parser
from crnn.core.files import read_json, write_json
from crnn.data.labels import LabelPolicy
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet
from crnn.score.accuracy import judge
from crnn.score.error_analysis import by_trait, confusions, described
from stages.arguments import add_tensor_arguments


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    add_tensor_arguments(command, parts=True)
    command.add_argument("--labels", type=json_object, required=True, help="label policy, as in config `labels`")
    command.add_argument("--run", type=Path, required=True, help="run.json of score_run")
    command.add_argument("--predictions", type=Path, nargs="+", required=True, help="of the parts")
    command.add_argument("--output", type=Path, required=True, help="errors.json to write")
    return command


def main(args: Namespace) -> None:
    tensors = TensorSet(args.tensors, Preprocess.from_settings(args.widths))
    policy = LabelPolicy.from_settings(args.labels)
    words = described(tensors, judge(tensors.samples, pl.read_parquet(args.predictions), policy))
    row = read_json(args.run)
    names = ("dataset", "model", "deployment", "widths", "runtime", "precision")
    scores = ("samples", "correct", "accuracy", "accuracy_ci95", "ned")
    facts = {name: row[name] for name in (*names, *scores)}
    write_json(args.output, {**facts, "by_trait": by_trait(words), "confusions": confusions(words)})
