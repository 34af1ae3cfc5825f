"""List the fonts below some folders that can draw words, each with its hash, signs and split, as JSON.

A family of fonts is for training or for validation as a whole, by the hash of its name, so that validation words are
in faces that training never showed; another list of the same files splits them alike.

  --fonts /usr/share/fonts ~/fonts --output fonts.json --record fonts.record.json
"""

from crnn.core.command import Arguments, Command
from crnn.core.errors import UserError
from crnn.core.files import write_json
from crnn.core.record import Record
from crnn.data.render.fonts.listing import VALIDATION_SHARE, describe_fonts, find_fonts
from crnn.data.render.text.lexicon import CHARACTERS


def arguments(command: Command) -> None:
    command.add_paths("--fonts", "folders of .ttf and .otf files")
    share = f"share of the families that are for validation, 0 … 1 (default {VALIDATION_SHARE})"
    command.add_argument("--validation-share", type=float, default=VALIDATION_SHARE, metavar="P", help=share)
    command.add_output("the list to write")


def main(args: Arguments) -> None:
    if not 0 <= args.validation_share <= 1:
        raise UserError(f"--validation-share {args.validation_share}: expected 0 … 1")
    record = Record.begin(args, [], ("numpy", "opencv-python-headless", "pillow"), fonts=list(map(str, args.fonts)))
    content = describe_fonts(find_fonts(args.fonts, CHARACTERS), args.validation_share)
    write_json(args.output, content)
    record.finish([args.output], **content["counts"])
