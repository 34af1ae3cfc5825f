"""Half precision, by onnxconverter-common. Not here: whether words change (the stage convert_precision counts them)."""

import warnings
from collections.abc import Set

import onnx
from onnxconverter_common.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16


def to_half(model: onnx.ModelProto, whole: Set[str] = frozenset()) -> onnx.ModelProto:
    """`model` with weights and activations in float16; input, output and the operators of `whole` stay float32."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of every weight that is closer to 0 than float16 can say
        converted: onnx.ModelProto = convert_float_to_float16(
            copy, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *sorted(whole)]
        )
    _give_out_whole(converted)
    return converted


def _give_out_whole(model: onnx.ModelProto) -> None:
    """Give out what a kept operator computes: the converter casts it to float16, also where the output is to stay."""
    producers = {name: node for node in model.graph.node for name in node.output}
    for output in model.graph.output:
        cast = producers[output.name]
        if output.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16 and cast.op_type == "Cast":
            producers[cast.input[0]].output[0] = output.name
            model.graph.node.remove(cast)
            output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
