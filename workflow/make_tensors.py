"""Decode, resize and normalise the words of an LMDB into one .npy per tensor width.

Writes to the output folder: w{W}.npy (float32 [N, 1, 32, W]), samples.parquet (one row per LMDB record, none
dropped) and contract.json (the rule, the interpolation, hashes), which later stages check before they run.

  --widths '{"rule": "aspect", "stretch": 1.2, "step": 8, "min": 40, "max": 400}'
  --widths '{"rule": "fixed", "width": 100}'
  --widths '{"rule": "recipe"}'
  --labels '{"characters": "0123…xyz", "case": "lower", "normalise": "nfkd-ascii", "outside": "strip"}'
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.charset import LabelPolicy
from crnn.record import Record
from crnn.stage import LOG, json_object, parser, run
from crnn.tensors import Preprocess, make_tensors


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--words", type=Path, required=True, help="LMDB folder")
    command.add_argument("--widths", type=json_object, required=True, help="width rule, as in config `widths`")
    command.add_argument("--labels", type=json_object, required=True, help="label policy, as in config `labels`")
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    command.add_argument("--record", type=Path, required=True)
    command.add_argument("--processes", type=int, default=1, help="worker processes (default: 1)")
    return command


def main(args: Namespace) -> None:
    record = Record(
        "make_tensors",
        inputs=[args.words / "data.mdb"],
        parameters={"widths": args.widths, "labels": args.labels},
        tools=("numpy", "opencv-python-headless", "pillow", "polars", "lmdb"),
    )
    preprocess = Preprocess.from_settings(args.widths)
    samples = make_tensors(args.words, args.output, preprocess, LabelPolicy.from_settings(args.labels), args.processes)
    statuses = dict(samples.group_by("status").len().sort("status").iter_rows())
    record.results = {"samples": samples.height, "statuses": statuses}
    LOG.info("%d words: %s", samples.height, statuses)
    record.write(args.record, [args.output / "samples.parquet", args.output / "contract.json"])


if __name__ == "__main__":
    run(main, arguments())
