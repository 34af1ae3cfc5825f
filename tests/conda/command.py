"""What Snakemake needs of the command `conda`, for tests where no conda channel can be reached.

Snakemake asks for the version, the place of `bin/activate` and the channel priority, and has an env made from a file.
Here that is a linked env (linked_env.py). Any other call is an error, so a Snakemake that needs more is noticed.
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

from linked_env import EnvError, make_linked_env

VERSION = "24.7.1"  # the oldest that Snakemake takes
ROOT = Path(__file__).parent


def create(arguments: list[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--no-default-packages", action="store_true")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, required=True)
    args = parser.parse_args(arguments)
    make_linked_env(args.file, args.prefix)
    history = args.prefix / "conda-meta" / "history"  # by which conda knows an env
    history.parent.mkdir()
    history.touch()


def answer(call: list[str]) -> str:
    match call:
        case ["--version"]:
            return f"conda {VERSION}"
        case ["info", "--json"]:
            return json.dumps({"conda_prefix": str(ROOT), "platform": "linux-64"})
        case ["config", "--get", "channel_priority", "--json"]:
            return json.dumps({"get": {"channel_priority": "strict"}})
        case ["env", "create", *arguments]:
            create(arguments)
            return ""
        case ["clean", *_]:
            return ""
    raise EnvError(f"this stand-in for conda does not know the call: conda {' '.join(call)}")


if __name__ == "__main__":
    try:
        print(answer(sys.argv[1:]))
    except EnvError as error:
        sys.exit(str(error))
