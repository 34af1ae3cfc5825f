"""Write the model card of a trained checkpoint (Markdown) from the records of its run and of the runs that use it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import parser
from crnn.core.files import write_text
from crnn.train.card import model_card


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--name", required=True, help="heading of the card")
    command.add_argument("--training", type=Path, required=True, help="record of train_checkpoint.py")
    command.add_argument("--fonts", type=Path, required=True, help="fonts.json of list_fonts.py")
    command.add_argument("--errors", type=Path, nargs="*", default=[], help="errors.json of runs with the checkpoint")
    command.add_argument("--output", type=Path, required=True, help="the Markdown file to write")
    return command


def main(args: Namespace) -> None:
    card = model_card(args.name, args.training, args.fonts, args.errors)
    write_text(args.output, card)
