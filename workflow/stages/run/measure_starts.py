"""Start a deployment in fresh processes, and measure the first answer and the memory: starts.json.

The first start is cold: its model files are out of the page cache and the driver's own cache is empty. Run it with
nothing else on the machine; the workflow gives it every core.
"""

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json, write_json
from crnn.core.record import Record
from crnn.data.buckets import DEFAULT_BATCH, width_settings
from crnn.inference.starts import Start, observe, summarise
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_contract, add_runtime_arguments, matched


def arguments(command: Command) -> None:
    command.add_path("--words", "LMDB folder")
    command.add_argument("--widths", type=width_settings, required=True, help="width rule or plan.json")
    add_contract(command)
    command.add_threads()
    add_runtime_arguments(command)
    command.add_argument("--starts", type=int, default=3, help="how many processes to start (default: 3)")
    command.add_argument("--limit", type=int, default=3000, help="words to look at, the first ones (default: 3000)")
    command.add_argument("--batch", default=str(DEFAULT_BATCH), help="most words in one call, or a plan.json")
    command.add_path("--build-record", "record of build_model: how much memory the build took", required=False)
    command.add_output("starts.json to write")


def main(args: Arguments) -> None:
    tools = ("numpy", "opencv-python-headless", *find_runtime(args.runtime).tools)
    record = Record.begin(args, [args.words / "data.mdb", args.contract, args.model], tools)
    start = Start(
        args.words,
        *matched(args),
        args.runtime,
        args.model,
        args.options,
        args.threads,
        args.calls or args.threads,
        args.batch,
        args.limit,
    )
    starts = observe(start, args.starts)
    found = summarise(starts, read_json(args.build_record).get("peak_mib") if args.build_record else None)
    LOG.info("first text after %s s; MiB: %s", found["first_answer"]["cold_seconds"], found["memory_mib"])
    write_json(args.output, {**found, "starts": starts})
    record.finish([args.output])
