"""Making a variant of a model file, and proof that it computes in the types it should."""

from collections import Counter

import onnx

from crnn.core.errors import UserError
from crnn.model.opset import opset_of
from crnn.model.precision import VARIANTS
from crnn.model.precision.calibration import Calibration
from crnn.model.precision.half import to_half
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
        return to_half(model, facts.whole)
    if not facts.quantised:
        return by_winograd(model)
    if calibration is None:
        raise UserError(f"variant {variant}: needs a calibration (`crnn calibrate_model` makes one)")
    return quantise(model, calibration.ranges[variant], unsigned=facts.unsigned, whole=calibration.whole)


def computing_types(model: onnx.ModelProto) -> dict[str, dict[str, int]]:
    """Operator → type of its output → how many, for what computes; as shape inference finds them.

    A convolution that reads dequantised numbers counts as `quantised`.
    """
    inferred = onnx.shape_inference.infer_shapes(model)
    entries = [*inferred.graph.value_info, *inferred.graph.output]
    types = {entry.name: onnx.TensorProto.DataType.Name(entry.type.tensor_type.elem_type).lower() for entry in entries}
    producers = {name: node.op_type for node in model.graph.node for name in node.output}
    found: dict[str, Counter[str]] = {}
    for node in model.graph.node:
        if node.op_type in COMPUTING:
            quantised = node.op_type == "Conv" and all(
                producers.get(name) == "DequantizeLinear" for name in node.input[:2]
            )
            kind = "quantised" if quantised else types.get(node.output[0], "unknown")
            found.setdefault(node.op_type, Counter())[kind] += 1
    return {operator: dict(counts) for operator, counts in sorted(found.items())}


def prove_types(model: onnx.ModelProto, variant: str) -> dict[str, dict[str, int]]:
    """`computing_types` of a model file of a variant.

    Raises UserError where input or output is not float32, or an operator computes in another type than the variant's.
    """
    facts = VARIANTS[variant]
    for entry in (*model.graph.input, *model.graph.output):
        if entry.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            raise UserError(f"variant {variant}: {entry.name} is not float32, which every runtime takes and gives")
    found = computing_types(model)
    for operator, counts in found.items():
        allowed = {"float16" if facts.half and operator not in facts.whole else "float"}
        if facts.quantised and operator == "Conv":
            allowed.add("quantised")
        if set(counts) - allowed:
            expected = " or ".join(sorted(allowed))
            raise UserError(f"variant {variant}: {operator} computes in {counts}; expected {expected}")
    return found
