"""Precision is a property of the model file: each variant of fixed.onnx is made once, for every runtime that asks.

Here are the facts alone, without ONNX or NumPy, as rules read them, too; `convert` makes the files.
"""

from dataclasses import dataclass

from crnn.model.contract import OPSETS


@dataclass(frozen=True)
class Variant:
    """What is special about a variant of a model file; input and output are float32 in all.

    half: it computes in float16, but for the operators in `whole`. quantised: its convolutions compute in 8 bits, so it
    needs a calibration, and there is one file per width rule. symmetric: zero points are 0, also of a tensor that is
    hardly ever negative, whose codes below 0 are then lost. oldest_opset: of a model that it is made from.
    """

    half: bool = False
    whole: frozenset[str] = frozenset()
    quantised: bool = False
    symmetric: bool = False
    oldest_opset: int = OPSETS[0]


SCALES_PER_CHANNEL = 13  # the first opset in which a scale may have an axis

VARIANTS = {
    "fp16": Variant(half=True),
    "fp16-lstm32": Variant(half=True, whole=frozenset({"LSTM", "LogSoftmax"})),
    "int8": Variant(quantised=True, symmetric=True, oldest_opset=SCALES_PER_CHANNEL),
    "uint8": Variant(quantised=True, oldest_opset=SCALES_PER_CHANNEL),
    "winograd": Variant(),  # float32, the widest convolutions by fewer multiplications
}
QUANTISED = tuple(name for name, variant in VARIANTS.items() if variant.quantised)
