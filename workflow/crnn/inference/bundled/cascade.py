"""Reads images of words with the cascade in this folder: each member reads what the one before it is not sure of.

python read.py [--json] word.png folder   a line per image: path, text, confidence, error, with tabs between
python read.py --self-test                lets each member read its golden words and name the first step that differs
"""

import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASCADE = json.loads((HERE / "recogniser.json").read_text(encoding="utf-8"))["cascade"]


def loaded(name):
    """The read.py of a member as a module."""
    spec = importlib.util.spec_from_file_location(Path(name).name, HERE / name / "read.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def opened(name):
    """The read.py of a member as a module, and what it opens its model as."""
    sys.path.insert(0, str(HERE / name))
    program = loaded(name)
    return program, program.open_model(program.HERE, program.FACTS)


def read(members, files):
    """Yield (file, text, confidence, error) of each, in order."""
    for chunk in (files[start : start + 512] for start in range(0, len(files), 512)):
        kept, unsure = {}, chunk
        for program, infer in members:
            found = list(program.read(infer, unsure))
            for file, *row in found:
                better = row[2] is None and (CASCADE["keep"] == "last" or row[1] >= kept.get(file, row)[1])
                kept[file] = row if better else kept.get(file, row)
            unsure = [file for file, _, sure, error in found if error is None and sure < CASCADE["threshold"]]
        yield from ((file, *kept[file]) for file in chunk)


def first_difference(members):
    """Of the first member that reads a golden word otherwise: its name and the step."""
    found = zip(CASCADE["members"], (program.first_difference(infer) for program, infer in members))
    return next((f"{name}: {each}" for name, each in found if each), None)


if __name__ == "__main__":
    names = CASCADE["members"]
    loaded(names[0]).main(__doc__, lambda: [opened(name) for name in names], read, first_difference)
