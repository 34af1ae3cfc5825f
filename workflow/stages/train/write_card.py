"""Write the model card of a trained checkpoint (Markdown) from the records of its run and of the runs that use it."""

from pathlib import Path

from crnn.core.command import Arguments, Command
from crnn.core.files import write_text
from crnn.train.card import model_card


def arguments(command: Command) -> None:
    command.add_argument("--name", required=True, help="heading of the card")
    command.add_path("--training", "record of train_checkpoint.py")
    command.add_path("--fonts", "fonts.json of list_fonts.py")
    command.add_argument("--errors", type=Path, nargs="*", default=[], help="errors.json of runs with the checkpoint")
    command.add_output("the Markdown file to write", record=False)


def main(args: Arguments) -> None:
    write_text(args.output, model_card(args.name, args.training, args.fonts, args.errors))
