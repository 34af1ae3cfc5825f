"""Time a deployment by two clocks: timings.parquet, a row per call, and texts.parquet, what the timed runs read.

infer_only: the inference call alone, batch 1, inputs in memory (the original recipe's boundary).
e2e: encoded bytes from the LMDB in, texts out, everything inside, in batches of equal width, on every core.
Run it with nothing else on the machine.

  --measure '{"passes": 3, "warmup": 50, "words": 3000, "batch": 16}'

Each clock runs `passes` times after `warmup` words; a pass takes the first `words` words; `batch` is the most words in
one e2e call, or a plan.json.
"""

from crnn.core.command import Arguments, Command
from crnn.core.record import Record
from crnn.core.tables import write_table
from crnn.data.buckets import batch_sizes
from crnn.data.tensors import TensorSet
from crnn.inference.benchmark import EndToEnd, Repeats, time_infer_only, timed_texts
from crnn.inference.cascade import Cascade
from crnn.inference.scheduler import Reader
from crnn.inference.timings import Timings
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_runtime_arguments, add_tensor_arguments, matched, opened_session, workers


def arguments(command: Command) -> None:
    add_tensor_arguments(command, parts=True)
    add_runtime_arguments(command)
    command.add_path("--words", "LMDB folder")
    command.add_json("--measure", "passes, warmup, words, batch; as above")
    command.add_output("timings.parquet to write")
    command.add_path("--texts", "texts.parquet to write")


def main(args: Arguments) -> None:
    inputs = [args.words / "data.mdb", args.contract, *(part / "contract.json" for part in args.tensors)]
    tools = ("numpy", "opencv-python-headless", *find_runtime(args.runtime).tools)
    record = Record.begin(args, inputs, tools)
    preprocess, contract = matched(args)
    repeats = Repeats(args.measure["passes"], args.measure["warmup"], args.measure["words"])
    batch_of, timings = contract.batch_of(batch_sizes(args.measure["batch"])), Timings()
    # Loaded twice: a single call wants all cores at once, and the whole wants a call on each.
    with opened_session(args, args.model, calls=1) as session:
        reader = Reader(preprocess, session, contract.charset, batch_of)
        alone = time_infer_only(reader, TensorSet(args.tensors, preprocess), timings, repeats)
    with opened_session(args, args.model) as session:
        cascade = Cascade([Reader(preprocess, session, contract.charset, batch_of)])
        e2e = EndToEnd(args.words, cascade, workers(args, session)).time(timings, repeats)
        runtime = session.describe()
    write_table(args.output, timings.frame())
    write_table(args.texts, timed_texts(alone, e2e))
    record.finish([args.output, args.texts], runtime=runtime)
