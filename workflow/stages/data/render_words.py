"""Render words on scene-like grounds and write them as an LMDB of words.

The same arguments give the same data.mdb, byte for byte; word k does not depend on how many there are.

  --words 300 --seed 0 --fonts resources/fonts --lexicon resources/words/english.txt
  --words 300 --seed 0 --fonts-list fonts.json --split validation --lexicon resources/words/english.txt
"""

from crnn.core.command import Arguments, Command, progress
from crnn.core.errors import UserError
from crnn.core.record import Record
from crnn.data.lmdb import write_words
from crnn.data.render.options import add_options, open_sources


def arguments(command: Command) -> None:
    command.add_argument("--words", type=int, required=True, metavar="N", help="how many words to render")
    add_options(command)
    command.add_output("the LMDB folder to write")


def main(args: Arguments) -> None:
    if args.words < 1:
        raise UserError(f"--words {args.words}: expected 1 or more")
    renderer, left_out, inputs = open_sources(args)
    record = Record.begin(args, inputs, ("numpy", "opencv-python-headless", "pillow", "lmdb"))
    indices = progress(range(args.words), total=args.words, what="render words")
    write_words(args.output, ((word.image, word.text) for word in map(renderer.render, indices)))
    reasons = {str(path): reason for path, reason in left_out.items()}
    record.finish([args.output / "data.mdb"], fonts_left_out=reasons)
