"""IIIT5K's own archive, imitated member by member; no image of the real one is used."""

import io
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

# Not in alphabetic order, and neither is the real file.
TEST = [("test/1002_1.png", "PRIVATE"), ("test/1009_1.png", "Salutes"), ("test/1000_1.png", "12")]
TRAIN = [("train/1_1.png", "You"), ("train/2_1.png", "")]


def image(name: str) -> bytes:
    """A PNG that differs with its name."""
    pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (12, 30, 3), dtype=np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def ground_truth(variable: str, entries: list[tuple[str, str]]) -> bytes:
    """A .mat file with a 1-by-N struct array as MATLAB saves it."""
    fields = ("ImgName", "GroundTruth", "smallLexi", "mediumLexi")
    structs = np.zeros((1, len(entries)), dtype=[(name, object) for name in fields])
    for column, (name, text) in enumerate(entries):
        lexicon = np.array([[text, "OTHER", "WORDS"]], dtype=object)
        structs[0, column] = (name, text, lexicon, lexicon)
    stream: Any = io.BytesIO()  # savemat documents file-like objects, its type stubs do not know them
    savemat(stream, {variable: structs}, do_compression=True)
    return bytes(stream.getvalue())


def members(test: list[tuple[str, str]] = TEST) -> dict[str, bytes]:
    """Files of the archive, images before the .mat files that name them."""
    return {
        "IIIT5K/README": b"read me",
        **{f"IIIT5K/{name}": image(name) for name, _ in sorted(test + TRAIN)},
        "IIIT5K/testdata.mat": ground_truth("testdata", test),
        "IIIT5K/traindata.mat": ground_truth("traindata", TRAIN),
    }


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        folder = tarfile.TarInfo("IIIT5K/test")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
