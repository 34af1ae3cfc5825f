"""Time a deployment by two clocks: timings.parquet, a row per call, and texts.parquet, what the timed runs read.

infer_only: the inference call alone, batch 1, inputs in memory (the original recipe's boundary).
e2e: encoded bytes from the LMDB in, texts out, everything inside, in batches of equal width.
    Decoding, resizing, inference and CTC overlap, on as many threads as there are cores.
Run it with nothing else on the machine; the workflow gives it every core.

  --measure '{"passes": 3, "warmup": 50, "words": 3000, "batch": 16}'

Each clock runs `passes` times after `warmup` words; a pass takes the first `words` words; `batch` is the most words in
one e2e call, or a plan.json.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.buckets import batch_sizes
from crnn.charset import Charset
from crnn.files import atomic_path
from crnn.measure import Timings
from crnn.pipeline import Pipeline, Repeats, time_infer_only, timed_texts
from crnn.record import Record
from crnn.runs import add_runtime_arguments, add_tensor_arguments, opened_runtime, workers
from crnn.stage import json_object, parser, run
from crnn.targets import target
from crnn.tensors import Preprocess, TensorSet


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    add_tensor_arguments(command)
    add_runtime_arguments(command)
    command.add_argument("--words", type=Path, required=True, help="LMDB folder")
    command.add_argument("--measure", type=json_object, required=True, help="passes, warmup, words, batch; as above")
    command.add_argument("--output", type=Path, required=True, help="timings.parquet to write")
    command.add_argument("--texts", type=Path, required=True, help="texts.parquet to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    inputs = [args.words / "data.mdb", args.tensors / "contract.json"]
    parameters = {name: getattr(args, name) for name in ("runtime", "options", "widths", "measure", "threads")}
    tools = ("numpy", "opencv-python-headless", *target(args.runtime).TOOLS)
    record = Record("time_words", inputs, parameters, tools)
    preprocess = Preprocess.from_settings(args.widths)
    repeats = Repeats(args.measure["passes"], args.measure["warmup"], args.measure["words"])
    charset, batch_of, timings = Charset(args.charset), batch_sizes(args.measure["batch"]), Timings()
    # Loaded twice: a single call wants all cores at once, and the whole wants a call on each.
    with opened_runtime(args, lanes=1) as runtime:
        alone = time_infer_only(runtime, charset, TensorSet(args.tensors, preprocess), timings, repeats)
    with opened_runtime(args) as runtime:
        pipeline = Pipeline(args.words, preprocess, runtime, charset, batch_of, workers(args, runtime))
        e2e = pipeline.time(timings, repeats)
        record.results = {"runtime": runtime.describe()}
    for frame, path in ((timings.frame(), args.output), (timed_texts(alone, e2e), args.texts)):
        with atomic_path(path) as temporary:
            frame.write_parquet(temporary)
    record.write(args.record, [args.output, args.texts])


if __name__ == "__main__":
    run(main, arguments())
