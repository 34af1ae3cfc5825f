"""Draw a plan of buckets: the words by width with the edges of the buckets, what a word costs, the candidates (SVG)."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import polars as pl

from crnn.core.command import parser
from crnn.core.files import read_json, write_text
from crnn.report.drawing.bucket_plan import plan_figure


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--plan", type=Path, required=True, help="plan.json of plan_buckets.py")
    command.add_argument("--costs", type=Path, required=True, help="costs.parquet of measure_costs.py")
    command.add_argument("--output", type=Path, required=True, help="the SVG file to write")
    return command


def main(args: Namespace) -> None:
    svg = plan_figure(read_json(args.plan), pl.read_parquet(args.costs))
    write_text(args.output, svg)
