"""fold_constants: what depends on no input is computed once, here."""

import onnx_graphsurgeon as gs


def fold_constants(graph: gs.Graph) -> list[str]:
    """Replace nodes whose inputs are all constant by their value; list the folded nodes, Constant nodes left out."""
    before = {node.name for node in graph.nodes if node.op != "Constant"}
    graph.fold_constants(size_threshold=None).cleanup()
    return sorted(before - {node.name for node in graph.nodes})
