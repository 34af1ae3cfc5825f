"""Read every word of a dataset's tensors with a build and write the texts: predictions.parquet.

Columns: index (LMDB index), text (null where the image cannot be read), confidence (probability of the best path).
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import parser
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.data.buckets import batch_sizes
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet
from crnn.inference.predict import predict
from crnn.model.charset import Charset
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_runtime_arguments, add_tensor_arguments, opened_session, workers


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    add_tensor_arguments(command)
    add_runtime_arguments(command)
    command.add_argument("--batch", default="16", help="most words in one call, or a plan.json (default: 16)")
    command.add_argument("--output", type=Path, required=True, help="predictions.parquet to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    parameters = {"runtime": args.runtime, "options": args.options, "batch": args.batch, "widths": args.widths}
    inputs = [args.tensors / "contract.json"]
    record = Record("predict_words", inputs, parameters, ("numpy", "polars", *find_runtime(args.runtime).tools))
    tensors = TensorSet(args.tensors, Preprocess.from_settings(args.widths))
    with opened_session(args) as session:
        batch_of = batch_sizes(args.batch)
        predictions = predict(tensors, session, Charset(args.charset), batch_of, workers(args, session))
        record.results = {"words": predictions.height, "runtime": session.describe()}
    with atomic_path(args.output) as temporary:
        predictions.write_parquet(temporary)
    record.write(args.record, [args.output])
