"""ONNX Runtime on the CPU. Building runs its graph optimiser once and keeps the result.

Options: `graph_optimization` (default `all`): disabled, basic, extended or all. With `all` the built file holds
layouts chosen for this processor, so a build belongs to the host that made it.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime

from crnn.core.files import atomic_path
from crnn.core.record import describe_host
from crnn.runtimes.onnxruntime import FILES
from crnn.runtimes.onnxruntime.opening import LEVELS, open_session, optimisation
from crnn.runtimes.runtime import Options, check_options

PROVIDER = "CPUExecutionProvider"
ERRORS_AND_WORSE = 3  # onnxruntime's log_severity_level


class OnnxSession:
    """An ONNX file run as it is: no optimisation happens on loading."""

    def __init__(self, model: Path, threads: int, calls: int = 1) -> None:
        self.calls = calls
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = LEVELS["disabled"]
        settings.intra_op_num_threads = max(1, threads // calls)
        self._session = open_session(model, settings, [PROVIDER])
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def infer(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return cast(npt.NDArray[np.float32], self._session.run([self._output], {self._input: images})[0])

    def observe(self, given: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Every output of the model by its name, from its inputs by theirs."""
        names = [entry.name for entry in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, given), strict=True))

    def describe(self) -> dict[str, Any]:
        provider = self._session.get_providers()[0]
        return {
            "device": describe_host()["cpu"],
            "simulated": False,
            "onnxruntime": onnxruntime.__version__,
            "provider": provider,
        }

    def close(self) -> None:
        """Nothing to release: the session goes with the object."""


def build(source: Path, directory: Path, options: Options) -> list[Path]:
    """Optimise `source` for this processor and keep the optimised graph."""
    check_options(options, "graph_optimization")
    level = optimisation(options)
    with atomic_path(directory / FILES[0]) as temporary:
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = level
        settings.optimized_model_filepath = str(temporary)
        settings.log_severity_level = ERRORS_AND_WORSE  # it warns that the result suits this processor: intended
        open_session(source, settings, [PROVIDER])
    return [directory / FILES[0]]


def load(model: Path, options: Options, threads: int, calls: int = 1) -> OnnxSession:
    return OnnxSession(model, threads, calls)
