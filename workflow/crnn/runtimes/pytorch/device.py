"""The network on a device of PyTorch's, float32: eager, compiled, or as graphs captured per shape.

Shared by the targets whose device PyTorch drives itself; each passes the module that has the device's streams and
events, such as `torch.cuda`. Not here: which devices there are, and how their absence is explained.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from crnn.model.network import CRNN

Array = npt.NDArray[np.float32]
Forward = Callable[[Tensor], Tensor]
WARM_UPS = 3  # calls before a capture, as torch.cuda.graph's documentation has them: libraries choose kernels in them
MOST_GRAPHS = 128  # shapes that are captured; each holds its output, and all share the memory between


class Captured:
    """A network as one graph per input shape, replayed where the shape comes again; after MOST_GRAPHS it runs as is."""

    def __init__(self, network: CRNN, api: Any) -> None:
        self._network, self._api = network, api
        self._graphs: dict[tuple[int, ...], tuple[Any, Tensor, Tensor]] = {}
        self._pool = api.graph_pool_handle()

    def __call__(self, images: Tensor) -> Tensor:
        shape = tuple(images.shape)
        if shape not in self._graphs:
            if len(self._graphs) == MOST_GRAPHS:
                output: Tensor = self._network(images)
                return output
            self._graphs[shape] = self._capture(images.clone())
        graph, given, output = self._graphs[shape]
        given.copy_(images)
        graph.replay()
        return output

    def _capture(self, given: Tensor) -> tuple[Any, Tensor, Tensor]:
        aside = self._api.Stream()
        aside.wait_stream(self._api.current_stream())
        with self._api.stream(aside):
            for _ in range(WARM_UPS):
                self._network(given)
        self._api.current_stream().wait_stream(aside)
        graph = self._api.CUDAGraph()
        with self._api.graph(graph, pool=self._pool):
            output = self._network(given)
        return graph, given, output


def compiled(network: CRNN, _api: Any) -> Forward:
    """The network through PyTorch's compiler: once for batches of one, and once for all others."""
    forward: Forward = torch.compile(network, dynamic=True)
    return forward


def eager(network: CRNN, _api: Any) -> Forward:
    """The network as it is."""
    return network


MODES: dict[str, Callable[[CRNN, Any], Forward]] = {"eager": eager, "compile": compiled, "graph": Captured}


class DeviceSession:
    """A network on a card that this process has claimed. One call at a time."""

    calls = 1

    def __init__(self, network: CRNN, api: Any, device: torch.device, held: ExitStack, mode: str = "eager") -> None:
        """api: the module of the device's streams, such as `torch.cuda`. mode: of MODES."""
        self._api, self._device, self._held, self._mode = api, device, held, mode
        self._transfers = [0.0, 0.0]
        self._forward = MODES[mode](network.to(device), api)

    def infer(self, images: Array) -> Array:
        with torch.inference_mode():
            started = time.perf_counter()
            given = torch.from_numpy(images).to(self._device)
            self._api.synchronize()
            copied_in = time.perf_counter()
            output = self._forward(given)
            self._api.synchronize()
            executed = time.perf_counter()
            found: Array = output.cpu().numpy()
        self._transfers[0] += copied_in - started
        self._transfers[1] += time.perf_counter() - executed
        return found

    def transfer_seconds(self) -> tuple[float, float]:
        """Seconds of copying to and from the device since the last call."""
        (first, second), self._transfers = self._transfers, [0.0, 0.0]
        return first, second

    def describe(self) -> dict[str, Any]:
        number = self._device.index or 0
        return {
            "device": f"{self._api.get_device_name(number)}, device {number}",
            "simulated": simulated(self._api),
            "torch": torch.__version__,
            "mode": self._mode,
        }

    def close(self) -> None:
        """Give the card back."""
        del self._forward
        self._api.empty_cache()
        self._held.close()


def simulated(api: Any) -> bool:
    """Whether `api` is a contract double, which says so itself."""
    return bool(getattr(api, "SIMULATED", False))
