"""Bring a foreign ONNX recogniser to the form of every model, and prove that the result computes the same.

  --charset '{"metadata": "character", "append": " "}'      or a text, a list, {"file": "dict.txt"}; with "only"
  --input '{"height": 48, "channels": 3, "colour": "bgr", "mean": 0.5, "std": 0.5}'
  --model-output '{"axes": "NTC", "values": "probabilities"}'

Writes raw.onnx, imgs float32 [N, channels, height, W] → output1 float32 [T, N, classes], and the contract. What the
model is seen to do contradicts what is told of it: the stage fails and says so. The outputs are compared at several
batch sizes and widths; a difference over --tolerance of the largest output fails the stage, too.
"""

import json
from dataclasses import replace

import onnx

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import atomic_path
from crnn.core.record import Record
from crnn.model.charset import Charset
from crnn.model.contract import OPSETS, Contract, Input, Output
from crnn.model.import_onnx import (
    adapted,
    as_taken,
    examined,
    expected_output,
    normalised_tensors,
    note_ranks,
    read_foreign,
)
from crnn.model.opset import domains_of, opset_of
from crnn.model.parity import prove_equal, random_images
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from crnn.runtimes.onnxruntime.observe import Array, opened


def arguments(command: Command) -> None:
    command.add_path("--source", "ONNX file")
    command.add_argument("--charset", type=json.loads, required=True, help="as in config `models`; JSON")
    command.add_json("--input", "as in config `models`")
    command.add_json("--model-output", "as in config `models`")
    command.add_argument("--blank", choices=["auto", "first", "last"], default="auto")
    command.add_argument("--opset", type=int, choices=OPSETS, default=OPSETS[-1])
    command.add_argument("--tolerance", type=float, default=1e-5, help="share of the largest output (default: 1e-5)")
    command.add_path("--contract", "contract.json to write")
    command.add_output("raw.onnx to write")


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.source], ("onnx", "onnx-graphsurgeon", "onnxruntime", "numpy"))
    told = Input.from_settings(args.input)
    foreign = read_foreign(args.source, told)
    metadata = {entry.key: entry.value for entry in foreign.model.metadata_props}
    placed = args.charset if isinstance(args.charset, dict) else {}
    whole = {key: placed[key] for key in placed if key != "only"} or args.charset  # what the model is held against
    charset = Charset.from_settings(whole, metadata)
    kept = charset.within(placed["only"]) if "only" in placed else None
    observe = opened(foreign.model, normalised_tensors(foreign.model))

    def run(images: Array) -> Array:
        return observe({foreign.input: images})[foreign.output]

    contract = examined(run, foreign, Contract(charset, told, Output(**args.model_output)), args.blank)
    note_ranks(foreign.model, observe({foreign.input: as_taken(next(random_images(contract)), told)}))
    if kept is not None:
        contract = replace(contract, charset=charset.of(kept))
    model = adapted(foreign, contract, args.opset, kept)
    with atomic_path(args.output) as candidate:
        onnx.save(model, candidate)
        raw, what = OnnxSession(candidate, threads=1), f"{args.source} and raw.onnx"
        worst = prove_equal(expected_output(run, contract, kept), raw.infer, contract, args.tolerance, what)
    contract.write(args.contract)
    facts = {"opset": opset_of(model), "domains": domains_of(model), "nodes": len(model.graph.node)}
    LOG.info("%s: %s", args.source, facts)
    record.finish([args.output, args.contract], **facts, max_abs_difference=worst)
