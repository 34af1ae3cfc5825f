"""Draw the log of a training run: loss and validation accuracy over the words learned from (SVG)."""

from crnn.core.command import Arguments, Command
from crnn.core.files import write_text
from crnn.report.drawing.training_curve import read_log, training_curve


def arguments(command: Command) -> None:
    command.add_path("--log", "log.jsonl of train_checkpoint.py")
    command.add_output("the SVG file to write", record=False)


def main(args: Arguments) -> None:
    write_text(args.output, training_curve(read_log(args.log)))
