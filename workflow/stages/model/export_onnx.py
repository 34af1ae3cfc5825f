"""Export imported weights to ONNX and prove that the file computes what PyTorch computes.

Input imgs float32 [N, channels, height, W], output output1 float32 [T, N, classes]; N, W and T are free. The outputs
are compared at several batch sizes and widths; a difference over --tolerance of the largest output fails the stage.
"""

from crnn.core.command import Arguments, Command
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.model.contract import OPSETS, Contract
from crnn.model.export import export_onnx
from crnn.model.parity import prove_equal
from crnn.model.weights import load_network
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.pytorch.cpu import TorchSession


def arguments(command: Command) -> None:
    command.add_path("--weights", "what import_checkpoint wrote")
    command.add_path("--contract", "contract.json of the model")
    command.add_argument("--opset", type=int, choices=OPSETS, default=OPSETS[-1])
    command.add_argument("--tolerance", type=float, default=1e-5, help="share of the largest output (default: 1e-5)")
    command.add_output("raw.onnx to write")


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.weights, args.contract], ("torch", "onnx", "onnxruntime"))
    network, contract = load_network(args.weights), Contract.read(args.contract)
    reference = TorchSession(network, threads=1)  # first: tracing then has one thread, too
    with atomic_path(args.output) as candidate:
        export_onnx(network, contract, candidate, args.opset)
        exported = OnnxSession(candidate, threads=1)
        worst = prove_equal(reference.infer, exported.infer, contract, args.tolerance, "torch and raw.onnx")
    record.finish([args.output], max_abs_difference=worst)
