"""Load a deployment with requests that arrive by themselves, by MLPerf's load generator: load.json.

  --measure '[{"scenario": "SingleStream"}, {"scenario": "Server", "rate": 50}, {"scenario": "Server", "p99_ms": 80},
              {"scenario": "Offline"}]'

A request is an encoded image, its answer a text. Server without a rate looks for the highest one at which the 99th
percentile stays below p99_ms. The generator's summaries are in the record. Run it with nothing else on the machine.
"""

import json
from functools import partial

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import scratch_directory, write_json
from crnn.core.record import Record
from crnn.data.buckets import batch_sizes
from crnn.data.lmdb import Words
from crnn.inference.load import Scenario
from crnn.inference.scheduler import Reader
from crnn.inference.service import Service
from crnn.inference.sources import readable_images
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_runtime_arguments, add_word_arguments, matched, opened_session, workers


def arguments(command: Command) -> None:
    add_word_arguments(command)
    add_runtime_arguments(command)
    command.add_argument("--measure", type=json.loads, required=True, help="scenarios, as above")
    command.add_output("load.json to write")


def main(args: Arguments) -> None:
    tools = ("mlcommons_loadgen", "numpy", "opencv-python-headless", *find_runtime(args.runtime).tools)
    record = Record.begin(args, [args.words / "data.mdb", args.contract, args.model], tools)
    preprocess, contract = matched(args)
    with Words(args.words) as words:
        images = [image for image, _ in readable_images(words, preprocess, args.limit)]
    with opened_session(args, args.model) as session:
        reader = Reader(preprocess, session, contract.charset, contract.batch_of(batch_sizes(args.batch)))
        serve, found, summaries = partial(Service, reader, workers(args, session)), [], []
        for scenario in args.measure:
            with scratch_directory(args.output) as logs:
                found.append(Scenario(**scenario).run(images, serve, logs))
                summaries.append((logs / "mlperf_log_summary.txt").read_text().splitlines())
            LOG.info("%(scenario)s: %(words_per_second)s words/s, p99 %(p99_ms)s ms", found[-1])
    write_json(args.output, {"load": found})
    record.finish([args.output], summaries=summaries)
