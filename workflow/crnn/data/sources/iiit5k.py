"""The IIIT 5K-Word archive as its authors publish it, read as words.

IIIT5K-Word_V3.0.tar.gz holds IIIT5K/{train,test}/*.png and IIIT5K/{train,test}data.mat, whose struct array
`traindata` or `testdata` has the fields ImgName ('test/1002_1.png'), GroundTruth, smallLexi and mediumLexi
(Mishra, Alahari and Jawahar, "Scene Text Recognition using Higher Order Language Priors", BMVC 2012).
"""

import io
import tarfile
import zlib
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from crnn.core.errors import UserError

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
ROOT = "IIIT5K"


def _read_members(archive: Path, split: Split) -> dict[str, bytes]:
    """Contents of the split's .mat file and images, by path below IIIT5K/, in one pass and without extracting."""
    wanted = (f"{split}data.mat", f"{split}/")
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                name = member.name.removeprefix("./").removeprefix(f"{ROOT}/")
                if member.isfile() and name.startswith(wanted) and (stream := tar.extractfile(member)):
                    members[name] = stream.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{archive}: cannot be read as a tar archive ({error}); fetch it again") from error
    return members


def _text(value: Any) -> str:
    """A MATLAB char array as SciPy gives it: str, or an empty array where the text is empty."""
    text = "" if isinstance(value, np.ndarray) and value.size == 0 else value
    if not isinstance(text, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return text


def _read_ground_truth(mat: bytes, split: Split) -> list[tuple[str, str]]:
    """(ImgName, GroundTruth) of each entry of the split's struct array, in its order."""
    source: Any = io.BytesIO(mat)  # loadmat documents file-like objects, its type stubs do not know them
    entries = loadmat(source, simplify_cells=True, variable_names=[f"{split}data"])[f"{split}data"]
    # SciPy gives an array of one struct as that struct.
    listed = [entries] if isinstance(entries, dict) else entries
    return [(_text(entry["ImgName"]), _text(entry["GroundTruth"])) for entry in listed]


def read_iiit5k(archive: Path, split: Split) -> list[tuple[bytes, str]]:
    """Return (original image file bytes, label in its original case) for each word, in the order of the .mat file.

    All images of a split are held at once (a tar has no random access), and SciPy unpacks the 1050 lexicon words of
    every image although none is used: some 0.4 GB and ten seconds for the test split. Raises UserError where the
    archive cannot be read, or lacks the .mat file or an image that it names.
    """
    members = _read_members(archive, split)
    name = f"{split}data.mat"
    if name not in members:
        raise UserError(
            f"{archive}: holds no {ROOT}/{name}; expected IIIT5K-Word_V3.0.tar.gz as its authors publish it"
        )
    try:
        truth = _read_ground_truth(members[name], split)
    except (MatReadError, KeyError, TypeError, ValueError, IndexError, NotImplementedError, zlib.error) as error:
        raise UserError(f"{archive}: {ROOT}/{name} is not the IIIT5K ground truth ({error})") from error
    missing = [image for image, _ in truth if image not in members]
    if missing:
        raise UserError(f"{archive}: lacks {len(missing)} images that {name} names, first {ROOT}/{missing[0]}")
    return [(members[image], label) for image, label in truth]
