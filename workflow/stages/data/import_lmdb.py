"""Copy an LMDB of words compactly; the original stays as it is.

The LMDB holds num-samples, image-%09d and label-%09d, counted from 1. A record without image or label is copied,
and later stages count it.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import LOG, parser
from crnn.core.record import Record
from crnn.data.lmdb import copy_words
from crnn.data.sources.truncation import refuse_truncated


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--source", type=Path, required=True, help="the LMDB folder you have (holds data.mdb)")
    command.add_argument("--output", type=Path, required=True, help="LMDB folder to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    # The source is not hashed: it may be a sparse file of a tebibyte, and the compact copy is what its records are.
    record = Record("import_lmdb", inputs=[], parameters={"source": str(args.source)}, tools=("lmdb",))
    refuse_truncated(args.source)
    count = copy_words(args.source, args.output)
    LOG.info("%d words", count)
    record.results = {"words": count}
    record.write(args.record, [args.output / "data.mdb"])
