"""Time a cascade by the e2e clock: encoded bytes in, texts out, every member's work inside, all in one stream.

  --member '{"runtime": "onnxruntime", "options": {}, "calls": null, "model": "….onnx", "contract": "….json",
             "widths": {…}, "batch": "16"}'           for each member, in order; widths and batch may be a plan.json

A cascade has no clock of calls alone: a word has one or several.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from crnn.core.command import Arguments, Command, json_object
from crnn.core.files import read_json, write_json
from crnn.core.record import Record
from crnn.core.tables import write_table
from crnn.data.buckets import batch_sizes, width_settings
from crnn.data.preprocess import Preprocess
from crnn.inference.benchmark import EndToEnd, Repeats, timed_texts
from crnn.inference.cascade import Cascade
from crnn.inference.scheduler import Reader
from crnn.inference.timings import Timings
from crnn.model.contract import Contract
from crnn.runtimes.registry import find_runtime


def arguments(command: Command) -> None:
    command.add_argument("--member", type=json_object, action="append", required=True, help="as above")
    command.add_path("--plan", "cascade.json of plan_cascade")
    command.add_paths("--readings", "what the cascade read, of each part")
    command.add_paths("--batching", "batching.json of every member")
    command.add_path("--words", "LMDB folder")
    command.add_json("--measure", "passes, warmup, words")
    command.add_threads()
    command.add_output("timings.parquet to write")
    command.add_path("--texts", "texts.parquet to write")
    command.add_path("--gate", "batching.json to write")
    command.add_path("--row", "cascade.json to write: what a row of the report says of a cascade")


def opened(member: dict[str, Any], threads: int, opening: ExitStack) -> Reader:
    """A member with its model loaded."""
    widths, batch = member["widths"], member["batch"]
    contract = Contract.read(Path(member["contract"]))
    preprocess = Preprocess.from_settings(widths if isinstance(widths, dict) else width_settings(widths))
    calls = member.get("calls") or threads
    session = find_runtime(member["runtime"]).load(Path(member["model"]), member["options"], threads, calls)
    opening.callback(session.close)
    return Reader(preprocess, session, contract.charset, contract.batch_of(batch_sizes(batch)))


def main(args: Arguments) -> None:
    files = [Path(member[key]) for member in args.member for key in ("model", "contract")]
    tools = {tool for member in args.member for tool in find_runtime(member["runtime"]).tools}
    record = Record.begin(args, [args.words / "data.mdb", args.plan, *files], ("numpy", *sorted(tools)))
    plan, timings = read_json(args.plan), Timings()
    repeats = Repeats(args.measure["passes"], args.measure["warmup"], args.measure["words"])
    with ExitStack() as opening:
        members = [opened(member, args.threads, opening) for member in args.member]
        cascade = Cascade(members, plan["threshold"], plan["keep"])
        passes = EndToEnd(args.words, cascade, args.threads).time(timings, repeats)
        described = [member.session.describe() for member in members]
    write_table(args.output, timings.frame())
    write_table(args.texts, timed_texts([], passes))
    gates = [read_json(path) for path in args.batching]
    # A word that no member reads differently by its batch, the cascade does not either.
    changed, checked = [word for each in gates for word in each["changed"]], min(each["words"] for each in gates)
    write_json(args.gate, {"sizes": gates[0]["sizes"], "words": checked, "changed": changed})
    read = [read_json(path.with_suffix(".json"))["results"] for path in args.readings]
    handed_on, words = (sum(each[key] for each in read) for key in ("handed_on", "words"))
    facts = {key: plan[key] for key in ("threshold", "keep", "goal", "planned")}
    write_json(args.row, {"cascade": {**facts, "handed_on": handed_on, "words": words}})
    runtime = {"device": described[-1]["device"], "simulated": any(each["simulated"] for each in described)}
    record.finish([args.output, args.texts, args.gate], runtime={**runtime, "members": described})
