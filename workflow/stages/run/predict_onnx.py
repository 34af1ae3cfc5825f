"""Read every word of a dataset's tensors with an ONNX file as it is: the step of the audit between fixed and build.

Columns of the output: index, text, confidence, as predict_words writes them.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import parser
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.data.buckets import at_most
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet
from crnn.inference.predict import predict
from crnn.model.charset import Charset
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from stages.arguments import add_tensor_arguments

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
    runtime = OnnxSession(args.model, args.threads, calls=args.threads)
    predictions = predict(tensors, runtime, Charset(args.charset), at_most(BATCH), workers=args.threads)
    with atomic_path(args.output) as temporary:
        predictions.write_parquet(temporary)
    record.results = {"words": predictions.height}
    record.write(args.record, [args.output])
