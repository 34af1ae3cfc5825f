"""Read a CRNN checkpoint of any known layout and write it in the one layout of this workflow (safetensors).

  --network '{"channels": [64, 128, 256, 256, 512, 512, 512], "hidden": 256}'

The keys tell the layout, but not the order of the LSTM gates: that follows from the layout, unless --gate-order is
given. The record has what was decided. Files that would run code are refused.
"""

import json

from crnn.core.command import LOG, Arguments, Command
from crnn.core.record import Record
from crnn.model.charset import Charset
from crnn.model.checkpoint import read_checkpoint, write_weights
from crnn.model.contract import Contract, Input
from crnn.model.network import NetworkSize


def arguments(command: Command) -> None:
    command.add_path("--checkpoint", ".pth, .pt or .safetensors")
    command.add_json("--network", "sizes, as in config `models`")
    command.add_argument("--charset", type=json.loads, required=True, help="as in config `models`; JSON")
    command.add_json("--input", "as in config `models`")
    command.add_argument("--blank", choices=["auto", "first", "last"], default="auto")
    command.add_argument("--layout", choices=["auto", "bidirectional", "separate"], default="auto")
    command.add_argument("--gate-order", choices=["auto", "ifgo", "igfo"], default="auto")
    command.add_path("--contract", "contract.json to write")
    command.add_output("weights.safetensors to write")


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.checkpoint], ("torch", "safetensors"))
    contract = Contract(Charset.from_settings(args.charset), Input.from_settings(args.input))
    size = NetworkSize(tuple(args.network["channels"]), args.network["hidden"], contract.charset.classes)
    layout = None if args.layout == "auto" else args.layout
    gate_order = None if args.gate_order == "auto" else args.gate_order
    imported = read_checkpoint(args.checkpoint, size, layout, gate_order)
    results = {
        "layout": imported.layout,
        "gate_order": imported.gate_order,
        "gate_order_from": imported.gate_order_from,
        "parameters": sum(tensor.numel() for tensor in imported.state.values()),
    }
    LOG.info("%s", results)
    write_weights(imported.state, size, args.output)
    contract.write(args.contract)
    record.finish([args.output, args.contract], **results)
