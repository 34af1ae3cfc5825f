"""Cuts through a graph: places between its nodes where another model's tensors can be put in.

Two models of one recogniser have tensors of the same name in common. What crosses a cut is all that the nodes behind it
need of those before it; where the other model has these tensors, the rest of the graph runs on them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import helper

CASTS = ("Cast", "DequantizeLinear", "QuantizeLinear")  # of what a node reads, in another precision


@dataclass(frozen=True)
class Cut:
    """A place in the order of the nodes, of which `nodes` come before it, and the tensors that cross it."""

    nodes: int
    tensors: tuple[str, ...]


def _computed(model: onnx.ModelProto) -> dict[str, int]:
    """Tensor → how many nodes come before it is there, of all that depend on the input; the rest is constant."""
    constants = {entry.name for entry in model.graph.initializer}  # which old files list among the inputs
    found = {entry.name: 0 for entry in model.graph.input if entry.name not in constants}
    for place, node in enumerate(model.graph.node, 1):
        if any(name in found for name in node.input):
            found |= {name: place for name in node.output if name}
    return found


def shared_cuts(model: onnx.ModelProto, other: onnx.ModelProto) -> list[Cut]:
    """The cuts of `model` whose tensors `other` has, in order: from its input to its output."""
    computed, known = _computed(model), set(_computed(other)) & set(tensor_types(model))
    last = {name: place for place, node in enumerate(model.graph.node) for name in node.input}
    last |= {entry.name: len(model.graph.node) for entry in model.graph.output}
    places = range(len(model.graph.node) + 1)
    crossing = (
        tuple(name for name, made in computed.items() if made <= place <= last.get(name, -1)) for place in places
    )
    return [Cut(place, names) for place, names in zip(places, crossing, strict=True) if known.issuperset(names)]


def tail(model: onnx.ModelProto, cut: Cut) -> onnx.ModelProto:
    """The nodes behind a cut, as a model whose inputs are the tensors that cross it."""
    computed, types = _computed(model), tensor_types(model)
    nodes = [
        node
        for place, node in enumerate(model.graph.node)
        if place >= cut.nodes or not any(name in computed for name in node.output)
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "tail",
        [helper.make_tensor_value_info(name, types[name], None) for name in cut.tensors],
        model.graph.output,
        [entry for entry in model.graph.initializer if entry.name in used],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def computing(model: onnx.ModelProto, low: Cut, high: Cut) -> Iterator[onnx.NodeProto]:
    """The nodes between two cuts; where others are among them, not those that change a number's type alone."""
    computed = _computed(model)
    nodes = [n for n in model.graph.node[low.nodes : high.nodes] if any(name in computed for name in n.output)]
    yield from [node for node in nodes if node.op_type not in CASTS] or nodes


def tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    """Tensor → ONNX's type of its numbers, as far as it can be inferred."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    entries = (*graph.input, *graph.value_info, *graph.output)
    return {entry.name: entry.type.tensor_type.elem_type for entry in entries if entry.type.tensor_type.elem_type}
