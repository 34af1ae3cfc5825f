"""Start a deployment in fresh processes, and measure the first answer and the memory: starts.json.

The first start is cold: its model files are out of the page cache and the driver's own cache is empty. Run it with
nothing else on the machine.
"""

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json, write_json
from crnn.core.record import Record
from crnn.inference.starts import Start, observe, summarise
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_runtime_arguments, add_word_arguments, matched


def arguments(command: Command) -> None:
    add_word_arguments(command)
    add_runtime_arguments(command)
    command.add_argument("--measure", type=int, default=3, help="how many processes to start (default: 3)")
    command.add_output("starts.json to write")


def main(args: Arguments) -> None:
    tools = ("numpy", "opencv-python-headless", *find_runtime(args.runtime).tools)
    record = Record.begin(args, [args.words / "data.mdb", args.contract, args.model], tools)
    calls, own = args.calls or args.threads, (args.runtime, args.model, args.options)
    start = Start(args.words, *matched(args), *own, args.threads, calls, args.batch, args.limit)
    starts = observe(start, args.measure)
    build = args.model.with_name("build.json")  # the record that build_model leaves beside what it builds
    found = summarise(starts, read_json(build).get("peak_mib") if build.exists() else None)
    LOG.info("first text after %s s; MiB: %s", found["first_answer"]["cold_seconds"], found["memory_mib"])
    write_json(args.output, {**found, "starts": starts})
    record.finish([args.output])
