"""Leakage: images that two sets of words share, compared by their pixels, so another file format hides nothing."""

import hashlib
from collections.abc import Iterator

from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess


def image_digests(words: Words) -> Iterator[tuple[str, str]]:
    """(SHA-256 of gray pixels and shape, key) of every word whose image can be read."""
    preprocess = Preprocess.from_settings({"rule": "fixed"})
    for word in words:
        gray = preprocess.decode(word.image) if word.image else None
        if gray is not None:
            yield hashlib.sha256(str(gray.shape).encode() + gray.tobytes()).hexdigest(), word.key


def shared_images(digests: dict[str, str], words: Words) -> list[tuple[str, str]]:
    """Pairs of keys with the same image; `digests`: digest → key of one set, `words` the other."""
    return [(digests[digest], key) for digest, key in image_digests(words) if digest in digests]
