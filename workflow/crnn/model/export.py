"""PyTorch network to an ONNX file that ATC, TensorRT, OpenVINO and ONNX Runtime all read."""

import warnings
from pathlib import Path

import onnx
import torch

from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.model.contract import INPUT, NEWEST_IR, OPSETS, OUTPUT, SYMBOLS, Contract
from crnn.model.network import CRNN
from crnn.model.opset import check_opset


def export_onnx(network: CRNN, contract: Contract, path: Path, opset: int = OPSETS[-1]) -> None:
    """Write `network` to `path`: imgs float32 [N, channels, height, W] → output1 float32 [T, N, classes].

    The contract is in the file's metadata. Raises UserError on an opset that ATC does not read.
    """
    if opset not in OPSETS:
        raise UserError(f"opset {opset}: expected one of {', '.join(map(str, OPSETS))} (what ATC reads)")
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # It warns that it is old, and that an LSTM of free batch size may go wrong: `crnn.model.parity` proves it does
        # not.
        warnings.simplefilter("ignore")
        # The TorchScript exporter keeps each LSTM one node; the dynamo exporter unrolls it into slices and needs
        # opset 18 (PyTorch 2.13).
        torch.onnx.export(
            network,
            (torch.zeros(1, contract.input.tensor_channels, contract.input.height, 100),),
            temporary,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=SYMBOLS,
            opset_version=opset,
            dynamo=False,
        )
        model = onnx.load(temporary)
        model.ir_version = min(model.ir_version, NEWEST_IR)
        onnx.helper.set_model_props(model, contract.metadata())
        check_opset(model)
        onnx.save(model, temporary)
