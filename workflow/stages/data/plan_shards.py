"""Count the words of an LMDB and split them into shards: shards.json.

Shards hold --size words each, the last what is left, and are named by their first and last word. shards.json maps
each to a digest of its words' images and labels, by which the workflow sees whose words changed.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import LOG, parser
from crnn.core.files import write_json
from crnn.data.lmdb import Words
from crnn.data.shards import plan


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--words", type=Path, required=True, help="LMDB folder")
    command.add_argument("--size", type=int, required=True, help="words per shard")
    command.add_argument("--output", type=Path, required=True, help="shards.json to write")
    return command


def main(args: Namespace) -> None:
    with Words(args.words) as words:
        planned = plan(words, args.size)
    LOG.info("%d words in %d shards of %d", planned["words"], len(planned["shards"]), args.size)
    write_json(args.output, planned)
