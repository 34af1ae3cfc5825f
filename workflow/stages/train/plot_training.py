"""Draw the log of a training run: loss and validation accuracy over the words learned from (SVG)."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import parser
from crnn.core.files import write_text
from crnn.report.drawing.training_curve import read_log, training_curve


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--log", type=Path, required=True, help="log.jsonl of train_checkpoint.py")
    command.add_argument("--output", type=Path, required=True, help="the SVG file to write")
    return command


def main(args: Namespace) -> None:
    svg = training_curve(read_log(args.log))
    write_text(args.output, svg)
