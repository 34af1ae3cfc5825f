"""Solve an env file with conda's rules, on channels in a local folder: solve.py FOLDER ENV prints the packages as JSON.

A process of its own, because the solver's library has been seen to crash when the interpreter ends.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import yaml
from rattler import Channel, ChannelConfig, solve
from rattler.exceptions import SolverError


async def solved(folder: Path, env: Path) -> dict[str, str]:
    content = yaml.safe_load(env.read_text())
    channels = ChannelConfig(channel_alias=f"{folder.as_uri()}/")
    records = await solve(
        sources=[Channel(name, channels) for name in content["channels"] if name != "nodefaults"],
        specs=[entry for entry in content["dependencies"] if isinstance(entry, str)],
        platforms=["linux-64", "noarch"],
    )
    return {record.name.normalized: str(record.version) for record in records}


if __name__ == "__main__":
    status = 0
    try:
        print(json.dumps(asyncio.run(solved(Path(sys.argv[1]), Path(sys.argv[2])))), flush=True)
    except SolverError as error:
        print(error, file=sys.stderr, flush=True)
        status = 1
    os._exit(status)
