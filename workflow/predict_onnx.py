"""Read every word of a dataset's tensors with an ONNX file as it is: the step of the audit between fixed and build.

Columns of the output: index, text, confidence, as predict_words writes them.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.buckets import at_most
from crnn.charset import Charset
from crnn.files import atomic_path
from crnn.predictions import predict
from crnn.record import Record
from crnn.runs import add_tensor_arguments
from crnn.stage import parser, run
from crnn.targets.onnxruntime import OnnxRuntime
from crnn.tensors import Preprocess, TensorSet

BATCH = 16


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    add_tensor_arguments(command)
    command.add_argument("--model", type=Path, required=True, help="ONNX file")
    command.add_argument("--output", type=Path, required=True, help="parquet file to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    inputs = [args.tensors / "contract.json", args.model]
    record = Record("predict_onnx", inputs, {"widths": args.widths, "batch": BATCH}, ("numpy", "onnxruntime", "polars"))
    tensors = TensorSet(args.tensors, Preprocess.from_settings(args.widths))
    runtime = OnnxRuntime(args.model, args.threads, lanes=args.threads)
    predictions = predict(tensors, runtime, Charset(args.charset), at_most(BATCH), workers=args.threads)
    with atomic_path(args.output) as temporary:
        predictions.write_parquet(temporary)
    record.results = {"words": predictions.height}
    record.write(args.record, [args.output])


if __name__ == "__main__":
    run(main, arguments())
