"""Opening an ONNX file with ONNX Runtime: the levels of its graph optimiser, and which provider took which node."""

from collections import Counter
from pathlib import Path
from typing import Any

import onnxruntime

from crnn.core.errors import UserError

LEVELS = {
    "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
# A session's key, of onnxruntime_session_options_config_keys.h.
RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"


def optimisation(options: dict[str, Any]) -> Any:
    """The level that the option `graph_optimization` names, by default `all`. Raises UserError where it is none."""
    level = options.get("graph_optimization", "all")
    if level not in LEVELS:
        raise UserError(f"graph_optimization {level!r}: expected one of {', '.join(LEVELS)}")
    return LEVELS[level]


def open_session(model: Path, settings: Any, providers: list[str | tuple[str, dict[str, Any]]]) -> Any:
    """An InferenceSession. Raises UserError naming the file where ONNX Runtime does not take it."""
    try:
        return onnxruntime.InferenceSession(str(model), settings, providers=providers)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise UserError(f"{model}: ONNX Runtime cannot load it ({str(error).splitlines()[0]})") from error


def assigned_operators(session: Any) -> dict[str, Counter[str]]:
    """Provider → how many nodes of each operator it was given, of a session opened with RECORD_ASSIGNMENT = "1"."""
    found: dict[str, Counter[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        found.setdefault(part.ep_name, Counter()).update(node.op_type for node in part.get_nodes())
    return found
