"""prune_unused: outputs that nothing reads, and the nodes and initialisers that only served them."""

import onnx_graphsurgeon as gs


def prune_unused(graph: gs.Graph) -> list[str]:
    """Remove unread node outputs (an LSTM's last states), dead nodes and unused initialisers; list their names."""
    before = set(graph.tensors())
    graph.cleanup(remove_unused_node_outputs=True)
    return sorted(before - set(graph.tensors()))
