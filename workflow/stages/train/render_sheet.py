"""Render words and write them as one picture, a contact sheet, with their labels under them.

Words `start` and on of a seed are those that render_words and training see under the same indices.

  --words 200 --seed 0 --fonts resources/fonts --lexicon resources/words/english.txt --output sheet.png
"""

from crnn.core.command import Arguments, Command, progress
from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.data.render.options import add_options, open_sources
from crnn.data.render.sheet import contact_sheet
from crnn.data.render.text.lexicon import label_of


def arguments(command: Command) -> None:
    command.add_argument("--words", type=int, required=True, metavar="N", help="how many words to render")
    command.add_argument("--start", type=int, default=0, metavar="K", help="index of the first word (default 0)")
    command.add_argument("--columns", type=int, default=8, metavar="N", help="words in a row (default 8)")
    add_options(command)
    command.add_output("the PNG file to write")


def main(args: Arguments) -> None:
    for option, value, least in (("words", args.words, 1), ("columns", args.columns, 1), ("start", args.start, 0)):
        if value < least:
            raise UserError(f"--{option} {value}: expected {least} or more")
    renderer, _, inputs = open_sources(args)
    record = Record.begin(args, inputs, ("numpy", "opencv-python-headless", "pillow"))
    indices = progress(range(args.start, args.start + args.words), total=args.words, what="render words")
    drawn = (renderer.draw(index) for index in indices)
    sheet = contact_sheet([(pixels, label_of(shown)) for pixels, shown in drawn], args.columns)
    with atomic_path(args.output) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    record.finish([args.output])
