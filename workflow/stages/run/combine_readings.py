"""What a cascade reads of a part of a dataset, from what each member has read of it; no model is run."""

import polars as pl

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json
from crnn.core.record import Record
from crnn.core.tables import write_table
from crnn.inference.combine import combined


def arguments(command: Command) -> None:
    command.add_paths("--readings", "of each member, in order")
    command.add_path("--cascade", "cascade.json of plan_cascade")
    command.add_output("parquet file to write: index, text, confidence")


def main(args: Arguments) -> None:
    record = Record.begin(args, [*args.readings, args.cascade], ("polars",))
    plan = read_json(args.cascade)
    found = combined([pl.read_parquet(path) for path in args.readings], plan["threshold"], plan["keep"])
    handed_on = int((found["members"] > 1).sum())
    LOG.info("%d of %d words are handed on", handed_on, found.height)
    write_table(args.output, found.drop("members"))
    record.finish([args.output], words=found.height, handed_on=handed_on)
