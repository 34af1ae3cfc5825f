"""PyTorch eager on the CPU: the reference that every other runtime is compared with."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from crnn.core.files import atomic_copy
from crnn.core.record import describe_host
from crnn.model.network import CRNN
from crnn.model.weights import load_network
from crnn.runtimes.pytorch import FILES
from crnn.runtimes.runtime import Options, check_options


class TorchSession:
    """The network itself, float32."""

    def __init__(self, network: CRNN, threads: int, calls: int = 1) -> None:
        self.calls = calls
        torch.set_num_threads(max(1, threads // calls))
        self._network = network

    def infer(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            output: npt.NDArray[np.float32] = self._network(torch.from_numpy(images)).numpy()
        return output

    def describe(self) -> dict[str, Any]:
        return {"device": describe_host()["cpu"], "simulated": False, "torch": torch.__version__}

    def close(self) -> None:
        """Nothing to release."""


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Copy the imported weights; the network needs no compilation."""
    check_options(options)
    return [atomic_copy(source, directory / FILES[0])]


def load(model: Path, options: Options, threads: int, calls: int = 1) -> TorchSession:
    return TorchSession(load_network(model), threads, calls)
