"""Download one file and check its SHA-256.

An interrupted download stays beside the output as OUTPUT.part and is continued by the next run; a file with another
SHA-256 is removed. Addresses: http, https, file. A proxy is taken from the usual environment variables.
"""

from crnn.core.command import Arguments, Command, sha256_hex
from crnn.core.record import Record
from crnn.data.sources.download import download


def arguments(command: Command) -> None:
    command.add_argument("--url", required=True)
    command.add_argument("--sha256", type=sha256_hex, required=True, help="what the file's SHA-256 must be")
    command.add_output("file to write", record=False)
    command.add_argument("--remedy", help="what the error message advises where the download fails")
    command.add_record(required=False)


def main(args: Arguments) -> None:
    record = Record.begin(args, [])
    remedy = args.remedy or f"download it by hand and save it as {args.output}"
    download(args.url, args.sha256, args.output, remedy)
    record.finish([args.output])
