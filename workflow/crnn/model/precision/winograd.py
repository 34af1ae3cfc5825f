"""Convolutions of 3 × 3 by fewer multiplications: Winograd's minimal filtering along the rows.

By F(4, 3) (`crnn.model.winograd`) it becomes six of 3 × 1 over a quarter of the columns, between sums that are cheap
where channels are many. The runtimes for processors compute a convolution directly; those for GPUs and NPUs choose for
themselves.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from crnn.core.errors import UserError
from crnn.model.pattern import add_node, constant, exported, values
from crnn.model.winograd import FILTER, INPUTS, OUTPUTS

FEWEST_CHANNELS = 256  # in and out; with fewer the sums cost nearly what the multiplications spare
PLAIN = {"strides": [1, 1], "dilations": [1, 1], "group": 1, "auto_pad": "NOTSET"}  # what may be left out
LAST_AXIS = 3  # of [N, C, H, W]
Add = Callable[..., gs.Variable]
END = np.iinfo(np.int64).max


def by_winograd(model: onnx.ModelProto, fewest: int = FEWEST_CHANNELS) -> onnx.ModelProto:
    """`model` with every plain convolution of 3 × 3 from and to `fewest` channels or more rewritten.

    Raises UserError where there is none.
    """
    graph = gs.import_onnx(model)
    found = [node for node in graph.nodes if _is_suited(node, fewest)]
    if not found:
        raise UserError(
            f"variant winograd: the model has no plain convolution of 3 × 3 from and to {fewest} channels or more, "
            f"so there is nothing to gain; take precision fp32"
        )
    for node in found:
        _rewrite(graph, node)
    return exported(graph.cleanup().toposort(), model)


def _is_suited(node: gs.Node, fewest: int) -> bool:
    if node.op != "Conv" or any(node.attrs.get(name, usual) != usual for name, usual in PLAIN.items()):
        return False
    if node.attrs.get("pads") != [1, 1, 1, 1]:  # there is no default that suits
        return False
    weight = constant(node.inputs[1])
    return weight is not None and weight.shape[2:] == (3, 3) and min(weight.shape[:2]) >= fewest


def _rewrite(graph: gs.Graph, node: gs.Node) -> None:
    """Put tiles → six products → four columns of each tile in the place of a convolution."""
    add = partial(add_node, graph, f"{node.name}/winograd")
    image, output = node.inputs[0], node.outputs[0]
    bias = values(node.inputs[2]).reshape(1, -1, 1, 1) if len(node.inputs) > 2 else None
    node.outputs.clear()
    factors = np.einsum("pk,ochk->poch", FILTER, values(node.inputs[1]).astype(np.float64)).astype(np.float32)
    products = [
        add("Conv", tile, factor[..., None], kernel_shape=[3, 1], pads=[1, 0, 1, 0])
        for tile, factor in zip(_tiles(add, image), factors, strict=True)
    ]
    columns = _interleaved(add, _outputs(add, products))
    width = add("Slice", add("Shape", image), [LAST_AXIS], [LAST_AXIS + 1])
    cut = add("Slice", columns, [0], width, [LAST_AXIS])
    if bias is None:
        cut.inputs[0].outputs = [output]
    else:
        add("Add", cut, bias).inputs[0].outputs = [output]


def _tiles(add: Add, image: gs.Tensor) -> list[gs.Tensor]:
    """Bᵀ d: six sums of the inputs of every tile, each [N, C, H, ⌈W / 4⌉].

    The padding is the convolution's own and what the last tile may lack. Slices are as long as the image is wide.
    """
    padded = add("Pad", image, [0, 0, 0, 1, 0, 0, 0, OUTPUTS])
    ends = [*range(1 - INPUTS, 0), END]
    d = [add("Slice", padded, [k], [ends[k]], [LAST_AXIS], [OUTPUTS]) for k in range(INPUTS)]
    outer, inner = add("Sub", d[4], add("Mul", d[2], 4.0)), add("Sub", d[3], add("Mul", d[1], 4.0))
    even, odd = add("Sub", d[4], d[2]), add("Mul", add("Sub", d[3], d[1]), 2.0)
    return [
        add("Sub", add("Mul", add("Sub", d[0], d[2]), 4.0), add("Sub", d[2], d[4])),
        add("Add", outer, inner),
        add("Sub", outer, inner),
        add("Add", even, odd),
        add("Sub", even, odd),
        add("Add", add("Mul", add("Sub", d[1], d[3]), 4.0), add("Sub", d[5], d[3])),
    ]


def _outputs(add: Add, m: Sequence[gs.Tensor]) -> list[gs.Tensor]:
    """Aᵀ m: the four outputs of every tile from its six products."""
    near, far = add("Add", m[1], m[2]), add("Add", m[3], m[4])
    near_odd, far_odd = add("Sub", m[1], m[2]), add("Sub", m[3], m[4])
    return [
        add("Add", add("Add", m[0], near), far),
        add("Add", near_odd, add("Mul", far_odd, 2.0)),
        add("Add", near, add("Mul", far, 4.0)),
        add("Add", add("Add", near_odd, add("Mul", far_odd, 8.0)), m[5]),
    ]


def _interleaved(add: Add, outputs: Sequence[gs.Tensor]) -> gs.Tensor:
    """[N, C, H, tiles] of each output of a tile → [N, C, H, 4 · tiles], neighbours side by side."""
    apart = [add("Reshape", output, [0, 0, 0, -1, 1]) for output in outputs]
    return add("Reshape", add("Concat", *apart, axis=LAST_AXIS + 1), [0, 0, 0, -1])
