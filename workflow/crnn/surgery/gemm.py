"""gemm_to_matmul: a linear layer over a sequence needs no flattening.

Exporters write a linear layer on [T·N, C] as Reshape → Gemm → Reshape, with shapes computed at run time. MatMul
broadcasts over leading axes, so MatMul → Add on [T, N, C] is the same.
"""

import numpy as np
import onnx_graphsurgeon as gs

from crnn.surgery.pattern import constant, integers, only_consumer, produced_by, producer, values


def gemm_to_matmul(graph: gs.Graph) -> list[str]:
    """Rewrite Reshape → Gemm → Reshape, where both ends are [T, N, ·], as MatMul → Add."""
    matched = []
    for node in graph.nodes:
        if node.op != "Gemm" or not _is_linear(node):
            continue
        flatten = produced_by(node.inputs[0], "Reshape")
        restore = only_consumer(node.outputs[0], "Reshape", graph)
        if flatten is not None and restore is not None and _restores(flatten, restore):
            _rewrite(graph, node, flatten, restore)
            matched.append(f"{node.name}: Reshape → Gemm → Reshape → MatMul + Add")
    return matched


def _is_linear(node: gs.Node) -> bool:
    plain = node.attrs.get("alpha", 1.0) == 1.0 and node.attrs.get("beta", 1.0) == 1.0 and not node.attrs.get("transA")
    return plain and len(node.inputs) == 3 and all(constant(tensor) is not None for tensor in node.inputs[1:])


def _restores(flatten: gs.Node, restore: gs.Node) -> bool:
    """Whether `restore` gives back the two leading axes that `flatten` merged, of the very same tensor."""
    sequence = flatten.inputs[0]
    parts = produced_by(restore.inputs[1], "Concat")
    if parts is None or len(parts.inputs) != 3:
        return False
    leading = [_axis_of(tensor) for tensor in parts.inputs[:2]]
    last = constant(parts.inputs[2])
    return leading == [(sequence.name, 0), (sequence.name, 1)] and last is not None


def _axis_of(tensor: gs.Tensor) -> tuple[str, int] | None:
    """(name of X, axis) where `tensor` is the size of one axis of X: Shape → Gather [→ Unsqueeze]."""
    node = producer(tensor)
    if node is not None and node.op == "Unsqueeze":
        node = producer(node.inputs[0])
    if node is None or node.op != "Gather":
        return None
    shape, index = produced_by(node.inputs[0], "Shape"), integers(node, 1, "indices")
    return None if shape is None or index is None else (shape.inputs[0].name, index[0])


def _rewrite(graph: gs.Graph, node: gs.Node, flatten: gs.Node, restore: gs.Node) -> None:
    weight, bias = (values(tensor) for tensor in node.inputs[1:])
    if node.attrs.get("transB"):
        weight = weight.T
    product = gs.Variable(f"{node.name}/product", np.float32)
    output = restore.outputs[0]
    restore.outputs.clear()
    weights = gs.Constant(f"{node.name}/weight", np.ascontiguousarray(weight))
    graph.nodes.append(gs.Node("MatMul", f"{node.name}/MatMul", inputs=[flatten.inputs[0], weights], outputs=[product]))
    biases = gs.Constant(f"{node.name}/bias", np.ascontiguousarray(bias))
    graph.nodes.append(gs.Node("Add", f"{node.name}/Add", inputs=[product, biases], outputs=[output]))
