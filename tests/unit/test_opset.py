"""What every runtime can read: one opset domain, an IR version that is old enough."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from crnn.core.errors import UserError
from crnn.model.export import export_onnx
from crnn.model.opset import check_opset
from examples import CONTRACT
from networks import EXPORTS, small_network

pytestmark = EXPORTS


def add_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 2))


def renew(model: onnx.ModelProto) -> None:
    model.ir_version = 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add_domain, r"\['ai.onnx', 'ai.onnx.ml'\]; ATC allows ai.onnx alone \(error E16005\)"),
        (renew, "IR version 9; allowed is at most 8"),
    ],
)
def test_a_model_that_atc_would_refuse_is_refused(
    change: Callable[[onnx.ModelProto], None], message: str, tmp_path: Path
) -> None:
    export_onnx(small_network(), CONTRACT, tmp_path / "raw.onnx")
    model = onnx.load(tmp_path / "raw.onnx")
    change(model)
    with pytest.raises(UserError, match=message):
        check_opset(model)
