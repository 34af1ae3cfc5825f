"""ONNX files on a device through one of ONNX Runtime's execution providers, and never on the CPU in its place.

ONNX Runtime falls back to the CPU without an error where a provider cannot start, and places single nodes there that
the provider has no kernel for. The first is an error here; the second is counted, logged, and among the facts of the
session. A module for each runtime (`cuda`, `cann`) describes its `Provider`, whose methods are the verbs.
"""

import ctypes
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime

from crnn.core.command import LOG
from crnn.core.errors import UserError
from crnn.core.files import atomic_copy
from crnn.core.record import tool_versions
from crnn.runtimes.devices import checked_device, lock_device
from crnn.runtimes.on_device import OnDevice, is_double
from crnn.runtimes.onnxruntime import FILES
from crnn.runtimes.onnxruntime.opening import open_session, optimisation
from crnn.runtimes.runtime import Device, Options, check_options

Array = npt.NDArray[np.float32]
CPU = "CPUExecutionProvider"
LIBRARIES = ("libonnxruntime_providers_shared.so", "libonnxruntime_providers_{}.so")


@dataclass(frozen=True)
class Provider:
    """An execution provider, under the name and device that ONNX Runtime has for it, as a runtime.

    kind: of device that it occupies. distribution: the package that holds it. remedies: what to do where the provider's
    library wants another that is missing: what that one's name begins with → remedy; the empty text stands for any.
    described: names the machine's devices. options: those that only this provider has. settings: what they come to, as
    ONNX Runtime's provider options; raises UserError where they are wrong. check_device(runtime, simulated): raises
    UserError where the machine has no device. facts: more facts of a session. preload: for a provider whose libraries
    may be Python packages, where ONNX Runtime has to be told to look.
    """

    runtime: str
    name: str
    device: str
    kind: Device
    distribution: str
    remedies: dict[str, str]
    described: Callable[[], str]
    options: tuple[str, ...] = ()
    settings: Callable[[Options], dict[str, Any]] = lambda _: {}
    check_device: Callable[[str, bool], None] = lambda *_: None
    facts: Callable[[], dict[str, Any]] = dict
    preload: bool = False

    def build(self, source: Path, directory: Path, options: Options) -> list[Path]:
        """Copy the model; it is optimised where it is loaded."""
        self.check(options, building=True)
        return [atomic_copy(source, directory / FILES[0])]

    def load(self, model: Path, options: Options, threads: int, calls: int = 1) -> "ProviderSession":  # noqa: ARG002
        self.check_installed()
        return ProviderSession(model, self, *self._checked(options))

    def check(self, options: Options, building: bool) -> None:
        """Raise UserError where the options are wrong or, if not `building`, the provider cannot start here."""
        self._checked(options)
        if not building:
            self.check_installed()
            self.check_device(self.runtime, is_double(onnxruntime))

    def _checked(self, options: Options) -> tuple[int, Any, dict[str, Any]]:
        """The device, the level of the graph optimiser, and the provider's settings."""
        check_options(options, "device", "graph_optimization", *self.options)
        return checked_device(options), optimisation(options), self.settings(options)

    def check_installed(self) -> None:
        """Raise UserError where the provider is missing, or its libraries are."""
        versions = tool_versions(("onnxruntime", "onnxruntime-cann", "onnxruntime-gpu"))
        installed = [name for name, version in versions.items() if version != "absent"]
        if self.distribution in installed and len(installed) > 1:
            beside = [name for name in installed if name != self.distribution]
            raise UserError(
                f"{self.distribution} and {' and '.join(beside)} are both installed here, and they overwrite each "
                f"other's files; uninstall all of them, then install {self.distribution} alone"
            )
        if self.name not in onnxruntime.get_available_providers():
            raise UserError(
                f"the onnxruntime {onnxruntime.__version__} installed here has no {self.name} (it has "
                f"{', '.join(onnxruntime.get_available_providers())}); install {self.distribution} in its place"
            )
        self._check_libraries()

    def _check_libraries(self) -> None:
        if self.preload:
            with redirect_stdout(StringIO()):  # it prints what it does not find, which need not be missing
                onnxruntime.preload_dlls()
        for pattern in LIBRARIES:
            library = Path(onnxruntime.__file__).parent / "capi" / pattern.format(self.device)
            if not library.exists():  # linked in, or registered from elsewhere
                continue
            try:
                ctypes.CDLL(str(library))
            except OSError as error:
                fault = str(error)
                remedy = next(text for begin, text in self.remedies.items() if fault.startswith(begin))
                raise UserError(f"{self.name} cannot start: {fault}; {remedy}") from error


class ProviderSession(OnDevice):
    """An ONNX file on a device. Images are copied there before a call and log-probabilities back after it."""

    calls = 1

    def __init__(self, model: Path, provider: Provider, device: int, level: Any, settings: dict[str, Any]) -> None:
        """Wait for the device and open `model` on it. Raises UserError where it fails to start, or takes no node.

        level: of `crnn.runtimes.onnxruntime.opening.LEVELS`. settings: the provider's own options.
        """
        self._provider, self._device = provider, device
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        with lock_device(provider.kind, device) as held:
            own = {"device_id": device, **settings}
            self._session = open_session(model, options, [(provider.name, own), CPU])
            self._operators = self._checked_operators()
            self._input, self._output = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name
            super().__init__(held)

    def _checked_operators(self) -> dict[str, Counter[str]]:
        """Provider → operator → nodes. Raises UserError where the session does not use the provider."""
        name, active = self._provider.name, self._session.get_providers()
        if active[0] != name:
            raise UserError(
                f"ONNX Runtime runs on {active[0]} and not on {name}: the provider could not start, for the reason "
                f"that ONNX Runtime gives above. Nothing is measured on another device than the one asked for"
            )
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for part in self._session.get_provider_graph_assignment_info():
            found[part.ep_name].update(node.op_type for node in part.get_nodes())
        if not found[name]:
            raise UserError(f"{name} takes none of the model's nodes: all of them would run on the CPU")
        if found[CPU]:
            count, whole = found[CPU].total(), sum(each.total() for each in found.values())
            LOG.warning("%d of %d nodes run on the CPU: %s", count, whole, ", ".join(sorted(found[CPU])))
        return found

    def infer(self, images: Array) -> Array:
        binding = self._session.io_binding()
        started = time.perf_counter()
        given = onnxruntime.OrtValue.ortvalue_from_numpy(
            np.ascontiguousarray(images), self._provider.device, self._device
        )
        binding.bind_ortvalue_input(self._input, given)
        binding.bind_output(self._output, self._provider.device, self._device)
        binding.synchronize_inputs()
        copied_in = time.perf_counter()
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        executed = time.perf_counter()
        output = cast(Array, binding.get_outputs()[0].numpy())
        self._add_transfer(copied_in - started, time.perf_counter() - executed)
        return output

    def describe(self) -> dict[str, Any]:
        return {
            "device": f"{self._provider.described()}, device {self._device}",
            "simulated": is_double(onnxruntime),
            "onnxruntime": onnxruntime.__version__,
            "provider": self._session.get_providers()[0],
            "provider_options": self._session.get_provider_options()[self._provider.name],
            "nodes": sum(operators.total() for operators in self._operators.values()),
            "nodes_on_cpu": self._operators[CPU].total(),
            "operators_on_cpu": sorted(self._operators[CPU]),
            **self._provider.facts(),
        }

    def close(self) -> None:
        del self._session
        super().close()
