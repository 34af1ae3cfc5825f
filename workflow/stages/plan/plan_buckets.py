"""Plan buckets: the widths and batch sizes that read given words in the least time, within bounds. Writes plan.json.

The tuning words are read at widths around their own, which says how likely a word is read right by its width and that
of its tensor. Candidates are the cheapest buckets by the measured costs at several prices of a lost word. Each is held
against the finest width rule on the tuning words; the cheapest that loses no more of them than `accuracy_drop` is the
plan. Without `buckets` there may be any number of them.

  --bounds '{"stretch": 1.2, "step": 8, "min": 40, "max": 400, "buckets": 8, "distortion": 0.25, "batch": 32,
             "accuracy_drop": 0.005}'
"""

from collections.abc import Iterable
from typing import Any

import polars as pl

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import write_json
from crnn.core.record import Record
from crnn.data.labels import LabelPolicy
from crnn.data.preprocess import Preprocess
from crnn.inference.call_costs import Costs
from crnn.model.contract import Contract
from crnn.planning.evaluation import TuningWords, around, cheapest_within, judged
from crnn.planning.optimiser import Bounds, Demand, candidates, plan_content
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_contract, add_runtime_arguments, opened_session


def arguments(command: Command) -> None:
    add_runtime_arguments(command)
    command.add_paths("--samples", "samples.parquet of every dataset")
    command.add_path("--costs", "costs.parquet of measure_costs.py")
    command.add_path("--words", "LMDB of tuning words; none of a dataset to score")
    command.add_json("--bounds", "as above")
    command.add_json("--pixels", "interpolation and channels, where they are not the default", required=False)
    command.add_labels()
    add_contract(command)
    command.add_threads()
    command.add_output("plan.json to write")


def main(args: Arguments) -> None:
    inputs = [*args.samples, args.costs, args.words / "data.mdb", args.contract]
    tools = ("numpy", "polars", "opencv-python-headless", *find_runtime(args.runtime).tools)
    record = Record.begin(args, inputs, tools)
    bounds = Bounds(**args.bounds)
    pixels, charset = args.pixels or {}, Contract.read(args.contract).charset

    readable = pl.read_parquet(args.samples, columns=["width", "height", "row"]).filter(pl.col("row").is_not_null())
    sizes = readable.select("width", "height").to_numpy()
    costs = Costs.from_table(pl.read_parquet(args.costs), bounds.batch)

    def prepared(rules: Iterable[dict[str, Any]]) -> list[Preprocess]:
        return [Preprocess.from_settings(rule | pixels) for rule in rules]

    (finest_rule,) = prepared([bounds.finest])
    words = TuningWords.read(args.words, finest_rule, LabelPolicy.from_settings(args.labels))
    with opened_session(args, args.model, calls=1) as session:  # words are read by one call at a time
        shifted = prepared(bounds.finest | {"stretch": bounds.stretch * factor} for factor in around(bounds.distortion))
        model = words.accuracy_model(finest_rule, shifted, session, charset)
        demand = Demand.of(sizes, costs, model.lost(bounds.lattice), bounds)
        found = candidates(demand)
        rules = prepared(candidate.rule(bounds) for candidate in found)
        finest, *right = words.right([finest_rule, *rules], session, charset)
    verdicts = [judged(each, own, finest, bounds.accuracy_drop) for each, own in zip(found, right, strict=True)]
    chosen = cheapest_within(verdicts, bounds.accuracy_drop)

    plan = plan_content(chosen, demand, sizes, costs)
    plan["rule"] |= pixels
    plan["tuning"] = {"words": len(finest), "finest_correct": sum(finest)}
    plan["candidates"] = [verdict.facts() for verdict in verdicts]
    plan["accuracy_model"] = model.weights.tolist()
    LOG.info("%d candidates; widths %s for words up to %s", len(found), plan["rule"]["widths"], plan["rule"]["upto"])
    write_json(args.output, plan)
    record.finish([args.output])
