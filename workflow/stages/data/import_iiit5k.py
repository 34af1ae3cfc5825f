"""Make an LMDB of words from IIIT5K's own archive, IIIT5K-Word_V3.0.tar.gz.

Images keep their bytes, labels their case, and words the order of traindata.mat or testdata.mat. The archive is
checked first and never extracted to disk.
"""

from crnn.core.command import LOG, Arguments, Command, sha256_hex
from crnn.core.files import verify_sha256
from crnn.core.record import Record
from crnn.data.lmdb import write_words
from crnn.data.sources.iiit5k import SPLITS, read_iiit5k


def arguments(command: Command) -> None:
    command.add_path("--archive", "IIIT5K-Word_V3.0.tar.gz")
    command.add_argument("--split", choices=SPLITS, required=True, help="train has 2000 words, test 3000")
    command.add_argument("--sha256", type=sha256_hex, required=True, help="what the archive's SHA-256 must be")
    command.add_output("LMDB folder to write")


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.archive], ("lmdb", "numpy", "scipy"))
    verify_sha256(args.archive, args.sha256)
    count = write_words(args.output, read_iiit5k(args.archive, args.split))
    LOG.info("%d words", count)
    record.finish([args.output / "data.mdb"], words=count)
