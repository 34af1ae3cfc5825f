"""Make an LMDB of words from a folder of images and a file of their labels.

The label file, in UTF-8, is a table (CSV, TSV) whose first line names the columns, such as file and text, JSON, JSON
lines, or lines of a path and a label as PaddleOCR, ICDAR, MMOCR and others write them; its content tells which. Paths
start from the images' folder. PNG and JPEG files are stored as they are, other readable formats as PNG.
A listed image that is missing is stored empty, which counts it; the log and the record name it.
"""

from dataclasses import asdict
from functools import partial

from crnn.core.command import LOG, Arguments, Command, progress
from crnn.core.record import Record
from crnn.data.lmdb import write_words
from crnn.data.sources.images import Findings, is_image_in, read_images
from crnn.data.sources.label_files import FORMS, read_labels

NAMED_IN_LOG = 20  # the record names all


def arguments(command: Command) -> None:
    command.add_path("--folder", "folder of the images")
    command.add_path("--labels", "label file")
    command.add_argument(
        "--form", choices=("auto", *FORMS), default="auto", help="of the label file (default: by its content)"
    )
    command.add_argument("--names", help="regular expression whose first group in a file's name is the label")
    command.add_output("LMDB folder to write")


def main(args: Arguments) -> None:
    form = None if args.form == "auto" else args.form
    tools = ("lmdb", "numpy", "opencv-python-headless")
    record = Record.begin(args, [args.labels], tools, folder=str(args.folder))
    entries = read_labels(args.labels, form, partial(is_image_in, args.folder), args.names)
    LOG.info("line %d is read as %r: %r", entries[0].line, entries[0].file, entries[0].text)
    findings = Findings()
    pairs = read_images(args.folder, args.labels, entries, findings)
    count = write_words(args.output, progress(pairs, total=len(entries), what="import"))
    LOG.info("%d words", count)
    for what, files in asdict(findings).items():
        if files:
            more = f" and {len(files) - NAMED_IN_LOG} more" if len(files) > NAMED_IN_LOG else ""
            LOG.warning("%d %s: %s%s", len(files), what, ", ".join(files[:NAMED_IN_LOG]), more)
    record.finish([args.output / "data.mdb"], words=count, **asdict(findings))
