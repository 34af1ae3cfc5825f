"""Find the node that turned each word that two models of one recogniser read differently: explained.json.

  --model fixed.onnx --predictions fixed/1.parquet --model fixed.fp16.onnx --predictions fp16/1.parquet

Both are read in ONNX Runtime, the first of the two being right by definition. A word is read alone here; one that both
read alike then is counted, and has no node.
"""

from collections import defaultdict

import onnx
import polars as pl

from crnn.core.command import LOG, Arguments, Command, progress
from crnn.core.errors import UserError
from crnn.core.files import write_json
from crnn.data.labels import LabelPolicy
from crnn.data.tensors import TensorSet
from crnn.model.decoding import greedy_decode
from crnn.runtimes.onnxruntime.explain import Bisection
from crnn.runtimes.onnxruntime.observe import Array
from stages.arguments import add_tensor_arguments, matched


def arguments(command: Command) -> None:
    add_tensor_arguments(command, parts=True)
    command.add_labels()
    command.add_path("--model", "ONNX file, before and after", action="append")
    command.add_paths("--predictions", "what each read, of the parts", action="append")
    command.add_argument("--limit", type=int, default=200, help="most words to explain (default: 200)")
    command.add_output("explained.json to write", record=False)


def main(args: Arguments) -> None:
    if not len(args.model) == len(args.predictions) == 2:
        raise UserError("--model, --predictions: expected two of each, before and after")
    preprocess, contract = matched(args)
    policy, tensors = LabelPolicy.from_settings(args.labels), TensorSet(args.tensors, preprocess)

    def compared(text: str | None) -> str:
        return policy.apply(text or "")[0]

    def read(output: Array) -> str:
        return compared(greedy_decode(output, contract.charset)[0][0])

    before, after = (pl.read_parquet(files).sort("index") for files in args.predictions)
    pairs = zip(before["index"], before["text"], after["text"], strict=True)
    changed = [index for index, first, second in pairs if compared(first) != compared(second)]
    chosen, found = set(changed[: args.limit]), defaultdict(list)
    if chosen:
        first, second = map(onnx.load, args.model)
        bisection = Bisection(first, second, read, args.threads)
        images = ((index, image) for (index,), image in tensors.batches(1) if index in chosen)
        for index, image in progress(images, total=len(chosen), what="explained"):
            found[tuple((node.name, node.op_type) for node in bisection.nodes(image))].append(index)
    alike = found.pop((), [])
    nodes = [
        {
            "node": ", ".join(name for name, _ in key),
            "operator": ", ".join(kind for _, kind in key),
            "words": len(indices),
        }
        | {"indices": sorted(indices)}
        for key, indices in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
    LOG.info("%d words changed; by node: %s", len(changed), {entry["node"]: entry["words"] for entry in nodes})
    explained = len(chosen) - len(alike)
    write_json(
        args.output, {"changed": len(changed), "explained": explained, "alone_alike": len(alike), "nodes": nodes}
    )
