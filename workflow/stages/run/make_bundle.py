"""Put what an application needs of a deployment into a folder, its bundle: docs/application.md.

  --identity '{"model": "crnn", "deployment": "ort", "runtime": "onnxruntime", "precision": "fp32"}'

The golden words are read by the build itself, on the device that it is for.
"""

import shutil
from pathlib import Path

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json, scratch_directory, sha256
from crnn.core.record import tool_versions
from crnn.data.buckets import BucketPlan
from crnn.inference.bundle import (
    image_facts,
    output_facts,
    publish,
    row_facts,
    write_facts,
    write_golden,
    write_programs,
)
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_runtime_arguments, add_word_arguments, matched, opened_session


def arguments(command: Command) -> None:
    add_word_arguments(command)
    add_runtime_arguments(command)
    command.add_json("--identity", "of the row: model, deployment, runtime, precision")
    command.add_path("--origin", "the checkpoint or ONNX file that the model came from")
    command.add_paths("--runs", "run.json of each dataset that it read")
    command.add_output("folder to write", record=False)


def main(args: Arguments) -> None:
    runtime, (preprocess, contract) = find_runtime(args.runtime), matched(args)
    checkpoint = ["safetensors"] if runtime.source == "checkpoint" else []  # which read.py opens then
    packages = ("numpy", "opencv-python-headless", *runtime.tools, *checkpoint)
    with scratch_directory(args.output) as scratch, opened_session(args, args.model) as session:
        for name in runtime.files:
            shutil.copyfile(args.model.with_name(name), scratch / name)
        facts = {
            **row_facts(args.identity, args.runs),
            **image_facts(preprocess),
            **output_facts(contract.charset),
            "model_file": runtime.files[0],
            "rule": args.widths,
            "batch": batch_facts(args.batch, contract.batch),
            "runtime": {
                "name": runtime.name,
                "options": {key: value for key, value in args.options.items() if "/" not in str(value)},  # no paths
                "packages": tool_versions(packages),
                "session": session.describe(),
                "build": next((read_json(scratch / name) for name in runtime.files if name.endswith(".json")), None),
            },
            "origin": {"file": args.origin.name, "sha256": sha256(args.origin)},
        }
        golden = write_golden(args.words, preprocess, session, contract.charset, scratch)
        write_programs(runtime, {**facts, "golden": golden}, scratch)
        files = [path for path in scratch.rglob("*") if path.is_file() and path.name != "README.md"]
        write_facts(scratch, facts, files)
        publish(scratch, args.output)
    LOG.info("%s: %d golden words", args.output, golden)


def batch_facts(batch: str, only: int | None) -> int | dict[str, int]:
    """Most words in a call: a number, or width → number of a plan."""
    if only is not None:
        return only
    return int(batch) if batch.isdecimal() else {str(w): n for w, n in BucketPlan.read(Path(batch)).batches.items()}
