"""split_bidirectional: one two-way LSTM becomes a forward and a reverse one.

A bidirectional LSTM gives [T, 2, N, H], and joining its directions takes a Transpose and a Reshape with a computed
shape. Two one-way LSTMs are joined by a Concat. ATC maps each to one DynamicRNN, natively in both directions.
"""

import onnx_graphsurgeon as gs

from crnn.model.pattern import add_with_integers, constant, integers, is_used, only_consumer, values

# Attributes that change what an LSTM computes; a split that ignored one would be wrong.
UNSUPPORTED = frozenset({"activations", "activation_alpha", "activation_beta", "clip", "input_forget", "layout"})
INPUTS = 4  # X, W, R, B


def split_bidirectional(graph: gs.Graph) -> list[str]:
    """Rewrite LSTM(bidirectional) → Transpose → Reshape as two LSTMs → Concat → Squeeze."""
    matched = []
    for node in list(graph.nodes):
        if node.op != "LSTM" or node.attrs.get("direction") != "bidirectional" or UNSUPPORTED & node.attrs.keys():
            continue
        if len(node.inputs) > INPUTS or any(constant(tensor) is None for tensor in node.inputs[1:]):
            continue
        join = _joined(graph, node)
        if join is not None and not any(is_used(state, graph) for state in node.outputs[1:]):
            matched.append(_split(graph, node, join))
    return matched


def _joined(graph: gs.Graph, node: gs.Node) -> gs.Node | None:
    """The Reshape that turns Y [T, 2, N, H] into [T, N, 2H]."""
    transpose = only_consumer(node.outputs[0], "Transpose", graph)
    if transpose is None or list(transpose.attrs.get("perm", [])) != [0, 2, 1, 3]:
        return None
    reshape = only_consumer(transpose.outputs[0], "Reshape", graph)
    if reshape is None or reshape.attrs.get("allowzero"):
        return None
    hidden = node.attrs["hidden_size"]
    return reshape if integers(reshape, 1, "shape") in ([0, 0, -1], [0, 0, 2 * hidden]) else None


def _split(graph: gs.Graph, node: gs.Node, join: gs.Node) -> str:
    sequence, *weights = node.inputs
    halves: list[gs.Variable] = []
    for half, direction in enumerate(("forward", "reverse")):
        name, parts = f"{node.name}/{direction}", [values(weight)[half : half + 1] for weight in weights]
        attributes = {"hidden_size": node.attrs["hidden_size"], "direction": direction}
        halves += graph.layer([sequence, *parts], [f"{name}/Y"], op="LSTM", name=name, attrs=attributes)
    (both,) = graph.layer(halves, [f"{node.name}/both"], op="Concat", name=f"{node.name}/Concat", attrs={"axis": 3})
    output = join.outputs[0]
    join.outputs.clear()
    add_with_integers(graph, f"{node.name}/Squeeze", "Squeeze", both, [output], axes=[1])
    return f"{node.name}: bidirectional → forward + reverse"
