"""Join the proofs of a dataset's shards: raw.parquet, fixed.parquet and proof.json of all words.

--shards holds a folder for each shard of --plan with what prove_words left of it. Each is checked against its record;
a word that is missing or there twice is an error.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import LOG, parser
from crnn.core.files import atomic_path, write_json
from crnn.core.record import Record
from crnn.data.shards import join_tables, open_shards

TABLES = ("raw.parquet", "fixed.parquet")


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--plan", type=Path, required=True, help="shards.json that plan_shards wrote")
    command.add_argument("--shards", type=Path, required=True, help="folder of the shards' folders")
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    shards = open_shards(args.plan, args.shards, args.record.name)
    inputs = [args.plan, *(shard.path / args.record.name for shard in shards)]
    record = Record("merge_proofs", inputs=inputs, parameters={}, tools=("polars",))
    for name in TABLES:
        table = join_tables(shard.table(name) for shard in shards)
        with atomic_path(args.output / name) as temporary:
            table.write_parquet(temporary)
    results = [shard.record["results"] for shard in shards]
    proof = {
        "max_abs_difference": max(result["max_abs_difference"] for result in results),
        "words": sum(result["words"] for result in results),
        "changed": sum(result["changed"] for result in results),
    }
    write_json(args.output / "proof.json", proof)
    LOG.info(
        "%d words of %d shards: outputs differ by at most %.3g",
        proof["words"],
        len(shards),
        proof["max_abs_difference"],
    )
    record.results = proof | {"shards": {shard.shard.name: shard.summary() for shard in shards}}
    record.write(args.record, [args.output / name for name in (*TABLES, "proof.json")])
