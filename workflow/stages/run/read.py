"""Read images of words with a bundle: a line for each, with its path, text and confidence.

  crnn read results/bundles/crnn/ort word.png folder --recursive --csv

Images need no labels. One that cannot be read has a line with the reason, and the exit status is then 1.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import cast

from crnn.core.command import LOG, Arguments, Command, counter
from crnn.core.errors import UserError
from crnn.inference.recogniser import Reading, Recogniser

SUFFIXES = {".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
COLUMNS = ("file", "text", "confidence", "error")
Row = tuple[str, str | None, float | None, str | None]


def arguments(command: Command) -> None:
    command.add_argument("bundle", type=Path, help="folder that `snakemake bundles` wrote")
    command.add_argument("paths", type=Path, nargs="+", help="images, or folders of images")
    command.add_argument("--recursive", action="store_true", help="look into folders of folders, too")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="comma-separated, with a header")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="a JSON object per line")
    command.add_argument("--threads", type=int, help="cores to use (default: all)")


def main(args: Arguments) -> None:
    cast(TextIOWrapper, sys.stdout).reconfigure(errors="backslashreplace")  # names of files may be no text
    files = list(images_in(args.paths, args.recursive))
    if not files:
        places = ", ".join(map(str, args.paths))
        raise UserError(f"no image in {places}; --recursive looks into folders of folders, too")
    write, failed = writer(args.form), 0
    with Recogniser.open(args.bundle, args.threads) as recogniser, counter(len(files), "read") as bar:
        for reading in in_order(recogniser.stream(files)):
            write((str(files[reading.place]), reading.text, reading.confidence, reading.error))
            failed += reading.error is not None
            bar.update()
    LOG.info("%d images read, %d not", len(files) - failed, failed)
    if failed:
        raise UserError(f"{failed} of {len(files)} images could not be read; their lines say why")


def images_in(paths: list[Path], recursive: bool) -> Iterator[Path]:
    """The files that are named, and the images in the folders that are; a folder that is named like an image, too."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(path.rglob("*") if recursive else path.iterdir())
        yield from (file for file in inside if file.suffix.lower() in SUFFIXES)


def in_order(readings: Iterator[Reading]) -> Iterator[Reading]:
    """Readings by the place of their images: each as soon as all before it are there."""
    waiting: dict[int, Reading] = {}
    place = 0
    for reading in readings:
        waiting[reading.place] = reading
        while place in waiting:
            yield waiting.pop(place)
            place += 1


def writer(form: str | None) -> Callable[[Row], object]:
    """What writes a row to stdout: as `csv`, as `json`, or for people."""
    if form == "csv":
        rows = csv.writer(sys.stdout)
        rows.writerow(COLUMNS)
        return rows.writerow
    return write_json_line if form == "json" else write_line


def write_line(row: Row) -> None:
    file, text, confidence, error = row
    print(file, f"error: {error}" if confidence is None else f"{text}\t{confidence:.4f}", sep="\t")


def write_json_line(row: Row) -> None:
    print(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False))
