"""Score one run: accuracy with its interval, edit distance, both clocks, the batching check. Writes run.json.

--run '{"dataset": …, "model": …, "deployment": …, "widths": …, "runtime": …, "source": …, "precision": …}'
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import polars as pl

from crnn.core.command import LOG, json_object, parser
from crnn.core.files import read_json, write_json
from crnn.data.labels import LabelPolicy
from crnn.inference.timings import cold_seconds, latency_percentiles, summarise_e2e, summarise_infer_only
from crnn.score.accuracy import judge, score
from crnn.score.audit import changed_by_repeating


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--run", type=json_object, required=True, help="what identifies the row in the report")
    command.add_argument("--labels", type=json_object, required=True, help="label policy, as in config `labels`")
    command.add_argument("--samples", type=Path, nargs="+", required=True, help="of the parts")
    command.add_argument("--predictions", type=Path, nargs="+", required=True, help="of the parts")
    command.add_argument("--batching", type=Path, required=True)
    command.add_argument("--timings", type=Path, required=True)
    command.add_argument("--texts", type=Path, required=True)
    command.add_argument("--timing-record", type=Path, required=True, help="record of time_words: host, device")
    command.add_argument("--output", type=Path, required=True, help="run.json to write")
    return command


def main(args: Namespace) -> None:
    samples, predictions = pl.read_parquet(args.samples), pl.read_parquet(args.predictions)
    timings, batching = pl.read_parquet(args.timings), read_json(args.batching)
    timed = read_json(args.timing_record)
    device = timed["results"]["runtime"]
    row = {
        **args.run,
        "device": device["device"],
        "simulated": device["simulated"],
        **score(judge(samples, predictions, LabelPolicy.from_settings(args.labels))),
        "e2e": summarise_e2e(timings),
        "infer_only": summarise_infer_only(timings),
        "cold_seconds": cold_seconds(timings),
        "latency_ms": latency_percentiles(timings),
        "batching": {**batching, "changed": len({entry["index"] for entry in batching["changed"]})},
        "repeat_texts": changed_by_repeating(predictions, pl.read_parquet(args.texts)),
        "host": timed["host"],
    }
    LOG.info("%s: %d of %d correct", args.run["deployment"], row["correct"], row["samples"])
    write_json(args.output, row)
