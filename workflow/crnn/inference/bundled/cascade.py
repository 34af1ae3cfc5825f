"""Reads images of words with the cascade in this folder: each member reads what the one before it is not sure of.

python read.py [--json] word.png folder   a line per image: path, text, confidence, error, with tabs between
python read.py --self-test                lets each member read its golden words and name the first step that differs
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASCADE = json.loads((HERE / "recogniser.json").read_text(encoding="utf-8"))["cascade"]


def opened(name):
    """The read.py of a member as a module, and what it opens its model as."""
    sys.path.insert(0, str(HERE / name))
    spec = importlib.util.spec_from_file_location(Path(name).name, HERE / name / "read.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program, program.open_model(program.HERE, program.FACTS)


def read(members, files):
    """Yield (file, text, confidence, error) of each, in order."""
    for chunk in (files[start : start + 512] for start in range(0, len(files), 512)):
        kept, unsure = {}, chunk
        for program, infer in members:
            found = list(program.read(infer, unsure))
            for file, *row in found:
                if file not in kept or counts(row, kept[file]):
                    kept[file] = row
            unsure = [file for file, _, sure, error in found if error is None and sure < CASCADE["threshold"]]
        yield from ((file, *kept[file]) for file in chunk)


def counts(row, before):
    """Whether a reading takes the place of the one before."""
    return row[2] is None and (CASCADE["keep"] == "last" or row[1] >= before[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    args, members = parser.parse_args(), [opened(name) for name in CASCADE["members"]]
    if args.self_test:
        differences = [program.first_difference(infer) for program, infer in members]
        named = [f"{name}: {each}" for name, each in zip(CASCADE["members"], differences) if each]
        sys.exit(f"differs: {named[0]}" if named else print("every golden word is read as it was"))
    files, failed = [f for path in args.paths for f in (sorted(path.iterdir()) if path.is_dir() else [path])], False
    for row in read(members, files):
        named = dict(zip(("file", "text", "confidence", "error"), row))
        print(json.dumps(named, ensure_ascii=False, default=str) if args.json else "\t".join(map(str, row)))
        failed |= named["error"] is not None
    sys.exit(failed)


if __name__ == "__main__":
    main()
