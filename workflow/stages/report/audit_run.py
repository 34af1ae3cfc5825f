"""Follow the words from the reference to a deployment and list every one that changed, with the edge it changed on.

  --stage torch=torch.parquet --stage raw=raw.parquet --stage fixed=fixed.parquet --stage ort=predictions.parquet

Stages in order; the first is the reference. Writes audit.json (counts, exact McNemar test) and audit.parquet.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

import polars as pl

from crnn.core.command import LOG, json_object, parser
from crnn.core.errors import UserError
from crnn.core.files import atomic_path, read_json, write_json
from crnn.data.labels import LabelPolicy
from crnn.score.accuracy import judge
from crnn.score.audit import audit


def named_path(text: str) -> tuple[str, Path]:
    """Argparse type: name=path."""
    name, separator, path = text.partition("=")
    if not separator:
        raise ArgumentTypeError(f"{text!r}: expected name=path")
    return name, Path(path)


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--samples", type=Path, required=True)
    command.add_argument("--labels", type=json_object, required=True, help="label policy, as in config `labels`")
    command.add_argument("--stage", type=named_path, action="append", required=True, help="name=predictions.parquet")
    command.add_argument("--proof", type=Path, help="proof.json of prove_words: the difference between raw and fixed")
    command.add_argument("--output", type=Path, required=True, help="audit.json to write")
    command.add_argument("--flips", type=Path, required=True, help="audit.parquet to write")
    return command


def main(args: Namespace) -> None:
    if len(args.stage) < 2:
        raise UserError("--stage: given once; an audit compares two stages or more, so name each with its predictions")
    samples, policy = pl.read_parquet(args.samples), LabelPolicy.from_settings(args.labels)
    path = [(name, judge(samples, pl.read_parquet(file), policy)) for name, file in args.stage]
    summary, flipped = audit(path)
    difference = read_json(args.proof)["max_abs_difference"] if args.proof else None
    for edge in summary["path"]:
        edge["max_abs_difference"] = difference if (edge["from"], edge["to"]) == ("raw", "fixed") else None
        LOG.info(
            "%s → %s: %d flipped, %d fixed, %d broken",
            *(edge[key] for key in ("from", "to", "flipped", "fixed", "broken")),
        )
    with atomic_path(args.flips) as temporary:
        flipped.write_parquet(temporary)
    write_json(args.output, summary)
