"""Read a CRNN checkpoint of any known layout and write it in the one layout of this workflow (safetensors).

  --network '{"classes": 37, "inputs": 1, "height": 32, "activation": "relu", "mean": 0.5, "std": 0.5}'

The keys tell the layout, and the tensors the sizes. The order of the LSTM gates and the class of the blank follow from
the layout, unless --gate-order or --blank is given. The record has what was decided. Files that would run code are
refused.
"""

from dataclasses import asdict

from crnn.core.command import LOG, Arguments, Command
from crnn.core.record import Record
from crnn.model.checkpoint import read_checkpoint, require
from crnn.model.layouts import LAYOUTS
from crnn.model.network import NetworkSize
from crnn.model.weights import write_weights


def arguments(command: Command) -> None:
    command.add_path("--checkpoint", ".pth, .pt or .safetensors")
    command.add_json("--network", "fields of the network; channels and hidden by default as the file has them")
    command.add_argument("--layout", choices=["auto", *LAYOUTS], default="auto")
    command.add_argument("--gate-order", choices=["auto", "ifgo", "igfo"], default="auto")
    command.add_argument("--blank", choices=["auto", "first", "last"], default="auto")
    command.add_argument("--colour", choices=["gray", "rgb", "bgr"], default="gray", help="of the images to read")
    command.add_output("weights.safetensors to write")


def main(args: Arguments) -> None:
    record = Record.begin(args, [args.checkpoint], ("torch", "safetensors"))
    asked, gray = args.network, args.colour == "gray"
    size = NetworkSize.from_json(asked | {"inputs": 1} if gray else asked)
    layout, gate_order, blank = (
        None if told == "auto" else told for told in (args.layout, args.gate_order, args.blank)
    )
    summed = gray and asked.get("inputs", 1) > 1
    imported = read_checkpoint(args.checkpoint, size, layout, gate_order, blank, gray=summed)
    require(args.checkpoint, imported.size, {name: asked[name] for name in ("channels", "hidden") if name in asked})
    facts = {name: value for name, value in asdict(imported).items() if name not in ("state", "size")}
    network, parameters = asdict(imported.size), sum(tensor.numel() for tensor in imported.state.values())
    results = {**facts, "network": network, "parameters": parameters}
    LOG.info("%s", results)
    write_weights(imported.state, imported.size, args.output)
    record.finish([args.output], **results)
