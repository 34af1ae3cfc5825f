"""What an ONNX file must be for every runtime to read it."""

import onnx

from crnn.core.errors import UserError
from crnn.model.contract import NEWEST_IR, OPSETS


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the opset that a model's own operators belong to."""
    return next(int(entry.version) for entry in model.opset_import if not entry.domain)


def domains_of(model: onnx.ModelProto) -> list[str]:
    """The opset domains that a model's nodes are of."""
    return sorted({node.domain or "ai.onnx" for node in model.graph.node})


def keep_used_domains(model: onnx.ModelProto) -> None:
    """Take out opset imports that no node uses: ATC allows ai.onnx alone (error E16005)."""
    used = [entry for entry in model.opset_import if (entry.domain or "ai.onnx") in ("ai.onnx", *domains_of(model))]
    del model.opset_import[:]
    model.opset_import.extend(used)


def reaches_every_runtime(model: onnx.ModelProto) -> bool:
    """Whether a model's opset, domains and IR version are those that every runtime reads."""
    return opset_of(model) in OPSETS and domains_of(model) == ["ai.onnx"] and model.ir_version <= NEWEST_IR


def check_opset(model: onnx.ModelProto) -> None:
    """Raise UserError unless the model is valid ONNX, of one opset domain, and old enough for every runtime."""
    onnx.checker.check_model(model, full_check=True)
    domains = [entry.domain or "ai.onnx" for entry in model.opset_import]
    if domains != ["ai.onnx"]:
        raise UserError(f"model imports the opset domains {domains}; ATC allows ai.onnx alone (error E16005)")
    if model.ir_version > NEWEST_IR:
        raise UserError(f"model has IR version {model.ir_version}; allowed is at most {NEWEST_IR}")
