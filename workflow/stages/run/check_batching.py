"""Check that a word's text does not depend on how many words share its call.

Reads the first --words words again at each of --sizes, compares with --predictions and writes the words that changed.
The budgets judge them (budgets.changed_by_batching).
"""

import json

import polars as pl

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import write_json
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet
from crnn.inference.predict import changed_by_batching
from crnn.model.charset import Charset
from stages.arguments import add_runtime_arguments, add_tensor_arguments, opened_session, workers


def arguments(command: Command) -> None:
    add_tensor_arguments(command, parts=True)
    add_runtime_arguments(command)
    command.add_paths("--predictions", "of the parts")
    command.add_argument("--sizes", type=json.loads, required=True, help="batch sizes, such as '[1, 2, 3, 5, 16]'")
    command.add_argument("--words", type=int, default=200, help="how many words to read again (default: 200)")
    command.add_output("batching.json to write", record=False)


def main(args: Arguments) -> None:
    tensors = TensorSet(args.tensors, Preprocess.from_settings(args.widths))
    predictions, charset = pl.read_parquet(args.predictions), Charset(args.charset)
    with opened_session(args, args.model) as session:
        changed = changed_by_batching(
            tensors, session, charset, predictions, args.sizes, args.words, workers(args, session)
        )
    words = min(args.words, predictions.height)
    LOG.info("%d words at batch sizes %s: %d texts changed", words, args.sizes, len(changed))
    write_json(args.output, {"sizes": args.sizes, "words": words, "changed": changed})
