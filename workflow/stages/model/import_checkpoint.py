"""Read a CRNN checkpoint of any known layout and write it in the one layout of this workflow (safetensors).

  --charset '"0123456789abcdefghijklmnopqrstuvwxyz"' --input '{"height": 32}' --network '{"activation": "relu"}'

The keys tell the layout, and the tensors the sizes. The order of the LSTM gates and the class of the blank follow from
the layout, unless --gate-order or --blank is given. The record has what was decided. Files that would run code are
refused.
"""

import json
from dataclasses import asdict, replace

from crnn.core.command import LOG, Arguments, Command
from crnn.core.record import Record
from crnn.model.charset import Charset
from crnn.model.checkpoint import for_bgr, read_checkpoint, require
from crnn.model.contract import Contract, Input, Output, Steps
from crnn.model.layouts import LAYOUTS
from crnn.model.network import NetworkSize
from crnn.model.weights import write_weights


def arguments(command: Command) -> None:
    command.add_path("--checkpoint", ".pth, .pt or .safetensors")
    command.add_json("--network", "activation, channels, hidden, as in config `models`")
    command.add_argument("--charset", type=json.loads, required=True, help="as in config `models`; JSON")
    command.add_json("--input", "as in config `models`")
    command.add_argument("--blank", choices=["auto", "first", "last"], default="auto")
    command.add_argument("--layout", choices=["auto", *LAYOUTS], default="auto")
    command.add_argument("--gate-order", choices=["auto", "ifgo", "igfo"], default="auto")
    command.add_path("--contract", "contract.json to write")
    command.add_output("weights.safetensors to write")


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.checkpoint], ("torch", "safetensors"))
    contract = Contract(Charset.from_settings(args.charset), Input.from_settings(args.input))
    image = contract.input
    size = NetworkSize.from_json(
        {"classes": contract.charset.classes, "inputs": image.tensor_channels, "height": image.height}
        | {"mean": image.mean, "std": image.std, **args.network}
    )
    told = (None if value == "auto" else value for value in (args.layout, args.gate_order, args.blank))
    imported = read_checkpoint(args.checkpoint, size, *told, gray=image.channels > image.tensor_channels)
    imported = for_bgr(imported) if image.colour == "rgb" else imported
    require(args.checkpoint, imported.size, args.network)
    facts = {name: value for name, value in asdict(imported).items() if name not in ("state", "size")}
    network, parameters = asdict(imported.size), sum(tensor.numel() for tensor in imported.state.values())
    results = {**facts, "network": network, "parameters": parameters}
    LOG.info("%s", results)
    write_weights(imported.state, imported.size, args.output)
    replace(contract, output=Output(blank=imported.blank), steps=Steps.of(imported.size.steps)).write(args.contract)
    record.finish([args.output, args.contract], **results)
