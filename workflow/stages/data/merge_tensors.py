"""Join the tensors of a dataset's shards: samples.parquet, as if nothing had been split, and one contract.json.

No tensor is copied: contract.json lists the w{W}.npy of every shard by its path in --output, where the shards'
folders lie (shards/{shard}/). Each shard is checked against its record; a word that is missing or there twice is an
error. Folders of an earlier split are removed.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import LOG, parser
from crnn.core.record import Record
from crnn.data.shards import open_shards, remove_other_shards
from crnn.data.tensors import SHARDS, merge_tensors


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--plan", type=Path, required=True, help="shards.json that plan_shards wrote")
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    shards = open_shards(args.plan, args.output / SHARDS, args.record.name)
    inputs = [args.plan, *(shard.path / args.record.name for shard in shards)]
    record = Record("merge_tensors", inputs=inputs, parameters={}, tools=("numpy", "polars"))
    samples = merge_tensors(shards, args.output)
    remove_other_shards(args.plan, args.output / SHARDS)
    statuses = dict(samples.group_by("status").len().sort("status").iter_rows())
    summaries = {shard.shard.name: shard.summary() for shard in shards}
    record.results = {"samples": samples.height, "statuses": statuses, "shards": summaries}
    LOG.info("%d words of %d shards: %s", samples.height, len(shards), statuses)
    record.write(args.record, [args.output / "samples.parquet", args.output / "contract.json"])
