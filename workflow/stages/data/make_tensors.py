"""Decode, resize and normalise the words of an LMDB into one .npy per tensor width.

Writes to the output folder: w{W}.npy (float32 [N, 1, 32, W]), samples.parquet (one row per LMDB record, none
dropped) and contract.json (the rule, the interpolation, hashes), which later stages check before they run.
With --shard, of those words alone.

  --widths '{"rule": "aspect", "stretch": 1.2, "step": 8, "min": 40, "max": 400}'
  --widths '{"rule": "fixed", "width": 100}'
  --widths '{"rule": "recipe"}'
  --widths results/plans/crnn/ort/planned/plan.json
  --labels '{"characters": "0123…xyz", "case": "lower", "normalise": "nfkd-ascii", "outside": "strip"}'
  --plan shards.json --shard 000000001-000100000
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import LOG, json_object, parser
from crnn.core.record import Record
from crnn.data.buckets import width_settings
from crnn.data.labels import LabelPolicy
from crnn.data.preprocess import Preprocess
from crnn.data.shards import Shard
from crnn.data.tensors import make_tensors


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--words", type=Path, required=True, help="LMDB folder")
    command.add_argument("--widths", type=width_settings, required=True, help="as in config `widths`, or a plan.json")
    command.add_argument("--labels", type=json_object, required=True, help="label policy, as in config `labels`")
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    command.add_argument("--record", type=Path, required=True)
    command.add_argument(
        "--plan", type=Path, help="shards.json that plan_shards wrote; stands for the LMDB in the record"
    )
    command.add_argument("--shard", type=Shard.from_name, help="first and last word to prepare (default: all)")
    command.add_argument("--processes", type=int, default=1, help="worker processes (default: 1)")
    return command


def main(args: Namespace) -> None:
    record = Record(
        "make_tensors",
        # A plan holds the digest of every shard's words; hashing the LMDB again for each shard would cost more.
        inputs=[args.plan or args.words / "data.mdb"],
        parameters={"widths": args.widths, "labels": args.labels},
        tools=("numpy", "opencv-python-headless", "pillow", "polars", "lmdb"),
    )
    preprocess, policy = Preprocess.from_settings(args.widths), LabelPolicy.from_settings(args.labels)
    samples = make_tensors(args.words, args.output, preprocess, policy, args.processes, args.shard)
    statuses = dict(samples.group_by("status").len().sort("status").iter_rows())
    record.results = {"samples": samples.height, "statuses": statuses}
    LOG.info("%d words: %s", samples.height, statuses)
    record.write(args.record, [args.output / "samples.parquet", args.output / "contract.json"])
