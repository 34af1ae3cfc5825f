"""What an ONNX file must be for every target to read it.

Not here: making one (`crnn.model.export`, `crnn.model.surgery`).
"""

import onnx

from crnn.core.errors import UserError

# ATC reads opsets 9 to 13 in every release that is still in use; IR version 8 belongs to opset 15 and is read by all.
OPSETS = (11, 12, 13)
NEWEST_IR = 8


def check_opset(model: onnx.ModelProto) -> None:
    """Raise UserError unless the model is valid ONNX, of one opset domain, and old enough for every target."""
    onnx.checker.check_model(model, full_check=True)
    domains = [entry.domain or "ai.onnx" for entry in model.opset_import]
    if domains != ["ai.onnx"]:
        raise UserError(f"model imports the opset domains {domains}; ATC allows ai.onnx alone (error E16005)")
    if model.ir_version > NEWEST_IR:
        raise UserError(f"model has IR version {model.ir_version}; allowed is at most {NEWEST_IR}")
