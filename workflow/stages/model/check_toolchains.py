"""Ask every deployment that is about to be built or run whether this machine can do that, before any work is done.

  --asked '[{"deployment": "om", "runtime": "ascend", "options": {"shapes": "range"}, "building": true}]'

Writes nothing. It ends with status 1 and a line per fault, which names the deployments that have it.
"""

import json
from collections import defaultdict

from crnn.core.command import Arguments, Command
from crnn.core.errors import UserError
from crnn.runtimes.registry import find_runtime


def arguments(command: Command) -> None:
    command.add_argument("--asked", type=json.loads, required=True, help="JSON list, as above")


def main(args: Arguments) -> None:
    faults: dict[str, dict[str, None]] = defaultdict(dict)  # fault → deployments, each once
    for asked in args.asked:
        try:
            find_runtime(asked["runtime"]).check(asked["options"], asked["building"])
        except UserError as error:
            faults[str(error)][asked["deployment"]] = None
    if faults:
        raise UserError("\n".join(f"deployments {', '.join(names)}: {fault}" for fault, names in faults.items()))
