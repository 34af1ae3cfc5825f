"""Files of weights as people have them, to the tensors inside, without running what else is inside."""

import pickle
import re
import tarfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from crnn.core.errors import UserError
from crnn.core.files import what_it_is
from crnn.model.layouts import StateDict

# Packages whose objects training scripts save beside the weights: settings, numbers, histories. Nothing of them is made
# or called; each is read as a Shell.
BESIDE_WEIGHTS = {
    *("argparse", "datetime", "easydict", "enum", "lightning", "mmcv", "mmengine", "mmocr", "numpy"),
    *("omegaconf", "pathlib", "pytorch_lightning", "types", "typing", "yacs"),
}
SAVE_TENSORS = "Save only the tensors: torch.save(model.state_dict(), path)"
OTHER_FORMATS = {
    ".onnx": "is an ONNX model, not a checkpoint; name it as models.<name>.onnx",
    ".pdparams": "is a PaddlePaddle checkpoint; export it with paddle2onnx, and name that file as models.<name>.onnx",
}
DEEPEST = 4  # levels of mappings in which state dicts are looked for


class Shell:
    """What stands for an object that is not made: it takes whatever it is given, and keeps nothing."""

    def __new__(cls, *_: object, **__: object) -> "Shell":
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def load(path: Path) -> object:
    """What a file of torch.save or of safetensors holds. Raises UserError where it is another file, named if known."""
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint file")
    try:
        found = what_it_is(path)
        if found:
            raise UserError(f"{path}: {found}")
        with path.open("rb") as stream:
            if stream.read(9)[8:] == b"{":
                return safetensors.torch.load_file(path)
        return _load_torch(path)
    except UserError:
        raise
    except Exception as error:  # bytes that are no checkpoint fail in as many ways as there are bytes
        raise UserError(f"{path}: {_other_file(path, error)}") from error


def _load_torch(path: Path) -> object:
    shells: list[Any] = []
    while True:
        try:
            with torch.serialization.safe_globals(shells), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it says of old forms that they are old
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            named = re.search(r"GLOBAL (\S+)", str(error))
            if named is None:
                raise
            name = named[1]
            if name.partition(".")[0] not in BESIDE_WEIGHTS or any(known == name for _, known in shells):
                raise UserError(
                    f"{path}: refused, because it holds {name} and loading that would run code. {SAVE_TENSORS}"
                ) from error
            shells.append((Shell, name))


def _other_file(path: Path, error: Exception) -> str:
    """What a file is that could not be loaded, and what can be done."""
    if path.suffix in OTHER_FORMATS:
        return OTHER_FORMATS[path.suffix]
    if "Unsupported operand 149" in str(error):
        return (
            "was saved with pickle protocol 4 or 5, which PyTorch does not read safely. Where it was made, save it "
            "again without pickle_protocol"
        )
    members = _members(path)
    if any(name.endswith(("constants.pkl", "archive_format")) for name in members):
        return (
            "is a program of TorchScript or torch.export. Export it to ONNX where it was made, and name that file as "
            "models.<name>.onnx"
        )
    if (members and not any(name.endswith("data.pkl") for name in members)) or tarfile.is_tarfile(path):
        return (
            "is an archive; unpack it, or where PyTorch older than 0.2 saved it, load and save it with that once more"
        )
    # Its first sentence: the rest of PyTorch's advises to load the file without protection.
    said = str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0].partition(". ")[0]
    return f"is not a readable checkpoint ({type(error).__name__}{': ' if said else ''}{said})"


def _members(path: Path) -> list[str]:
    """The names in a zip archive; none where a file is no archive that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except Exception:  # as above
        return []


def state_dicts(value: object, name: str = "", deep: int = DEEPEST) -> Iterator[tuple[str, StateDict]]:
    """Every mapping with tensors in what a file holds, with the keys that lead to it; what is no tensor is left out."""
    if not isinstance(value, Mapping | list | tuple) or not deep:
        return
    items = value if isinstance(value, Mapping) else dict(enumerate(value))
    tensors = {str(key): item.detach() for key, item in items.items() if isinstance(item, Tensor)}
    if tensors and items is value:
        yield name, tensors
    for key, item in items.items():
        yield from state_dicts(item, f"{name}.{key}" if name else str(key), deep - 1)
