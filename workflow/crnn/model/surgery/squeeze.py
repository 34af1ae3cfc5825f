"""merge_squeezes: join first, squeeze once.

Two one-way LSTMs give [T, 1, N, H] each. Squeezing both and joining them costs two Squeezes per layer; joining them
and squeezing the result costs one.
"""

import onnx_graphsurgeon as gs

from crnn.model.pattern import add_with_integers, integers, only_consumer, produced_by


def merge_squeezes(graph: gs.Graph) -> list[str]:
    """Rewrite Concat(Squeeze(a), Squeeze(b), …) as Squeeze(Concat(a, b, …)) where all squeeze the same axis."""
    matched = []
    for node in [node for node in graph.nodes if node.op == "Concat"]:
        squeezes = [squeezed for tensor in node.inputs if (squeezed := _private_squeeze(graph, tensor)) is not None]
        if len(squeezes) < 2 or len(squeezes) < len(node.inputs):
            continue
        axes = {tuple(integers(each, 1, "axes") or ()) for each in squeezes}
        axis, joined = axes.pop(), node.attrs["axis"]
        if axes or len(axis) != 1 or axis[0] < 0 or joined < 0:
            continue
        node.inputs = [each.inputs[0] for each in squeezes]
        # The squeezed axis still exists in the inputs, so axes at or behind it are counted one higher.
        node.attrs["axis"] += axis[0] <= joined
        output, whole = node.outputs[0], gs.Variable(f"{node.name}/whole", node.outputs[0].dtype)
        node.outputs = [whole]
        add_with_integers(graph, f"{node.name}/Squeeze", "Squeeze", whole, [output], axes=list(axis))
        matched.append(f"{node.name}: {len(squeezes)} Squeeze → 1")
    return matched


def _private_squeeze(graph: gs.Graph, tensor: gs.Tensor) -> gs.Node | None:
    return produced_by(tensor, "Squeeze") if only_consumer(tensor, "Concat", graph) is not None else None
