"""Follow the words from the reference to a deployment, and list those that changed with the edge they changed on.

  --stage torch=torch.parquet --stage raw=raw.parquet --stage fixed=fixed.parquet --stage ort=predictions.parquet

Stages in order; the first is the reference. A stage named again goes on with the next part of the dataset. Writes
audit.json (counts, exact McNemar test) and audit.parquet.
"""

from pathlib import Path

import polars as pl

from crnn.core.command import LOG, Arguments, Command, named_path
from crnn.core.errors import UserError
from crnn.core.files import read_json, write_json
from crnn.core.tables import write_table
from crnn.data.labels import LabelPolicy
from crnn.score.accuracy import judge
from crnn.score.audit import audit, surgery_of


def arguments(command: Command) -> None:
    command.add_paths("--samples", "of the parts")
    command.add_labels()
    command.add_argument("--stage", type=named_path, action="append", required=True, help="name=predictions.parquet")
    records = "records of predict with raw.onnx and fixed.onnx, of the parts"
    command.add_paths("--surgery", records, required=False, default=[])
    command.add_argument("--explained", type=named_path, action="append", default=[], help="stage=explained.json")
    command.add_output("audit.json to write", record=False)
    command.add_path("--flips", "audit.parquet to write")


def main(args: Arguments) -> None:
    stages: dict[str, list[Path]] = {}
    for name, file in args.stage:
        stages.setdefault(name, []).append(file)
    if len(stages) < 2:
        raise UserError("--stage: names one stage; an audit compares two or more, so name each with its predictions")
    samples, policy = pl.read_parquet(args.samples), LabelPolicy.from_settings(args.labels)
    path = [(name, judge(samples, pl.read_parquet(files), policy)) for name, files in stages.items()]
    surgery = surgery_of([read_json(record)["results"] for record in args.surgery])
    summary, flipped = audit(path, surgery, {stage: read_json(file) for stage, file in args.explained})
    for edge in summary["path"]:
        counts = (edge[key] for key in ("from", "to", "flipped", "fixed", "broken"))
        LOG.info("%s → %s: %d flipped, %d gained, %d lost", *counts)
    write_table(args.flips, flipped)
    write_json(args.output, summary)
