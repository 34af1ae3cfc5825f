"""Load a deployment with requests that arrive by themselves, with MLPerf's load generator: load.json, and its own logs.

  --load '[{"scenario": "SingleStream"}, {"scenario": "Server", "rate": 50}, {"scenario": "Server", "p99_ms": 80},
           {"scenario": "Offline"}]'

A request is an encoded image, its answer a text. Server without a rate looks for the highest one at which the 99th
percentile stays below p99_ms. Run it with nothing else on the machine; the workflow gives it every core.
"""

import json

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import write_json
from crnn.core.record import Record
from crnn.data.buckets import DEFAULT_BATCH, batch_sizes, width_settings
from crnn.data.lmdb import Words
from crnn.inference.load import LoadTest, Scenario, readable_images, run_all
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_contract, add_runtime_arguments, matched, opened_session, workers


def arguments(command: Command) -> None:
    command.add_path("--words", "LMDB folder")
    command.add_argument("--widths", type=width_settings, required=True, help="width rule or plan.json")
    add_contract(command)
    command.add_threads()
    add_runtime_arguments(command)
    command.add_argument("--batch", default=str(DEFAULT_BATCH), help="most words in one call, or a plan.json")
    command.add_argument("--limit", type=int, default=3000, help="how many words to ask for, the first (default: 3000)")
    command.add_argument("--load", type=json.loads, required=True, help="scenarios, as above")
    command.add_path("--logs", "folder for the generator's logs")
    command.add_output("load.json to write")


def main(args: Arguments) -> None:
    tools = ("mlcommons_loadgen", "numpy", "opencv-python-headless", *find_runtime(args.runtime).tools)
    record = Record.begin(args, [args.words / "data.mdb", args.contract, args.model], tools)
    preprocess, contract = matched(args)
    scenarios = [Scenario(**entry) for entry in args.load]
    with Words(args.words) as words:
        images = readable_images(words, preprocess, args.limit)
    with opened_session(args, args.model) as session:
        batch_of = contract.batch_of(batch_sizes(args.batch))
        test = LoadTest(images, preprocess, session, contract.charset, batch_of, workers(args, session))
        found = run_all(test, scenarios, args.logs)
    for entry in found:
        LOG.info("%s: %s words/s, p99 %s ms", entry["scenario"], entry["words_per_second"], entry["p99_ms"])
    write_json(args.output, {"load": found})
    record.finish([args.output])
