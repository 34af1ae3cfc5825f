"""Put the bundles of a cascade's members into one, which reads as the cascade does: docs/cascades.md.

--identity '{"model": "ppocr", "deployment": "cascade", "precision": "mixed"}'
"""

import shutil

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json, scratch_directory
from crnn.inference.bundle import MEMBERS, publish, row_facts, write_cascade


def arguments(command: Command) -> None:
    command.add_paths("--members", "their bundles, in order")
    command.add_path("--plan", "cascade.json of plan_cascade")
    command.add_json("--identity", "of the row: model, deployment, precision")
    command.add_paths("--runs", "run.json of each dataset that it read")
    command.add_output("folder to write", record=False)


def main(args: Arguments) -> None:
    plan, names = read_json(args.plan), [f"{MEMBERS}/{member.name}" for member in args.members]
    with scratch_directory(args.output) as scratch:
        for member, name in zip(args.members, names, strict=True):
            shutil.copytree(member, scratch / name)
        cascade = {"threshold": plan["threshold"], "keep": plan["keep"], "members": names}
        write_cascade(scratch, {**row_facts(args.identity, args.runs), "cascade": cascade})
        publish(scratch, args.output)
    LOG.info("%s: %s", args.output, ", then ".join(names))
