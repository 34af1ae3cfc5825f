"""drop_zero_states: an LSTM that starts from zeros does not need to be told so.

Exporters build initial_h and initial_c from the batch size (Shape, Gather, Concat, ConstantOfShape); ONNX defines
absent states as zeros. Dropping them removes the whole chain, and the static batch of 1 that some exporters leave
in it. States that are not provably zero stay.
"""

import numpy as np
import onnx_graphsurgeon as gs

from crnn.model.pattern import constant, producer

# Operators whose output holds only values of their first input.
REARRANGING = frozenset({"Slice", "Expand", "Unsqueeze", "Squeeze", "Reshape", "Transpose", "Identity", "Cast", "Tile"})
INITIAL_H, INITIAL_C, INPUTS = 5, 6, 7


def drop_zero_states(graph: gs.Graph) -> list[str]:
    """Remove initial_h and initial_c of every LSTM where both are zeros."""
    matched = []
    for node in graph.nodes:
        if node.op != "LSTM" or len(node.inputs) != INPUTS:  # an eighth would be peepholes
            continue
        if not (_is_zero(node.inputs[INITIAL_H]) and _is_zero(node.inputs[INITIAL_C])):
            continue
        # An omitted sequence_lens is there only to keep the states in their places.
        kept = INITIAL_H - 1 if node.inputs[INITIAL_H - 1].is_empty() else INITIAL_H
        node.inputs = list(node.inputs)[:kept]
        matched.append(f"{node.name}: initial_h, initial_c")
    return matched


def _is_zero(tensor: gs.Tensor) -> bool:
    value = constant(tensor)
    if value is not None:
        return not np.any(value)
    node = producer(tensor)
    if node is None:
        return False
    if node.op == "ConstantOfShape":
        fill = node.attrs.get("value")
        return fill is None or not np.any(fill.values if isinstance(fill, gs.Constant) else fill)
    return node.op in REARRANGING and _is_zero(node.inputs[0])
