"""Apply the surgery passes to an ONNX file and prove that the result computes the same.

  --surgery '[{"pass": "fold_constants"}, {"pass": "drop_zero_states", "required": true}, …]'

A required pass that matches nothing fails the stage. A node that computes shapes and is left over fails it too, or with
--shape-operators keep is counted in the record. Raw and fixed are compared at several batch sizes and widths; a
difference over --tolerance of the largest output fails.
"""

import json

import onnx

from crnn.core.command import LOG, Arguments, Command
from crnn.core.errors import UserError
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.model.contract import Contract
from crnn.model.opset import check_opset, reaches_every_runtime
from crnn.model.parity import prove_equal
from crnn.model.surgery import Step, listed, operate
from crnn.runtimes.onnxruntime.cpu import OnnxSession


def arguments(command: Command) -> None:
    command.add_path("--raw", "exported ONNX")
    command.add_path("--contract", "contract.json of the model")
    command.add_argument("--surgery", type=json.loads, required=True, help="passes in order, as in config `models`")
    command.add_argument("--shape-operators", choices=["refuse", "keep"], default="refuse")
    command.add_argument("--tolerance", type=float, default=1e-5, help="share of the largest output (default: 1e-5)")
    command.add_output("fixed.onnx to write")


def main(args: Arguments) -> None:
    contract = Contract.read(args.contract)
    record = Record.begin(args, [args.raw, args.contract], ("onnx", "onnx-graphsurgeon", "onnxruntime"))
    raw = onnx.load(args.raw)
    fixed, matched, left = operate(raw, [Step.from_settings(entry) for entry in args.surgery])
    if left and args.shape_operators == "refuse":
        raise UserError(f"surgery: {listed(left)} left in the graph; no pass knows their pattern")
    for name, places in matched.items():
        LOG.info("%s: %d matched%s", name, len(places), "".join(f"\n    {place}" for place in places))
    if reaches_every_runtime(raw):  # which surgery may not change
        check_opset(fixed)
    with atomic_path(args.output) as candidate:
        onnx.save(fixed, candidate)
        before, after = OnnxSession(args.raw, threads=1), OnnxSession(candidate, threads=1)
        worst = prove_equal(before.infer, after.infer, contract, args.tolerance, "raw.onnx and fixed.onnx")
    nodes = {"raw": len(raw.graph.node), "fixed": len(fixed.graph.node)}
    record.finish([args.output], matched=matched, nodes=nodes, shape_operators=left, max_abs_difference=worst)
