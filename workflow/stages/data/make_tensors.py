"""Decode, resize and normalise the words of an LMDB into one .npy per tensor width.

Writes w{W}.npy (float32 [N, 1, 32, W]), samples.parquet (a row for every LMDB record) and contract.json (the rule, the
interpolation, hashes), which later stages check before they run. --part 2/3 prepares the second of three parts.

  --widths '{"rule": "aspect", "stretch": 1.2, "step": 8, "min": 40, "max": 400}'
  --widths '{"rule": "fixed", "width": 100}'
  --widths '{"rule": "recipe"}'
  --widths results/plans/crnn/ort/planned/plan.json
  --labels '{"characters": "0123…xyz", "case": "lower", "normalise": "nfkd-ascii", "outside": "strip"}'
"""

from crnn.core.command import LOG, Arguments, Command
from crnn.core.record import Record
from crnn.data.buckets import width_settings
from crnn.data.labels import LabelPolicy
from crnn.data.parts import WHOLE, Part
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import make_tensors


def arguments(command: Command) -> None:
    command.add_path("--words", "LMDB folder")
    command.add_argument("--widths", type=width_settings, required=True, help="as in config `widths`, or a plan.json")
    command.add_labels()
    command.add_output("folder to write")
    command.add_argument("--part", type=Part.from_text, default=WHOLE, help="words to prepare (default: 1/1, all)")
    command.add_argument("--processes", type=int, default=1, help="worker processes (default: 1)")


def main(args: Arguments) -> None:
    # Once for a dataset: hashing the whole for every part can take longer than preparing the part.
    inputs = [args.words / "data.mdb"] if args.part.number == 1 else []
    tools = ("numpy", "opencv-python-headless", "pillow", "polars", "lmdb")
    record = Record.begin(args, inputs, tools, part=str(args.part))
    preprocess, policy = Preprocess.from_settings(args.widths), LabelPolicy.from_settings(args.labels)
    samples = make_tensors(args.words, args.output, preprocess, policy, args.processes, args.part)
    statuses = dict(samples.group_by("status").len().sort("status").iter_rows())
    LOG.info("%d words: %s", samples.height, statuses)
    outputs = [args.output / "samples.parquet", args.output / "contract.json"]
    record.finish(outputs, samples=samples.height, statuses=statuses)
