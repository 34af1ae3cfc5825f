"""Time calls of a deployment's build over a grid of widths and batch sizes: costs.parquet.

Columns: width, batch, seconds (median of the repeats), fastest, slowest. Run it with nothing else on the machine; the
workflow gives it every core.

  --grid '{"widths": [32, 96, 192, 400], "batches": [1, 4, 16], "repeats": 5}'
"""

from crnn.core.command import Arguments, Command
from crnn.core.record import Record
from crnn.core.tables import write_table
from crnn.inference.call_costs import time_calls
from crnn.model.contract import Contract
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_contract, add_runtime_arguments, opened_session


def arguments(command: Command) -> None:
    add_runtime_arguments(command)
    add_contract(command)
    command.add_json("--grid", "widths, batches, repeats; as above")
    command.add_threads()
    command.add_output("costs.parquet to write")


def main(args: Arguments) -> None:
    contract = Contract.read(args.contract)
    record = Record.begin(args, [args.model, args.contract], ("numpy", "polars", *find_runtime(args.runtime).tools))
    with opened_session(args, args.model) as session:
        costs = time_calls(session, contract, args.grid["widths"], args.grid["batches"], args.grid["repeats"])
        runtime = session.describe()
    write_table(args.output, costs)
    record.finish([args.output], runtime=runtime)
