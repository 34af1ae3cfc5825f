"""Small questions that are asked of a graph before it is rewritten. Not here: what is written instead."""

import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs


def producer(tensor: gs.Tensor) -> gs.Node | None:
    """The node that computes `tensor`; None for inputs and initialisers."""
    return tensor.inputs[0] if tensor.inputs else None


def produced_by(tensor: gs.Tensor, op: str) -> gs.Node | None:
    """The node that computes `tensor` where it is an `op`."""
    node = producer(tensor)
    return node if node is not None and node.op == op else None


def only_consumer(tensor: gs.Tensor, op: str, graph: gs.Graph) -> gs.Node | None:
    """The node that reads `tensor` where it is an `op` and nothing else reads it."""
    if len(tensor.outputs) != 1 or any(tensor is output for output in graph.outputs):
        return None
    node = tensor.outputs[0]
    return node if node.op == op else None


def is_used(tensor: gs.Tensor, graph: gs.Graph) -> bool:
    """Whether a node reads `tensor` or the graph gives it out."""
    return bool(tensor.outputs) or any(tensor is output for output in graph.outputs)


def constant(tensor: gs.Tensor) -> npt.NDArray[np.generic] | None:
    """The value of an initialiser or of a Constant node; None where it is computed."""
    if isinstance(tensor, gs.Constant):
        return np.asarray(tensor.values)
    node = produced_by(tensor, "Constant")
    return None if node is None else np.asarray(node.attrs["value"].values)


def values(tensor: gs.Tensor) -> npt.NDArray[np.generic]:
    """The value of a tensor that a match has already shown to be constant."""
    value = constant(tensor)
    assert value is not None, f"{tensor.name} is computed"
    return value


def integers(node: gs.Node, position: int, attribute: str) -> list[int] | None:
    """Integers that newer opsets pass as input `position` and older ones as an attribute; None if computed."""
    if attribute in node.attrs:
        return [int(value) for value in node.attrs[attribute]]
    if len(node.inputs) <= position:
        return None
    value = constant(node.inputs[position])
    return None if value is None else [int(item) for item in value.reshape(-1)]


def squeeze(graph: gs.Graph, source: gs.Tensor, axis: int, output: gs.Tensor, name: str) -> None:
    """Add a Squeeze of one axis, as the graph's opset writes it (axes became an input in opset 13)."""
    node = gs.Node("Squeeze", name, inputs=[source], outputs=[output])
    if graph.opset >= 13:
        node.inputs.append(gs.Constant(f"{name}/axes", np.array([axis], np.int64)))
    else:
        node.attrs["axes"] = [axis]
    graph.nodes.append(node)
