"""take_classes: a linear layer need not compute the classes that are dropped right behind it.

`charset.only` is a Gather of the last axis. MatMul → Add → Gather is MatMul → Add of fewer columns.
"""

import numpy as np
import onnx_graphsurgeon as gs

from crnn.model.pattern import constant, integers, only_consumer, values


def take_classes(graph: gs.Graph) -> list[str]:
    """Rewrite MatMul → Add → Gather of the last of three axes, with constant weights and indices, as MatMul → Add."""
    matched = []
    for product in graph.nodes:
        add = only_consumer(product.outputs[0], "Add", graph) if product.op == "MatMul" else None
        gather = only_consumer(add.outputs[0], "Gather", graph) if add is not None else None
        if add is None or gather is None or not _is_layer(product, add) or gather.attrs.get("axis") not in (-1, 2):
            continue
        kept = integers(gather, 1, "indices")
        if kept is None:
            continue
        for layer in (product, add):
            columns = np.ascontiguousarray(values(layer.inputs[1])[..., kept])
            layer.inputs[1] = gs.Constant(f"{gather.name}/{layer.op}", columns)
        add.outputs = list(gather.outputs)
        gather.outputs.clear()
        matched.append(f"{gather.name}: {len(kept)} columns of {product.name}")
    return matched


def _is_layer(product: gs.Node, add: gs.Node) -> bool:
    """Whether these are a constant matrix, and a constant bias of as many columns."""
    weight, bias = constant(product.inputs[1]), constant(add.inputs[1])
    return weight is not None and bias is not None and weight.ndim == 2 and weight.shape[1:] == bias.shape
