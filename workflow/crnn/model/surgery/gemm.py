"""gemm_to_matmul: a linear layer over a sequence needs no flattening.

Exporters write a linear layer on [T·N, C] as Reshape → Gemm → Reshape, with shapes computed at run time. MatMul
broadcasts over leading axes, so MatMul → Add on [T, N, C] is the same.
"""

import onnx_graphsurgeon as gs

from crnn.model.pattern import constant, integers, only_consumer, produced_by, producer, values


def gemm_to_matmul(graph: gs.Graph) -> list[str]:
    """Rewrite Reshape → Gemm → Reshape, where both ends are [T, N, ·], as MatMul → Add."""
    matched = []
    for node in graph.nodes:
        if node.op != "Gemm" or not _is_linear(node):
            continue
        flatten = produced_by(node.inputs[0], "Reshape")
        restore = only_consumer(node.outputs[0], "Reshape", graph)
        if flatten is not None and restore is not None and _keeps_sequence(flatten, restore):
            _rewrite(graph, node, flatten, restore)
            matched.append(f"{node.name}: Reshape → Gemm → Reshape → MatMul + Add")
    return matched


def _is_linear(node: gs.Node) -> bool:
    plain = node.attrs.get("alpha", 1.0) == 1.0 and node.attrs.get("beta", 1.0) == 1.0 and not node.attrs.get("transA")
    if not plain or len(node.inputs) != 3:
        return False
    weight, bias = (constant(tensor) for tensor in node.inputs[1:])
    # A bias with a row per word belongs to one batch size.
    return weight is not None and bias is not None and (bias.ndim < 2 or bias.shape[0] == 1)


def _keeps_sequence(flatten: gs.Node, restore: gs.Node) -> bool:
    """Whether [T, N, C] becomes [T·N, C] and comes back as [T, N, ·], by the sizes of that very tensor."""
    steps, batch, features = ((flatten.inputs[0].name, axis) for axis in range(3))
    merged, restored = _shape_parts(flatten), _shape_parts(restore)
    if len(merged) != 2 or len(restored) != 3:
        return False
    product = _behind_unsqueeze(merged[0])
    return (
        product is not None
        and product.op == "Mul"
        and [_axis_of(tensor) for tensor in product.inputs] in ([steps, batch], [batch, steps])
        and _axis_of(merged[1]) == features
        and [_axis_of(tensor) for tensor in restored[:2]] == [steps, batch]
        and constant(restored[2]) is not None
    )


def _shape_parts(reshape: gs.Node) -> list[gs.Tensor]:
    """The tensors that a computed shape is put together from; none where it is something else."""
    parts = produced_by(reshape.inputs[1], "Concat")
    return [] if parts is None else list(parts.inputs)


def _behind_unsqueeze(tensor: gs.Tensor) -> gs.Node | None:
    """The node that computes `tensor`, or the tensor that it is the Unsqueeze of."""
    node = producer(tensor)
    return producer(node.inputs[0]) if node is not None and node.op == "Unsqueeze" else node


def _axis_of(tensor: gs.Tensor) -> tuple[str, int] | None:
    """(name of X, axis) where `tensor` is the size of one axis of X: Shape → Gather [→ Unsqueeze]."""
    node = _behind_unsqueeze(tensor)
    if node is None or node.op != "Gather":
        return None
    shape, index = produced_by(node.inputs[0], "Shape"), integers(node, 1, "indices")
    return None if shape is None or index is None else (shape.inputs[0].name, index[0])


def _rewrite(graph: gs.Graph, node: gs.Node, flatten: gs.Node, restore: gs.Node) -> None:
    weight, bias = (values(tensor) for tensor in node.inputs[1:])
    factors = [flatten.inputs[0], weight.T if node.attrs.get("transB") else weight]
    (product,) = graph.layer(factors, [f"{node.name}/product"], op="MatMul", name=f"{node.name}/MatMul")
    output = restore.outputs[0]
    restore.outputs.clear()
    graph.layer([product, bias], [output], op="Add", name=f"{node.name}/Add")
