"""Check that no calibration word is a word of a dataset: testing a model with its calibration words shows nothing.

  --words calibration/words.lmdb --dataset sample=datasets/sample/words.lmdb --dataset …

Images are compared by their pixels. Fails where a dataset holds one of them too, and names it.
"""

import hashlib
from collections.abc import Iterator

from crnn.core.command import LOG, Arguments, Command, named_path
from crnn.core.errors import UserError
from crnn.core.files import write_json
from crnn.data.decode import decode
from crnn.data.lmdb import Words

MOST_NAMED = 10


def arguments(command: Command) -> None:
    command.add_path("--words", "LMDB folder of the calibration words")
    command.add_argument("--dataset", type=named_path, action="append", required=True, help="name=LMDB folder")
    command.add_output("JSON file to write", record=False)


def image_digests(words: Words) -> Iterator[tuple[str, str]]:
    """(SHA-256 of gray pixels and shape, key) of every word whose image can be read: its file format hides nothing."""
    for word in words:
        gray = decode(word.image) if word.image else None
        if gray is not None and gray.size:
            yield hashlib.sha256(str(gray.shape).encode() + gray.tobytes()).hexdigest(), word.key


def main(args: Arguments) -> None:
    with Words(args.words) as words:
        digests, compared = dict(image_digests(words)), {"calibration": len(words)}
    for name, folder in args.dataset:
        with Words(folder) as words:
            compared[name] = len(words)
            shared = [(digests[digest], key) for digest, key in image_digests(words) if digest in digests]
        if shared:
            listed = ", ".join(f"{mine} is its {other}" for mine, other in shared[:MOST_NAMED])
            raise UserError(
                f"calibration: {len(shared)} of its images are in the dataset {name} too ({listed}"
                f"{', …' if len(shared) > MOST_NAMED else ''}); take other words: calibration.seed or calibration.lmdb"
            )
        LOG.info("%s: no image of its %d words is a calibration word's", name, compared[name])
    write_json(args.output, {"words": compared, "shared": 0})
