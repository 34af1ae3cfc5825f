"""Analyse the errors of a run: accuracy by length, digits, case, size, width and contrast, and confused characters."""

import polars as pl

from crnn.core.command import Arguments, Command
from crnn.core.files import read_json, write_json
from crnn.data.labels import LabelPolicy
from crnn.data.tensors import TensorSet
from crnn.score.accuracy import judge
from crnn.score.error_analysis import by_trait, confusions, described
from stages.arguments import add_tensor_arguments, matched


def arguments(command: Command) -> None:
    add_tensor_arguments(command, parts=True)
    command.add_labels()
    command.add_path("--run", "run.json of score_run")
    command.add_paths("--predictions", "of the parts")
    command.add_output("errors.json to write", record=False)


def main(args: Arguments) -> None:
    preprocess, _ = matched(args)
    tensors, policy = TensorSet(args.tensors, preprocess), LabelPolicy.from_settings(args.labels)
    words = described(tensors, judge(tensors.samples, pl.read_parquet(args.predictions), policy))
    row = read_json(args.run)
    names = ("dataset", "model", "deployment", "widths", "runtime", "precision")
    scores = ("samples", "correct", "accuracy", "accuracy_ci95", "ned")
    facts = {name: row[name] for name in (*names, *scores)}
    write_json(args.output, {**facts, "by_trait": by_trait(words), "confusions": confusions(words)})
