"""Score one run: accuracy with its interval, edit distance, both clocks, the batching check. Writes run.json.

--run '{"dataset": …, "model": …, "deployment": …, "widths": …, "runtime": …, "source": …, "precision": …}'
"""

import polars as pl

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json, write_json
from crnn.data.labels import LabelPolicy
from crnn.inference.timings import cold_seconds, latency_percentiles, summarise_e2e, summarise_infer_only
from crnn.score.accuracy import by_protocol, judge, score
from crnn.score.audit import changed_by_repeating
from crnn.score.confidence import confidence


def arguments(command: Command) -> None:
    command.add_json("--run", "what identifies the row in the report")
    command.add_labels()
    command.add_paths("--samples", "of the parts")
    command.add_paths("--predictions", "of the parts")
    command.add_path("--quantised", "record of the quantised model file, where there is one", required=False)
    command.add_path("--batching")
    command.add_path("--timings")
    command.add_path("--texts")
    command.add_path("--timing-record", "record of time_words: host, device")
    command.add_paths("--costs", "starts.json, load.json: parts of the row as they stand", required=False, default=[])
    command.add_output("run.json to write", record=False)


def main(args: Arguments) -> None:
    samples, predictions = pl.read_parquet(args.samples), pl.read_parquet(args.predictions)
    timings, batching = pl.read_parquet(args.timings), read_json(args.batching)
    timed = read_json(args.timing_record)
    device = timed["results"]["runtime"]
    judged = judge(samples, predictions, LabelPolicy.from_settings(args.labels))
    measured = {key: part for path in args.costs for key, part in read_json(path).items()}
    row = {
        **args.run,
        "eight_bit_share": read_json(args.quantised)["results"]["eight_bit_share"] if args.quantised else None,
        "device": device["device"],
        "simulated": device["simulated"],
        **score(judged),
        "confidence": confidence(judged),
        **{part: measured.get(part) for part in ("memory_mib", "first_answer", "load")},
        **{part: measured[part] for part in ("cascade",) if part in measured},
        "protocols": by_protocol(samples, predictions),
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
