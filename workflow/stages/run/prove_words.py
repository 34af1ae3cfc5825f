"""Run raw.onnx and fixed.onnx side by side over a dataset's words: same numbers, same texts.

Writes the texts of both (raw.parquet, fixed.parquet) and proof.json. Fails where outputs differ by more than
--tolerance on any word, or any text differs: surgery that changes a real word is not a repair.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crnn.core.command import LOG, parser
from crnn.core.errors import UserError
from crnn.core.files import atomic_path, write_json
from crnn.core.record import Record
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet
from crnn.inference.predict import predict_side_by_side
from crnn.model.charset import Charset
from crnn.runtimes.onnxruntime.cpu import OnnxSession
from stages.arguments import add_tensor_arguments

BATCH = 16


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    add_tensor_arguments(command)
    command.add_argument("--raw", type=Path, required=True)
    command.add_argument("--fixed", type=Path, required=True)
    command.add_argument("--tolerance", type=float, default=1e-5, help="largest absolute difference (default: 1e-5)")
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def main(args: Namespace) -> None:
    inputs = [args.tensors / "contract.json", args.raw, args.fixed]
    parameters = {"widths": args.widths, "tolerance": args.tolerance, "batch": BATCH}
    record = Record("prove_words", inputs, parameters, tools=("onnxruntime", "numpy", "polars"))
    tensors = TensorSet(args.tensors, Preprocess.from_settings(args.widths))
    raw_model, fixed_model = OnnxSession(args.raw, args.threads), OnnxSession(args.fixed, args.threads)
    raw, fixed, worst = predict_side_by_side(tensors, raw_model, fixed_model, Charset(args.charset), BATCH)
    changed = int(raw["text"].ne_missing(fixed["text"]).sum())
    LOG.info("%d words: %d read otherwise after surgery, outputs differ by at most %.3g", raw.height, changed, worst)
    if changed or worst > args.tolerance:
        raise UserError(
            f"{args.fixed}: {changed} of {raw.height} words read otherwise than with {args.raw}, outputs differ by "
            f"up to {worst:.3g} (allowed: no word, {args.tolerance:g}); look at models.<name>.surgery"
        )
    for name, frame in (("raw", raw), ("fixed", fixed)):
        with atomic_path(args.output / f"{name}.parquet") as temporary:
            frame.write_parquet(temporary)
    record.results = {"max_abs_difference": worst, "words": raw.height, "changed": changed}
    write_json(args.output / "proof.json", record.results)
    record.write(args.record, [args.output / name for name in ("raw.parquet", "fixed.parquet", "proof.json")])
