r"""Render words on scene-like grounds and write them as an LMDB of words.

The same arguments give the same data.mdb, byte for byte; word k does not depend on how many there are.

  python workflow/render_words.py --words 300 --seed 0 --fonts resources/fonts \
      --lexicon resources/words/english.txt --output words.lmdb --record words.json
  python workflow/render_words.py --words 300 --seed 0 --fonts-list fonts.json --split validation \
      --lexicon resources/words/english.txt --output words.lmdb --record words.json
"""

import argparse
from pathlib import Path

from crnn.errors import UserError
from crnn.record import Record
from crnn.render.fonts import FontFolder, find_fonts, read_fonts
from crnn.render.lexicon import CHARACTERS, Lexicon, read_words
from crnn.render.sample import Renderer
from crnn.stage import parser, progress, run
from crnn.words import write_words


def arguments() -> argparse.ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--words", type=int, required=True, metavar="N", help="how many words to render")
    command.add_argument("--seed", type=int, required=True, metavar="S", help="0 or more; another seed, other words")
    fonts = command.add_mutually_exclusive_group(required=True)
    fonts.add_argument("--fonts", type=Path, nargs="+", metavar="DIR", help="folders of .ttf and .otf files")
    fonts.add_argument("--fonts-list", type=Path, metavar="FILE", help="a list of fonts by list_fonts.py")
    command.add_argument("--split", choices=("train", "validation"), help="of --fonts-list; all fonts without")
    command.add_argument(
        "--lexicon", type=Path, nargs="+", required=True, metavar="FILE", help="word lists, a word per line"
    )
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help="the LMDB folder to write")
    command.add_argument("--record", type=Path, required=True, metavar="FILE", help="where to write the stage's record")
    return command


def main(args: argparse.Namespace) -> None:
    if args.words < 1:
        raise UserError(f"--words {args.words}: expected 1 or more")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: expected 0 or more")
    folder = _fonts(args)
    record = Record(
        "render_words",
        inputs=[*args.lexicon, *(font.path for font in folder.fonts)],
        parameters={"words": args.words, "seed": args.seed},
        tools=("numpy", "opencv-python-headless", "pillow", "lmdb"),
    )
    renderer = Renderer(args.seed, folder.fonts, Lexicon(read_words(*args.lexicon)))
    indices = progress(range(args.words), total=args.words, what="render words")
    rendered = (renderer.render(index) for index in indices)
    write_words(args.output, ((word.image, word.text) for word in rendered))
    record.results = {"fonts_left_out": {str(path): reason for path, reason in folder.left_out.items()}}
    record.write(args.record, [args.output / "data.mdb"])


def _fonts(args: argparse.Namespace) -> FontFolder:
    if args.fonts_list:
        return FontFolder(read_fonts(args.fonts_list, args.split), {})
    if args.split:
        raise UserError(f"--split {args.split}: only a list of fonts has splits; give --fonts-list")
    return find_fonts(args.fonts, CHARACTERS)


if __name__ == "__main__":
    run(main, arguments())
