"""Read every word of a part of a dataset with a model file, and write the texts.

  --runtime torch --model weights.safetensors --output torch/1.parquet
  --runtime onnxruntime --model raw.onnx --output raw/1.parquet --model fixed.onnx --output fixed/1.parquet

A model file is a stage of a model, or the first file of a build. Two are read side by side, batch by batch; the record
then says how many words they read differently (changed) and the largest difference of their outputs
(max_abs_difference). Whether that is too much is for the budgets to say.

Columns: index (LMDB index), text (null where the image cannot be read), confidence (probability of the best path).
"""

from contextlib import ExitStack
from math import isfinite

from crnn.core.command import LOG, Arguments, Command
from crnn.core.errors import UserError
from crnn.core.record import Record
from crnn.core.tables import write_table
from crnn.data.buckets import DEFAULT_BATCH, batch_sizes
from crnn.data.tensors import TensorSet
from crnn.inference.predict import predict, predict_side_by_side
from crnn.inference.scheduler import Reader
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_runtime_arguments, add_tensor_arguments, matched, opened_session, workers


def arguments(command: Command) -> None:
    add_tensor_arguments(command)
    add_runtime_arguments(command, action="append")
    batch = str(DEFAULT_BATCH)
    command.add_argument("--batch", default=batch, help=f"most words in one call, or a plan.json (default: {batch})")
    command.add_output("parquet file to write, per model", action="append")


def main(args: Arguments) -> None:
    runtime = find_runtime(args.runtime)
    counts = len(args.model), len(args.output)
    if counts != (1, 1) and (counts != (2, 2) or runtime.device):
        raise UserError(f"{counts[0]} --model, {counts[1]} --output: expected one of each or, on the processor, two")
    inputs = [args.tensors / "contract.json", args.contract, *args.model]
    record, results = Record.begin(args, inputs, ("numpy", "polars", *runtime.tools)), {}
    preprocess, contract = matched(args)
    tensors, batch_of = TensorSet(args.tensors, preprocess), contract.batch_of(batch_sizes(args.batch))
    with ExitStack() as opened:
        calls = None if len(args.model) == 1 else 2  # side by side, each has half of the cores
        sessions = [opened.enter_context(opened_session(args, model, calls)) for model in args.model]
        if len(sessions) == 1:
            reader = Reader(preprocess, sessions[0], contract.charset, batch_of)
            tables = [predict(tensors, reader, workers(args, sessions[0]))]
        else:
            *tables, worst = predict_side_by_side(tensors, sessions[0], sessions[1], contract.charset, batch_of)
            if not isfinite(worst):
                raise UserError(f"{args.model[1]}: its output has another shape than that of {args.model[0]}")
            changed = int(tables[0]["text"].ne_missing(tables[1]["text"]).sum())
            LOG.info("%d of %d words read differently, outputs differ by at most %.3g", changed, len(tables[0]), worst)
            results = {"changed": changed, "max_abs_difference": worst}
        runtime_facts = sessions[0].describe()
    for table, path in zip(tables, args.output, strict=True):
        write_table(path, table)
    record.finish(args.output, words=tables[0].height, runtime=runtime_facts, **results)
