r"""List the fonts below some folders that can draw words, each with its hash, signs and split, as JSON.

A family of fonts is for training or for validation as a whole, by the hash of its name, so that validation words are
in faces that training never showed; another list of the same files splits them alike.

  python workflow/stages/train/list_fonts.py --fonts /usr/share/fonts ~/fonts --output fonts.json --record
  fonts.record.json
"""

import argparse
from pathlib import Path

from crnn.core.command import parser
from crnn.core.errors import UserError
from crnn.core.files import write_json
from crnn.core.record import Record
from crnn.data.render.fonts.listing import VALIDATION_SHARE, describe_fonts, find_fonts
from crnn.data.render.text.lexicon import CHARACTERS


def arguments() -> argparse.ArgumentParser:
    command = parser(__doc__)
    command.add_argument(
        "--fonts", type=Path, nargs="+", required=True, metavar="DIR", help="folders of .ttf and .otf files"
    )
    command.add_argument(
        "--validation-share",
        type=float,
        default=VALIDATION_SHARE,
        metavar="P",
        help=f"share of the families that are for validation, 0 … 1 (default {VALIDATION_SHARE})",
    )
    command.add_argument("--output", type=Path, required=True, metavar="FILE", help="the list to write")
    command.add_argument("--record", type=Path, required=True, metavar="FILE", help="where to write the stage's record")
    return command


def main(args: argparse.Namespace) -> None:
    if not 0 <= args.validation_share <= 1:
        raise UserError(f"--validation-share {args.validation_share}: expected 0 … 1")
    record = Record(
        "list_fonts",
        inputs=[],
        parameters={"fonts": [str(folder) for folder in args.fonts], "validation_share": args.validation_share},
        tools=("numpy", "opencv-python-headless", "pillow"),
    )
    content = describe_fonts(find_fonts(args.fonts, CHARACTERS), args.validation_share)
    write_json(args.output, content)
    record.results = content["counts"]
    record.write(args.record, [args.output])
