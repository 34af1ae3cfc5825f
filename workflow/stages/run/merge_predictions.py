"""Join what was read of a dataset's shards: one predictions.parquet, a row per LMDB record in order.

--shards holds a folder for each shard of --plan with files named as --output and --record are. Each is checked
against its record; a word that is missing or there twice is an error. Folders of an earlier split are removed.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import LOG, parser
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.data.shards import join_tables, open_shards, remove_other_shards


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--plan", type=Path, required=True, help="shards.json that plan_shards wrote")
    command.add_argument("--shards", type=Path, required=True, help="folder of the shards' folders")
    command.add_argument("--output", type=Path, required=True, help="predictions.parquet to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    shards = open_shards(args.plan, args.shards, args.record.name)
    inputs = [args.plan, *(shard.path / args.record.name for shard in shards)]
    record = Record("merge_predictions", inputs=inputs, parameters={}, tools=("polars",))
    predictions = join_tables(shard.table(args.output.name) for shard in shards)
    with atomic_path(args.output) as temporary:
        predictions.write_parquet(temporary)
    remove_other_shards(args.plan, args.shards)
    LOG.info("%d words of %d shards", predictions.height, len(shards))
    record.results = {
        "words": predictions.height,
        # Of the first shard; where shards ran on unlike machines, `shards` says so.
        "runtime": shards[0].record["results"]["runtime"],
        "shards": {shard.shard.name: shard.summary() for shard in shards},
    }
    record.write(args.record, [args.output])
