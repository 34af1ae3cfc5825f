"""Build what a device loads, from a model file, for one deployment.

  --runtime onnxruntime --options '{"graph_optimization": "all"}'
  --runtime ascend --options '{"shapes": "gears"}' --plan results/plans/crnn/om-range/planned/plan.json

A runtime that compiles shapes finds those of the plan in its options: `plan`, width → batch size.

Writes the files of the runtime; the record holds the tool versions, the options, the host and what the runtime says of
its build in a JSON file.
"""

from dataclasses import asdict

from crnn.core.command import Arguments, Command, json_object
from crnn.core.files import read_json
from crnn.core.record import Record
from crnn.data.buckets import BucketPlan
from crnn.model.contract import Contract
from crnn.runtimes.registry import find_runtime, known_runtimes
from crnn.runtimes.shapes import Form


def arguments(command: Command) -> None:
    command.add_path("--source", "ONNX file or imported weights")
    command.add_argument("--runtime", choices=known_runtimes(), required=True)
    command.add_argument("--options", type=json_object, default={}, help="the deployment's `options`")
    command.add_path("--contract", "contract.json of the model")
    command.add_path("--plan", "plan.json of the widths and batch sizes to build for", required=False)
    command.add_output("folder to write")


def main(args: Arguments) -> None:
    runtime, shapes = find_runtime(args.runtime), {"plan": BucketPlan.read(args.plan).batches} if args.plan else {}
    form = {"form": asdict(Form.of(Contract.read(args.contract)))} if runtime.compiles_shapes else {}
    options = args.options | shapes | form
    record = Record.begin(args, [args.source, args.contract, args.plan], runtime.tools, options=options)
    files = runtime.build(args.source, args.output, options)
    record.finish(files, **{path.stem: read_json(path) for path in files if path.suffix == ".json"})
