"""Plan the threshold of a cascade on labelled words that are not scored: cascade.json.

  --readings FIRST.parquet LAST.parquet     of the tuning words by each member, in order
  --goal '{"accuracy_drop": 0.005}' | '{"accuracy": 0.89}'

The lowest threshold is taken that keeps the goal; every one is in the file, with what it reads.
"""

import polars as pl

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import write_json
from crnn.core.record import Record
from crnn.data.labels import LabelPolicy
from crnn.planning.threshold import Goal, cheapest, frontier


def arguments(command: Command) -> None:
    command.add_path("--samples", "samples.parquet of the tuning words")
    command.add_paths("--readings", "as above")
    command.add_argument("--keep", choices=["last", "most-confident"], default="last", help="which reading counts")
    command.add_json("--goal", "what may be lost, or is wanted")
    command.add_labels()
    command.add_output("cascade.json to write")


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.samples, *args.readings], ("polars", "numpy"))
    readings, policy = [pl.read_parquet(path) for path in args.readings], LabelPolicy.from_settings(args.labels)
    points = frontier(pl.read_parquet(args.samples), readings, policy, args.keep)
    chosen = cheapest(points, Goal(**args.goal))
    LOG.info("under %s: %d of %d words are handed on", chosen.threshold, chosen.handed_on, chosen.words)
    plan = {"threshold": chosen.threshold, "keep": args.keep, "goal": args.goal, "planned": chosen.facts()}
    write_json(args.output, {**plan, "frontier": [point.facts() for point in points]})
    record.finish([args.output], **plan)
