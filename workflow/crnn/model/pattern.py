"""What rewriting a graph is made of: small questions that are asked of it before, and nodes that are added."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
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


def add_node(graph: gs.Graph, prefix: str, op: str, *inputs: object, **attributes: object) -> gs.Variable:
    """Add a node, named behind `prefix`, and return its output. Arrays, lists and numbers as inputs are constants."""
    name = f"{prefix}/{op}"
    made = graph.layer(list(inputs), [name], op=op, name=f"{name}_{graph.name_idx}", attrs=attributes)
    output: gs.Variable = made[0]
    return output


def add_with_integers(
    graph: gs.Graph, name: str, op: str, source: gs.Tensor, outputs: list[gs.Tensor | str], **given: Any
) -> list[gs.Variable]:
    """Add a node whose last attribute newer opsets have as an input (Squeeze and Split, from 13 on)."""
    inputs: list[Any] = [source]
    if graph.opset >= 13:
        inputs.append(given.popitem()[1])
    made: list[gs.Variable] = graph.layer(inputs, outputs, op=op, name=name, attrs=given)
    return made


def exported(graph: gs.Graph, model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as a model, with the IR version and the metadata of the one that it was."""
    result: onnx.ModelProto = gs.export_onnx(graph)
    result.ir_version = model.ir_version
    result.metadata_props.extend(model.metadata_props)
    return result
