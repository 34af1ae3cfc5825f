"""Write a dataset's tensors as one w{W}.npy per width, for readers that know nothing of shards.

Of a dataset in shards: w{W}.npy, samples.parquet and contract.json as make_tensors would have made them in one piece,
byte for byte.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import parser
from crnn.data.buckets import width_settings
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet, write_whole_tensors


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--tensors", type=Path, required=True, help="folder that merge_tensors wrote")
    command.add_argument("--widths", type=width_settings, required=True, help="width rule or plan.json of the tensors")
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    return command


def main(args: Namespace) -> None:
    write_whole_tensors(TensorSet(args.tensors, Preprocess.from_settings(args.widths)), args.output)
