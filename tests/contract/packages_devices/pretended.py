"""What the doubles of device packages share: the real package of a CPU, which then says that it has a device.

Arrays stay in the host's memory, and the CPU computes. `providers` and `memory` say what is to be replaced and by what,
so that a test can put it in and take it out again.

PRETENDED_FALLS_BACK=1 lets sessions run on the CPU without an error, as ONNX Runtime does where a provider cannot
start; PRETENDED_ON_CPU=A,B says which operators the provider has no kernel for.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

CPU = "CPUExecutionProvider"
CARDS = 2
# Options that the providers know, as ONNX Runtime's pages on the two list them; another is refused.
PROVIDERS = {
    "CUDAExecutionProvider": (
        "cuda",
        {"device_id", "use_tf32", "cudnn_conv_algo_search", "gpu_mem_limit", "arena_extend_strategy"},
    ),
    "CANNExecutionProvider": (
        "cann",
        {"device_id", "precision_mode", "dump_om_model", "enable_cann_graph", "npu_mem_limit", "op_select_impl_mode"},
    ),
}


def real(name: str, double: Path) -> ModuleType:
    """Load the package that the folder `double` hides, in its place."""
    folders = [entry for entry in sys.path if Path(entry).resolve() != double.resolve()]
    spec = PathFinder.find_spec(name, folders)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# --- onnxruntime -------------------------------------------------------------------------------------------


def providers(onnxruntime: ModuleType) -> dict[str, Any]:
    """What of onnxruntime is otherwise in one that has the providers of PROVIDERS."""
    devices = {device for device, _ in PROVIDERS.values()}

    def on_host(device: str) -> str:
        if device not in devices | {"cpu"}:
            raise RuntimeError(f"Unsupported device type: {device}")
        return "cpu"

    class OrtValue(onnxruntime.OrtValue):  # type: ignore[misc, name-defined]
        @classmethod
        def ortvalue_from_numpy(cls, values: Any, /, device_type: str = "cpu", device_id: int = 0) -> Any:
            if not 0 <= device_id < CARDS:
                raise RuntimeError("CUDA failure 101: invalid device ordinal")
            return super().ortvalue_from_numpy(values.copy(), on_host(device_type), 0)

    class IOBinding(onnxruntime.IOBinding):  # type: ignore[misc, name-defined]
        def bind_output(self, name: str, device_type: str = "cpu", device_id: int = 0) -> None:
            super().bind_output(name, on_host(device_type), 0)

    class InferenceSession(onnxruntime.InferenceSession):  # type: ignore[misc, name-defined]
        def __init__(self, model: Any, options: Any = None, providers: Any = None) -> None:
            self._wanted = [(each, {}) if isinstance(each, str) else each for each in providers or [CPU]]
            for name, given in self._wanted:
                unknown = sorted(set(given) - PROVIDERS.get(name, ("cpu", set()))[1])
                if unknown:
                    raise RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : Unknown provider option: {unknown[0]!r}")
            super().__init__(model, options, [CPU])

        def _pretended(self) -> list[tuple[str, dict[str, Any]]]:
            return [] if "PRETENDED_FALLS_BACK" in os.environ else [each for each in self._wanted if each[0] != CPU]

        def get_providers(self) -> list[str]:
            return [*(name for name, _ in self._pretended()), CPU]

        def get_provider_options(self) -> dict[str, dict[str, str]]:
            return {name: {key: str(value) for key, value in given.items()} for name, given in self._pretended()}

        def get_provider_graph_assignment_info(self) -> list[Any]:
            left = os.environ.get("PRETENDED_ON_CPU", "").split(",")
            nodes = [node for part in super().get_provider_graph_assignment_info() for node in part.get_nodes()]
            first = self.get_providers()[0]
            found: dict[str, list[Any]] = {}
            for node in nodes:
                found.setdefault(CPU if node.op_type in left else first, []).append(node)
            return [SimpleNamespace(ep_name=name, get_nodes=lambda part=part: part) for name, part in found.items()]

        def io_binding(self) -> IOBinding:
            return IOBinding(self)

    return {
        "OrtValue": OrtValue,
        "InferenceSession": InferenceSession,
        "get_available_providers": lambda: [*PROVIDERS, CPU],
        "SIMULATED": True,
    }


# --- torch -------------------------------------------------------------------------------------------------


class Stream:
    def wait_stream(self, other: "Stream") -> None:
        """Nothing is under way that could be waited for."""


class CUDAGraph:
    """Calls of operators that were recorded, and are made again over the same memory."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def replay(self) -> None:
        from torch.utils import _pytree

        for function, arguments, keywords, made in self.calls:
            again = function(*arguments, **keywords)
            for old, new in zip(_pytree.tree_leaves(made), _pytree.tree_leaves(again), strict=True):
                if hasattr(old, "copy_"):
                    old.copy_(new)


class Device:
    """`torch.cuda` or `torch.npu` as far as the calls use them; `kind` is how tensors are sent there.

    What else PyTorch itself asks of the module, `rest` answers.
    """

    SIMULATED = True
    Stream, CUDAGraph = Stream, CUDAGraph

    def __init__(self, kind: str, rest: ModuleType | None = None) -> None:
        self.kind, self.captured, self._rest = kind, 0, rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rest, name)

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return CARDS

    def get_device_name(self, device: int) -> str:
        return f"pretended {self.kind}"

    def synchronize(self) -> None:
        """All calls have ended already."""

    def max_memory_reserved(self, device: int) -> int:
        return 3 * 2**20

    def empty_cache(self) -> None:
        """Nothing is cached."""

    def current_stream(self) -> Stream:
        return Stream()

    def graph_pool_handle(self) -> tuple[int, int]:
        return (0, 0)

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        yield

    @contextmanager
    def graph(self, graph: CUDAGraph, pool: tuple[int, int]) -> Iterator[None]:
        from torch.utils._python_dispatch import TorchDispatchMode

        class Recording(TorchDispatchMode):
            def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                made = function(*args, **(kwargs or {}))
                graph.calls.append((function, args, kwargs or {}, made))
                return made

        self.captured += 1
        with Recording():
            yield


def memory(torch: ModuleType, kind: str) -> list[tuple[Any, str, Any]]:
    """(class, method, replacement) by which the memory of device `kind` is the host's. Copies are copies still."""

    def sent(to: Callable[..., Any]) -> Callable[..., Any]:
        def pretended(self: Any, device: Any, *more: Any, **named: Any) -> Any:
            return to(self, "cpu" if str(device).startswith(kind) else device, *more, **named)

        return pretended

    tensor, module = torch.Tensor, torch.nn.Module
    return [
        (tensor, "to", sent(tensor.to)),
        (tensor, "cpu", lambda self: self.clone()),
        (module, "to", sent(module.to)),
    ]
