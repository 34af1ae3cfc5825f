"""Copy an LMDB of words compactly; the original stays as it is.

The LMDB holds num-samples, image-%09d and label-%09d, counted from 1. A record without image or label is copied,
and later stages count it.
"""

from crnn.core.command import LOG, Arguments, Command
from crnn.core.record import Record
from crnn.data.lmdb import copy_words
from crnn.data.sources.truncation import refuse_truncated


def arguments(command: Command) -> None:
    command.add_path("--source", "the LMDB folder you have (holds data.mdb)")
    command.add_output("LMDB folder to write")


def main(args: Arguments) -> None:
    # The source is not hashed: it may be a sparse file of a tebibyte, and the compact copy is what its records are.
    record = Record.begin(args, [], ("lmdb",), source=str(args.source))
    refuse_truncated(args.source)
    count = copy_words(args.source, args.output)
    LOG.info("%d words", count)
    record.finish([args.output / "data.mdb"], words=count)
