"""Opening an ONNX file with ONNX Runtime, and the levels of its graph optimiser."""

from pathlib import Path
from typing import Any

import onnxruntime

from crnn.core.errors import UserError
from crnn.runtimes.runtime import checked_choice

LEVELS = {
    "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def optimisation(options: dict[str, Any]) -> Any:
    """The level that the option `graph_optimization` names, by default `all`. Raises UserError where it is none."""
    return LEVELS[checked_choice(options, "graph_optimization", LEVELS, default="all")]


def open_session(model: Path, settings: Any, providers: list[str | tuple[str, dict[str, Any]]]) -> Any:
    """An InferenceSession. Raises UserError naming the file where ONNX Runtime does not take it."""
    try:
        return onnxruntime.InferenceSession(str(model), settings, providers=providers)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise UserError(f"{model}: ONNX Runtime cannot load it ({str(error).splitlines()[0]})") from error
