"""The network on a device of PyTorch's, float32: eager, compiled, or as graphs captured per shape.

A module for each runtime (`cuda`, `npu`) describes its `TorchDevice`, whose methods are the verbs.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from crnn.core.files import atomic_copy
from crnn.model.network import CRNN
from crnn.model.weights import load_network
from crnn.runtimes.devices import checked_device, lock_device
from crnn.runtimes.on_device import OnDevice, is_double
from crnn.runtimes.pytorch import FILES
from crnn.runtimes.runtime import Device, Options, check_options, checked_choice, checked_flag

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


class DeviceSession(OnDevice):
    """A network on a device that this process has locked. One call at a time."""

    calls = 1

    def __init__(
        self,
        network: CRNN,
        api: Any,
        device: torch.device,
        held: ExitStack,
        mode: str = "eager",
        facts: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """api: the module of the device's streams, such as `torch.cuda`. mode: of MODES. facts: more for `describe`."""
        self._api, self._device, self._mode, self._facts = api, device, mode, facts
        self._forward = MODES[mode](network.to(device), api)
        super().__init__(held)

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
        self._add_transfer(copied_in - started, time.perf_counter() - executed)
        return found

    def describe(self) -> dict[str, Any]:
        number = self._device.index or 0
        return {
            "device": f"{self._api.get_device_name(number)}, device {number}",
            "simulated": is_double(self._api),
            "torch": torch.__version__,
            "mode": self._mode,
            "device_mib": self._api.max_memory_reserved(number) / 2**20,
            **self._facts(),
        }

    def close(self) -> None:
        del self._forward
        self._api.empty_cache()
        super().close()


@dataclass(frozen=True)
class TorchDevice:
    """A device of PyTorch's as a runtime.

    name: as `torch.device` has it. kind: of device that it occupies. api: gives the module of the device's streams;
    raises UserError where there is none. check_device(api, number): raises UserError where PyTorch does not reach that
    device. facts: more facts of a session. options: of `mode` and `tf32`, those that the device has.
    """

    name: str
    kind: Device
    api: Callable[[], Any]
    check_device: Callable[[Any, int], None]
    facts: Callable[[], dict[str, Any]]
    options: tuple[str, ...] = ()

    def build(self, source: Path, directory: Path, options: Options) -> list[Path]:
        """Copy the imported weights; compiling and capturing take place on the device."""
        self.check(options, building=True)
        return [atomic_copy(source, directory / FILES[0])]

    def load(self, model: Path, options: Options, threads: int, calls: int = 1) -> DeviceSession:  # noqa: ARG002
        self.check(options, building=False)
        number, mode, tf32 = self._checked(options)
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        network, device = load_network(model), torch.device(self.name, number)
        with lock_device(self.kind, number) as held:
            return DeviceSession(network, self.api(), device, held, mode, self.facts)

    def check(self, options: Options, building: bool) -> None:
        """Raise UserError where the options are wrong or, if not `building`, PyTorch does not reach the device."""
        number, _, _ = self._checked(options)
        if not building:
            self.check_device(self.api(), number)

    def _checked(self, options: Options) -> tuple[int, str, bool]:
        check_options(options, "device", *self.options)
        return checked_device(options), checked_choice(options, "mode", MODES), checked_flag(options, "tf32")
