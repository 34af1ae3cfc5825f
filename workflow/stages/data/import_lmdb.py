"""Copy an LMDB of words compactly; the original stays as it is.

The LMDB holds num-samples, image-%09d and label-%09d, counted from 1. A record without image or label is copied, and
later stages count it. Words that num-samples leaves out are an error, and so is an LMDB without one readable image or
label. The log and the record name other keys.
"""

from dataclasses import asdict

from crnn.core.command import LOG, Arguments, Command
from crnn.core.record import Record
from crnn.data.sources.soundness import import_words


def arguments(command: Command) -> None:
    command.add_path("--source", "the LMDB folder you have (holds data.mdb)")
    command.add_output("LMDB folder to write")


def main(args: Arguments) -> None:
    # The source is not hashed: it may be a sparse file of a tebibyte, and the compact copy is what its records are.
    record = Record.begin(args, [], ("lmdb",), source=str(args.source))
    found = import_words(args.source, args.output)
    LOG.info("%d words", found.words)
    if found.other_keys:
        LOG.warning("keys that are no word's: %s …", ", ".join(found.other_keys))
    record.finish([args.output / "data.mdb"], **asdict(found))
