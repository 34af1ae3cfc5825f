"""Making a variant of a model file, and proof that it computes in the types it should."""

import warnings
from collections import Counter
from collections.abc import Iterator, Set

import onnx
from onnxconverter_common.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from crnn.core.errors import UserError
from crnn.model.cuts import tensor_types
from crnn.model.opset import opset_of
from crnn.model.precision import VARIANTS
from crnn.model.precision.calibration import Calibration
from crnn.model.precision.quantise import quantise
from crnn.model.precision.winograd import by_winograd

COMPUTING = frozenset({"Conv", "Relu", "MaxPool", "LSTM", "MatMul", "Add", "LogSoftmax"})


def convert(model: onnx.ModelProto, variant: str, calibration: Calibration | None = None) -> onnx.ModelProto:
    """`model`, which is float32, as one of VARIANTS; the original is left as it is.

    Raises UserError where a calibration is needed and missing, the opset is too old, or the graph lacks what the
    variant changes.
    """
    facts = VARIANTS[variant]
    if opset_of(model) < facts.oldest_opset:
        raise UserError(
            f"the model has opset {opset_of(model)}; variant {variant} needs {facts.oldest_opset}: models.<name>.opset"
        )
    if facts.half:
        return _to_half(model, facts.whole)
    if not facts.quantised:
        return by_winograd(model)
    if calibration is None:
        raise UserError(f"variant {variant}: needs a calibration (`crnn calibrate_model` makes one)")
    return quantise(model, calibration.ranges[variant], calibration.whole)


def _to_half(model: onnx.ModelProto, whole: Set[str]) -> onnx.ModelProto:
    """`model` with weights and activations in float16; input, output and the operators of `whole` stay float32."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of every weight that is closer to 0 than float16 can say
        converted: onnx.ModelProto = convert_float_to_float16(
            copy, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *sorted(whole)]
        )
    # It casts what a kept operator computes to float16, also where that is the output and is to stay.
    producers = {name: node for node in converted.graph.node for name in node.output}
    for output in converted.graph.output:
        cast = producers[output.name]
        if output.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16 and cast.op_type == "Cast":
            producers[cast.input[0]].output[0] = output.name
            converted.graph.node.remove(cast)
            output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return converted


def prove_types(model: onnx.ModelProto, variant: str) -> dict[str, dict[str, int]]:
    """Operator → type of its output → how many, for the operators that compute; as shape inference finds them.

    A convolution that reads dequantised numbers counts as `quantised`. Raises UserError where input or output is not
    float32, or an operator computes in another type than the variant's.
    """
    facts = VARIANTS[variant]
    for entry in (*model.graph.input, *model.graph.output):
        if entry.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            raise UserError(f"variant {variant}: {entry.name} is not float32, which every runtime takes and gives")
    found: dict[str, Counter[str]] = {}
    for operator, kind in _computing(model):
        found.setdefault(operator, Counter())[kind] += 1
    for operator, counts in sorted(found.items()):
        allowed = {"float16" if facts.half and operator not in facts.whole else "float"}
        if facts.quantised and operator == "Conv":
            allowed.add("quantised")
        if set(counts) - allowed:
            expected = " or ".join(sorted(allowed))
            raise UserError(f"variant {variant}: {operator} computes in {dict(counts)}; expected {expected}")
    return {operator: dict(counts) for operator, counts in sorted(found.items())}


def _computing(model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    """Every operator that computes, with the type it computes in."""
    types = tensor_types(model)
    dequantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for node in model.graph.node:
        if node.op_type == "Conv" and dequantised.issuperset(node.input[:2]):
            yield node.op_type, "quantised"
        elif node.op_type in COMPUTING:
            yield node.op_type, onnx.TensorProto.DataType.Name(types.get(node.output[0], 0)).lower()
