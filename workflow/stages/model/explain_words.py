"""Find the node that turned each word that two models of one recogniser read differently: explained.json.

  --model fixed.onnx --predictions fixed/1.parquet --model fixed.fp16.onnx --predictions fp16/1.parquet

Both are read in ONNX Runtime, the first of the two being right by definition. A word is read alone here; one that both
read alike then is counted, and has no node.
"""

from collections import defaultdict

import onnx
import polars as pl

from crnn.core.command import LOG, Arguments, Command
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

    def read(output: Array) -> str:
        return policy.apply(greedy_decode(output, contract.charset)[0][0])[0]

    before, after = (pl.read_parquet(files).sort("index") for files in args.predictions)
    texts = zip(before["index"], before["text"].fill_null(""), after["text"].fill_null(""), strict=True)
    changed = [index for index, first, second in texts if policy.apply(first)[0] != policy.apply(second)[0]]
    chosen, turned = set(changed[: args.limit]), defaultdict(list)
    if chosen:
        first, second = map(onnx.load, args.model)
        bisection = Bisection(first, second, read, args.threads)
        for (index,), image in tensors.batches(1):
            if index in chosen:
                nodes = bisection.nodes(image)
                names = ", ".join(node.name for node in nodes), ", ".join(node.op_type for node in nodes)
                turned[names].append(index)
    alike = turned.pop(("", ""), [])
    LOG.info("%d words changed; turned by %s", len(changed), {name: len(words) for (name, _), words in turned.items()})
    found = [
        {"node": name, "operator": operator, "words": len(words), "indices": sorted(words)}
        for (name, operator), words in sorted(turned.items(), key=lambda item: -len(item[1]))
    ]
    counts = {"changed": len(changed), "explained": len(chosen) - len(alike), "alone_alike": len(alike)}
    write_json(args.output, {**counts, "nodes": found})
