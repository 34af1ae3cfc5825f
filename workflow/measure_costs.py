"""Time calls of a deployment's build over a grid of widths and batch sizes: costs.parquet.

Columns: width, batch, seconds (median of the repeats), fastest, slowest. Run it with nothing else on the machine; the
workflow gives it every core.

  --grid '{"widths": [32, 96, 192, 400], "batches": [1, 4, 16], "repeats": 5}'
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.costs import time_calls
from crnn.files import atomic_path
from crnn.record import Record
from crnn.runs import add_runtime_arguments, opened_runtime
from crnn.stage import json_object, parser, run
from crnn.targets import target


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    add_runtime_arguments(command)
    command.add_argument("--grid", type=json_object, required=True, help="widths, batches, repeats; as above")
    command.add_argument("--threads", type=int, default=1, help="CPU cores the runtime may use (default: 1)")
    command.add_argument("--output", type=Path, required=True, help="costs.parquet to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    device = target(args.runtime)
    parameters = {name: getattr(args, name) for name in ("runtime", "options", "grid", "threads")}
    record = Record("measure_costs", [args.build / device.FILES[0]], parameters, ("numpy", "polars", *device.TOOLS))
    with opened_runtime(args) as runtime:
        costs = time_calls(runtime, args.grid["widths"], args.grid["batches"], args.grid["repeats"], runtime.lanes)
        record.results = {"runtime": runtime.describe()}
    with atomic_path(args.output) as temporary:
        costs.write_parquet(temporary)
    record.write(args.record, [args.output])


if __name__ == "__main__":
    run(main, arguments())
