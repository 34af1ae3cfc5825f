r"""Render words on scene-like grounds and write them as an LMDB of words.

The same arguments give the same data.mdb, byte for byte; word k does not depend on how many there are.

  python workflow/stages/data/render_words.py --words 300 --seed 0 --fonts resources/fonts \
      --lexicon resources/words/english.txt --output words.lmdb --record words.json
  python workflow/stages/data/render_words.py --words 300 --seed 0 --fonts-list fonts.json --split validation \
      --lexicon resources/words/english.txt --output words.lmdb --record words.json
"""

import argparse
from pathlib import Path

from crnn.core.command import parser, progress
from crnn.core.errors import UserError
from crnn.core.record import Record
from crnn.data.lmdb import write_words
from crnn.data.render.options import add_options, open_sources


def arguments() -> argparse.ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--words", type=int, required=True, metavar="N", help="how many words to render")
    add_options(command)
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help="the LMDB folder to write")
    command.add_argument("--record", type=Path, required=True, metavar="FILE", help="where to write the stage's record")
    return command


def main(args: argparse.Namespace) -> None:
    if args.words < 1:
        raise UserError(f"--words {args.words}: expected 1 or more")
    sources = open_sources(args)
    record = Record(
        "render_words",
        inputs=sources.inputs,
        parameters={"words": args.words, "seed": args.seed, "split": args.split},
        tools=("numpy", "opencv-python-headless", "pillow", "lmdb"),
    )
    indices = progress(range(args.words), total=args.words, what="render words")
    rendered = (sources.renderer.render(index) for index in indices)
    write_words(args.output, ((word.image, word.text) for word in rendered))
    record.results = {"fonts_left_out": {str(path): reason for path, reason in sources.folder.left_out.items()}}
    record.write(args.record, [args.output / "data.mdb"])
