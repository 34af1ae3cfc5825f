"""Weights as this workflow keeps them: a state dict of `CRNN` as safetensors, with the size of its network inside."""

import json
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.model.network import CRNN, NetworkSize


def write_weights(state: dict[str, Tensor], size: NetworkSize, path: Path) -> None:
    """Write a state dict with its network's size as safetensors: no code inside, and equal weights are equal bytes."""
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(state, temporary, metadata={"network": json.dumps(asdict(size))})


def load_network(path: Path) -> CRNN:
    """Return the network that `write_weights` wrote, in evaluation mode. Raises UserError on any other file."""
    size = noted_size(path)
    if size is None:
        raise UserError(f"{path}: was not written by import_checkpoint")
    network = CRNN(size)
    network.load_state_dict(safetensors.torch.load_file(path))
    return network.eval()


def noted_size(path: Path) -> NetworkSize | None:
    """The size that `write_weights` noted in a file; None where it is another file."""
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            return NetworkSize.from_json(json.loads((stream.metadata() or {})["network"]))
    except (OSError, KeyError, TypeError, ValueError, UserError, safetensors.SafetensorError):
        return None
