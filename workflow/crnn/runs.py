"""What every stage that runs a model takes on its command line, and how it opens it.

Not here: what a stage does with the model once it is open.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crnn.stage import json_object
from crnn.targets import Runtime, known_targets, target


def add_tensor_arguments(command: ArgumentParser) -> None:
    """Arguments that name a dataset's tensors and how to decode a network's output."""
    command.add_argument("--tensors", type=Path, required=True, help="folder that make_tensors wrote")
    command.add_argument("--widths", type=json_object, required=True, help="width rule the tensors were made with")
    command.add_argument("--charset", required=True, help="characters of the network, in class order")
    command.add_argument("--threads", type=int, default=1, help="CPU cores the runtime may use (default: 1)")


def add_runtime_arguments(command: ArgumentParser) -> None:
    """Arguments that name a build and the runtime that loads it."""
    command.add_argument("--build", type=Path, required=True, help="folder that build_model wrote")
    command.add_argument("--runtime", choices=known_targets(), required=True)
    command.add_argument("--options", type=json_object, default={}, help="the deployment's `options`")


@contextmanager
def opened_runtime(args: Namespace) -> Iterator[Runtime]:
    """Load the build that the arguments name; the device is released when the block ends, however it ends."""
    runtime = target(args.runtime).load(args.build, args.options, args.threads)
    try:
        yield runtime
    finally:
        runtime.close()
