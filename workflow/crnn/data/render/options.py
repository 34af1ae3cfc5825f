"""The options of every stage that renders: which fonts, which words, which seed."""

from pathlib import Path

from crnn.core.command import Arguments, Command
from crnn.core.errors import UserError
from crnn.data.render.fonts.listing import FontFolder, find_fonts, read_fonts
from crnn.data.render.sample import Renderer
from crnn.data.render.text.lexicon import CHARACTERS, Lexicon, read_words


def add_options(command: Command) -> None:
    """Add --seed, --fonts or --fonts-list with --split, and --lexicon to a stage's options."""
    command.add_argument("--seed", type=int, required=True, metavar="S", help="0 or more; another seed, other words")
    fonts = command.add_mutually_exclusive_group(required=True)
    fonts.add_argument("--fonts", type=Path, nargs="+", metavar="DIR", help="folders of .ttf and .otf files")
    fonts.add_argument("--fonts-list", type=Path, metavar="FILE", help="a list of fonts by list_fonts.py")
    command.add_argument("--split", choices=("train", "validation"), help="of --fonts-list; without it, all its fonts")
    lists = "word lists, a word per line; each list is rendered as often as the others"
    command.add_paths("--lexicon", lists, metavar="FILE")


def open_sources(args: Arguments) -> tuple[Renderer, dict[Path, str], list[Path]]:
    """Return the renderer that the options of `add_options` name, the fonts that it leaves out and why, and its files.

    Raises UserError where an option is wrong.
    """
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: expected 0 or more")
    if args.fonts_list:
        folder = FontFolder(read_fonts(args.fonts_list, args.split), {})
    elif args.split:
        raise UserError(f"--split {args.split}: only a list of fonts has splits; give --fonts-list")
    else:
        folder = find_fonts(args.fonts, CHARACTERS)
    inputs = [args.fonts_list] if args.fonts_list else [font.path for font in folder.fonts]
    renderer = Renderer(args.seed, folder.fonts, Lexicon(*map(read_words, args.lexicon)))
    return renderer, folder.left_out, [*args.lexicon, *inputs]
