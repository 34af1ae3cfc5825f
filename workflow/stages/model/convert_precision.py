"""Write a variant of a model file, and count on the calibration words how many it reads differently.

  --variant fp16 | fp16-lstm32 | winograd | int8 | uint8        the last two with --calibration

Fails where an operator does not compute in the type of the variant, or ONNX Runtime cannot run the file on a processor.
"""

import onnx

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.data.buckets import DEFAULT_BATCH, at_most
from crnn.data.tensors import TensorSet
from crnn.inference.predict import predict_side_by_side
from crnn.model.opset import check_opset
from crnn.model.precision import VARIANTS
from crnn.model.precision.calibration import Calibration
from crnn.model.precision.convert import convert, prove_types
from crnn.model.precision.multiplications import quantised_share
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from stages.arguments import add_tensor_arguments, matched


def arguments(command: Command) -> None:
    add_tensor_arguments(command)
    command.add_path("--model", "fixed.onnx, float32")
    command.add_argument("--variant", choices=VARIANTS, required=True)
    command.add_path("--calibration", "calibration.json of calibrate_model", required=False)
    command.add_output("ONNX file to write")


def main(args: Arguments) -> None:
    inputs = [args.model, args.tensors / "contract.json", args.contract, args.calibration]
    tools = ("onnx", "onnx-graphsurgeon", "onnxconverter-common", "onnxruntime", "numpy")
    record = Record.begin(args, inputs, tools)
    calibration = Calibration.from_json(args.calibration) if args.calibration else None
    model = convert(onnx.load(args.model), args.variant, calibration)
    check_opset(model)
    types = prove_types(model, args.variant)
    preprocess, contract = matched(args)
    tensors, batch_of = TensorSet(args.tensors, preprocess), contract.batch_of(at_most(DEFAULT_BATCH))
    with atomic_path(args.output) as candidate:
        onnx.save(model, candidate)
        before, after = (OnnxSession(path, args.threads, calls=2) for path in (args.model, candidate))
        first, second, worst = predict_side_by_side(tensors, before, after, contract.charset, batch_of)
    share = quantised_share(model, calibration.multiplications) if calibration else None
    flipped = int(first["text"].ne_missing(second["text"]).sum())
    LOG.info("%s: %s; %d of %d calibration words read differently", args.variant, types, flipped, first.height)
    results = {"words": first.height, "flipped": flipped, "max_abs_difference": worst}
    record.finish([args.output], types=types, eight_bit_share=share, **results)
