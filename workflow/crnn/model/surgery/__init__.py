"""Graph surgery: structural rewrites that make an exported CRNN small, static in structure and portable.

Each module here holds one pass, and this one the two that GraphSurgeon has: a function that takes a graph of it,
rewires every place where its whole pattern is found, and returns a line per match. A pass never half-applies: where
part of a pattern is missing, that place is left alone. Passes rewire only; `cleanup` removes what falls out of use.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import onnx_graphsurgeon as gs

from crnn.core.errors import UserError
from crnn.model.pattern import exported
from crnn.model.surgery.bidirectional import split_bidirectional
from crnn.model.surgery.classes import take_classes
from crnn.model.surgery.gemm import gemm_to_matmul
from crnn.model.surgery.reverse import reverse_direction
from crnn.model.surgery.squeeze import merge_squeezes
from crnn.model.surgery.states import drop_zero_states


def fold_constants(graph: gs.Graph) -> list[str]:
    """Replace nodes whose inputs are all constant by their value; list the folded nodes, Constant nodes left out."""
    before = {node.name for node in graph.nodes if node.op != "Constant"}
    graph.fold_constants(size_threshold=None).cleanup()
    return sorted(before - {node.name for node in graph.nodes})


def prune_unused(graph: gs.Graph) -> list[str]:
    """Remove unread node outputs (an LSTM's last states), dead nodes and unused initialisers; list their names."""
    before = set(graph.tensors())
    graph.cleanup(remove_unused_node_outputs=True)
    return sorted(before - set(graph.tensors()))


PASSES = {
    each.__name__: each
    for each in (
        *(fold_constants, drop_zero_states, split_bidirectional, reverse_direction),
        *(gemm_to_matmul, merge_squeezes, take_classes, prune_unused),
    )
}

# Operators that compute shapes at run time, or exist only to serve one that does. A CRNN needs none of them, and
# on an NPU each costs a trip to the host (range models) or forbids gears.
SHAPE_OPERATORS = frozenset({"Shape", "Gather", "Slice", "ConstantOfShape", "Reshape", "Gemm"})


@dataclass(frozen=True)
class Step:
    """One entry of a pass list: the pass, and whether finding nothing is an error."""

    name: str
    required: bool = False

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "Step":
        """Build from {"pass": name, "required": bool}. Raises UserError naming the known passes."""
        name = settings["pass"]
        if name not in PASSES:
            raise UserError(f"surgery pass {name!r}: expected one of {', '.join(PASSES)}")
        return cls(name, settings.get("required", False))


def operate(
    model: onnx.ModelProto, steps: Sequence[Step]
) -> tuple[onnx.ModelProto, dict[str, list[str]], dict[str, int]]:
    """Apply the passes in order.

    Returns the new model, what each pass matched, and how many nodes of SHAPE_OPERATORS are left. Raises UserError
    where a required pass matches nothing.
    """
    graph = gs.import_onnx(model)
    for position, node in enumerate(graph.nodes):  # ONNX allows nameless ones, and what passes add is named after them
        node.name = node.name or f"{node.op}#{position}"
    matched: dict[str, list[str]] = {}
    for step in steps:
        found = PASSES[step.name](graph)
        matched.setdefault(step.name, []).extend(found)
        graph.cleanup().toposort()
        if step.required and not found:
            raise UserError(
                f"surgery pass {step.name}: matched nothing, but is required. The graph holds "
                f"{listed(_census(graph))}. Mark it `required: false` in models.<name>.surgery if this model does not "
                f"need it"
            )
    left = {operator: count for operator, count in _census(graph).items() if operator in SHAPE_OPERATORS}
    return exported(graph, model), matched, left


def _census(graph: gs.Graph) -> dict[str, int]:
    return dict(sorted(Counter(node.op for node in graph.nodes).items()))


def listed(census: Mapping[str, int]) -> str:
    """Operators and their numbers as a text."""
    return ", ".join(f"{count} {operator}" for operator, count in census.items())
