"""Put what an application needs of a deployment into a folder: the bundle of docs/application.md.

  --identity '{"model": "crnn", "deployment": "ort", "runtime": "onnxruntime", "precision": "fp32", …}'

The golden words are read by the build itself, on the device that it is for.
"""

import shutil
from pathlib import Path
from typing import Any

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json, scratch_directory, sha256
from crnn.core.record import tool_versions
from crnn.data.buckets import BucketPlan
from crnn.inference.bundle import image_facts, output_facts, write_facts, write_golden, write_programs
from crnn.runtimes.registry import find_runtime
from stages.arguments import add_contract, add_runtime_arguments, matched, opened_session

SCORES = ("dataset", "samples", "correct", "accuracy", "accuracy_ci95", "e2e", "infer_only", "device", "simulated")


def arguments(command: Command) -> None:
    add_runtime_arguments(command)
    add_contract(command)
    command.add_json("--identity", "model, deployment and what else identifies the row")
    command.add_path("--width-rule", "width rule as JSON, or plan.json")
    command.add_argument("--batch", required=True, help="most words in one call, or a plan.json")
    command.add_path("--words", "LMDB of the golden words")
    command.add_path("--origin", "checkpoint or ONNX file that the model came from")
    command.add_paths("--runs", "run.json of every dataset")
    command.add_threads()
    command.add_output("folder to write", record=False)
