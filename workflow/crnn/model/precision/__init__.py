"""Precision is a property of the model file: fixed.onnx computed otherwise, each form made once for every target.

The forms, and what of a CRNN they hold:

- `fp16`: all of it in half precision but for input and output.
- `fp16-lstm32`: the same, with LSTM and LogSoftmax in single precision.
- `int8`: convolutions between QuantizeLinear and DequantizeLinear, everything symmetric with zero point 0.
- `uint8`: the same, with what comes out of a ReLU as unsigned numbers, which have twice the steps; processors multiply
  unsigned by signed bytes.
- `winograd`: single precision, as fixed.onnx is, with the widest convolutions by fewer multiplications.

Not here: what a runtime makes of a file by itself, such as bfloat16 (`crnn.runtimes`).
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import onnx

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.model.precision.half import to_half
from crnn.model.precision.quantise import Ranges, quantise
from crnn.model.precision.winograd import by_winograd

HALF = {"fp16": frozenset[str](), "fp16-lstm32": frozenset({"LSTM", "LogSoftmax"})}  # form → operators kept whole
QUANTISED = ("int8", "uint8")
FORMS = (*HALF, *QUANTISED, "winograd")
COMPUTING = frozenset({"Conv", "Relu", "MaxPool", "LSTM", "MatMul", "Add", "LogSoftmax"})


@dataclass(frozen=True)
class Calibration:
    """What quantising needs to know of a model: how large its activations get, and which convolutions stay whole.

    `ranges`: form → tensor → the magnitude that the largest code stands for.
    """

    ranges: dict[str, Ranges]
    whole: tuple[str, ...]

    @classmethod
    def from_json(cls, path: Any) -> "Calibration":
        """Read what calibrate_model wrote. Raises UserError where it is missing."""
        content = read_json(path)
        return cls(content["ranges"], tuple(content["whole"]))


def convert(model: onnx.ModelProto, form: str, calibration: Calibration | None = None) -> onnx.ModelProto:
    """`model`, which is float32, in one of FORMS; the original is left as it is.

    Raises UserError where the form is quantised and there is no calibration, or the graph has not what it needs.
    """
    if form in HALF:
        return to_half(model, HALF[form])
    if form == "winograd":
        return by_winograd(model)
    if form not in QUANTISED:
        raise UserError(f"form {form!r}: expected one of {', '.join(FORMS)}")
    if calibration is None:
        raise UserError(f"form {form}: needs a calibration (calibrate_model.py makes one)")
    return quantise(model, calibration.ranges[form], unsigned=form == "uint8", whole=calibration.whole)


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


def prove_types(model: onnx.ModelProto, form: str) -> dict[str, dict[str, int]]:
    """`computing_types` of a model in `form`, which takes and gives float32.

    Raises UserError where it does not, or an operator computes in another type.
    """
    for entry in (*model.graph.input, *model.graph.output):
        if entry.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            raise UserError(f"form {form}: {entry.name} is not float32, which every target takes and gives")
    found = computing_types(model)
    for operator, counts in found.items():
        allowed = {"float"} | ({"quantised"} if operator == "Conv" else set())
        if form in HALF:
            allowed = {"float" if operator in HALF[form] else "float16"}
        if set(counts) - allowed:
            raise UserError(f"form {form}: {operator} computes in {counts}; expected {' or '.join(sorted(allowed))}")
    return found
