"""reverse_direction: a sequence flipped before and after an LSTM is an LSTM that runs the other way.

The CRNN_Dynamic recipe's network runs its backward LSTM forward over a flipped sequence (`torch.flip`, a Slice of
step -1). ONNX has direction=reverse, whose output is in input order already.
"""

import onnx_graphsurgeon as gs

from crnn.model.pattern import integers, only_consumer, produced_by

# Slice over the whole axis backwards: from the last element, to before any first one.
BEFORE_FIRST = -(2**31) + 1


def reverse_direction(graph: gs.Graph) -> list[str]:
    """Rewrite flip → LSTM(forward) [→ Squeeze] → flip as LSTM(reverse) [→ Squeeze]."""
    matched = []
    for node in graph.nodes:
        if node.op != "LSTM" or node.attrs.get("direction", "forward") != "forward" or len(node.inputs) > 4:
            continue
        before = produced_by(node.inputs[0], "Slice")
        after = _flip_behind(graph, node)
        if before is None or not _flips_time(before) or after is None:
            continue
        node.inputs[0] = before.inputs[0]
        node.attrs["direction"] = "reverse"
        unflipped = after.inputs[0]
        source = unflipped.inputs[0]
        source.outputs = [after.outputs[0] if tensor is unflipped else tensor for tensor in source.outputs]
        after.outputs.clear()
        matched.append(f"{node.name}: forward over a flipped sequence → reverse")
    return matched


def _flip_behind(graph: gs.Graph, node: gs.Node) -> gs.Node | None:
    """The flip of Y, directly or behind the Squeeze of its direction axis."""
    output = node.outputs[0]
    squeezed = only_consumer(output, "Squeeze", graph)
    if squeezed is not None and integers(squeezed, 1, "axes") == [1]:
        output = squeezed.outputs[0]
    flip = only_consumer(output, "Slice", graph)
    return flip if flip is not None and _flips_time(flip) else None


def _flips_time(node: gs.Node) -> bool:
    starts, ends, axes, steps = (
        integers(node, position, name) for position, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    return starts == [-1] and axes == [0] and steps == [-1] and ends is not None and ends[0] <= BEFORE_FIRST
