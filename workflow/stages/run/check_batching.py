"""Check that a word's text does not depend on how many words share its call.

Reads the first --words words again at each of --sizes, compares with --predictions and writes the words that changed.
The budgets judge them (budgets.changed_by_batching).
"""

import json

import polars as pl

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import write_json
from crnn.data.buckets import at_most
from crnn.data.tensors import TensorSet
from crnn.inference.predict import changed_by_batching
from crnn.inference.scheduler import Reader
from stages.arguments import add_runtime_arguments, add_tensor_arguments, matched, opened_session, workers


def arguments(command: Command) -> None:
    add_tensor_arguments(command, parts=True)
    add_runtime_arguments(command)
    command.add_paths("--predictions", "of the parts")
    command.add_argument("--sizes", type=json.loads, required=True, help="batch sizes, such as '[1, 2, 3, 5, 16]'")
    command.add_argument("--words", type=int, default=200, help="how many words to read again (default: 200)")
    command.add_output("batching.json to write", record=False)


def main(args: Arguments) -> None:
    preprocess, contract = matched(args)
    tensors, predictions = TensorSet(args.tensors, preprocess), pl.read_parquet(args.predictions)
    sizes = [contract.most(size) for size in args.sizes]
    with opened_session(args, args.model) as session:
        reader = Reader(preprocess, session, contract.charset, at_most(max(sizes)))
        changed = changed_by_batching(tensors, reader, predictions, sizes, args.words, workers(args, session))
    words = min(args.words, predictions.height)
    LOG.info("%d words at batch sizes %s: %d texts changed", words, sizes, len(changed))
    write_json(args.output, {"sizes": sizes, "words": words, "changed": changed})
