r"""Render words and write them as one picture, a contact sheet, with their labels under them.

Words `start` and on of a seed are those that render_words.py and training see under the same indices.

  python workflow/stages/train/render_sheet.py --words 200 --seed 0 --fonts resources/fonts \
      --lexicon resources/words/english.txt --output sheet.png --record sheet.json
"""

import argparse
from pathlib import Path

from crnn.core.command import parser, progress
from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.data.render.options import add_options, open_sources
from crnn.data.render.sheet import contact_sheet
from crnn.data.render.text.lexicon import label_of


def arguments() -> argparse.ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--words", type=int, required=True, metavar="N", help="how many words to render")
    command.add_argument("--start", type=int, default=0, metavar="K", help="index of the first word (default 0)")
    command.add_argument("--columns", type=int, default=8, metavar="N", help="words in a row (default 8)")
    add_options(command)
    command.add_argument("--output", type=Path, required=True, metavar="FILE", help="the PNG file to write")
    command.add_argument("--record", type=Path, required=True, metavar="FILE", help="where to write the stage's record")
    return command


def main(args: argparse.Namespace) -> None:
    for option, value, least in (("words", args.words, 1), ("columns", args.columns, 1), ("start", args.start, 0)):
        if value < least:
            raise UserError(f"--{option} {value}: expected {least} or more")
    sources = open_sources(args)
    record = Record(
        "render_sheet",
        inputs=sources.inputs,
        parameters={"words": args.words, "start": args.start, "seed": args.seed, "split": args.split},
        tools=("numpy", "opencv-python-headless", "pillow"),
    )
    indices = progress(range(args.start, args.start + args.words), total=args.words, what="render words")
    drawn = (sources.renderer.draw(index) for index in indices)
    sheet = contact_sheet([(pixels, label_of(shown)) for pixels, shown in drawn], args.columns)
    with atomic_path(args.output) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    record.write(args.record, [args.output])
