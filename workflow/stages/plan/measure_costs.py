"""Time calls of a deployment's build over a grid of widths and batch sizes: costs.parquet.

Columns: width, batch, seconds (median of the repeats), fastest, slowest. Run it with nothing else on the machine; the
workflow gives it every core.

  --grid '{"widths": [32, 96, 192, 400], "batches": [1, 4, 16], "repeats": 5}'
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import json_object, parser
from crnn.core.record import Record
from crnn.core.tables import write_table
from crnn.inference.call_costs import time_calls
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_runtime_arguments, opened_session


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    add_runtime_arguments(command)
    command.add_argument("--grid", type=json_object, required=True, help="widths, batches, repeats; as above")
    command.add_argument("--threads", type=int, default=1, help="CPU cores the runtime may use (default: 1)")
    command.add_argument("--output", type=Path, required=True, help="costs.parquet to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    device = find_runtime(args.runtime)
    parameters = {name: getattr(args, name) for name in ("runtime", "options", "grid", "threads")}
    record = Record("measure_costs", [args.model], parameters, ("numpy", "polars", *device.tools))
    with opened_session(args, args.model) as session:
        costs = time_calls(session, args.grid["widths"], args.grid["batches"], args.grid["repeats"], session.calls)
        record.results = {"runtime": session.describe()}
    write_table(args.output, costs)
    record.write(args.record, [args.output])
