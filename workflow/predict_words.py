"""Read every word of a dataset's tensors with a build and write the texts: predictions.parquet.

Columns: index (LMDB index), text (null where the image cannot be read), confidence (probability of the best path).
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.buckets import batch_sizes
from crnn.charset import Charset
from crnn.files import atomic_path
from crnn.predictions import predict
from crnn.record import Record
from crnn.runs import add_runtime_arguments, add_tensor_arguments, opened_runtime, workers
from crnn.stage import parser, run
from crnn.targets import target
from crnn.tensors import Preprocess, TensorSet


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
    record = Record("predict_words", inputs, parameters, ("numpy", "polars", *target(args.runtime).TOOLS))
    tensors = TensorSet(args.tensors, Preprocess.from_settings(args.widths))
    with opened_runtime(args) as runtime:
        batch_of = batch_sizes(args.batch)
        predictions = predict(tensors, runtime, Charset(args.charset), batch_of, workers(args, runtime))
        record.results = {"words": predictions.height, "runtime": runtime.describe()}
    with atomic_path(args.output) as temporary:
        predictions.write_parquet(temporary)
    record.write(args.record, [args.output])


if __name__ == "__main__":
    run(main, arguments())
