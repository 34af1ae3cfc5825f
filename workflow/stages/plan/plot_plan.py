"""Draw a plan of buckets: the words by width with the edges of the buckets, what a word costs, the candidates (SVG)."""

import polars as pl

from crnn.core.command import Arguments, Command
from crnn.core.files import read_json, write_text
from crnn.report.drawing.bucket_plan import plan_figure


def arguments(command: Command) -> None:
    command.add_path("--plan", "plan.json of plan_buckets.py")
    command.add_path("--costs", "costs.parquet of measure_costs.py")
    command.add_output("the SVG file to write", record=False)


def main(args: Arguments) -> None:
    svg = plan_figure(read_json(args.plan), pl.read_parquet(args.costs))
    write_text(args.output, svg)
