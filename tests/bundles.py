"""Bundles of recognisers that run in microseconds, made by the stage that makes them; and their programs, opened."""

import json
from dataclasses import asdict, dataclass, field
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from crnn.core.files import read_json, sha256, write_json
from crnn.data.decode import Pixels
from crnn.model.contract import Contract
from crnn.runtimes.registry import find_runtime
from crnn.runtimes.shapes import Form
from examples import SIZES, png, put_words, scribble
from recognisers import Foreign
from stage_calls import call

CHARACTERS = "abcd"
ASPECT = {"rule": "aspect"}
PADDED = {"rule": "aspect", "stretch": 1.0, "step": 16, "min": 48, "max": 400, "height": 48, "channels": 3, "pad": 160}
SCORE = {
    **{"dataset": "signs", "samples": 12, "correct": 9, "accuracy": 0.75, "accuracy_ci95": [0.46, 0.91]},
    **{"e2e": {"seconds": 1.0}, "infer_only": {"seconds": 2.0}, "device": "a processor", "simulated": False},
}


@dataclass(frozen=True)
class Recognised:
    """A recogniser's bundle, and the files that it was made of: model and build, words, widths, batch."""

    folder: Path
    widths: str
    batch: str
    runtime: str = "onnxruntime"
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def words(self) -> Path:
        return self.folder / "words.lmdb"

    @property
    def model(self) -> dict[str, Any]:
        """How stages are told of the build."""
        file = self.folder / "build" / find_runtime(self.runtime).files[0]
        build = {"model": file, "runtime": self.runtime, "options": json.dumps(self.options)}
        return {**build, "contract": self.folder / "contract.json", "widths": self.widths, "batch": self.batch}


def pictures(channels: int) -> list[Pixels]:
    """Scribbles of the sizes of `healthy_words`, gray [H, W] or coloured [H, W, 3]."""
    planes = [[scribble(*size, seed=10 * i + k) for k in range(channels)] for i, size in enumerate(SIZES, 1)]
    return [each[0] if channels == 1 else np.dstack(each) for each in planes]


def recognised(
    folder: Path,
    widths: dict[str, Any] = ASPECT,
    batch: str | Path = "16",
    runtime: str = "onnxruntime",
    compiled: dict[str, Any] | None = None,
    **options: Any,
) -> Recognised:
    """Import a recogniser of `abcd`, build it and make its bundle.

    batch: a plan.json says widths too. compiled: options of building alone.
    """
    foreign = Foreign(channels=widths.get("channels", 1), height=widths.get("height", 32))
    told = str(batch) if isinstance(batch, Path) else json.dumps(widths)
    made = Recognised(folder, told, str(batch), runtime, options)
    images = dict(enumerate(map(png, pictures(foreign.channels)), 1))
    made.words.mkdir(parents=True)
    put_words(made.words, len(images), images, dict.fromkeys(images, b"ab"))
    import_model(folder, foreign)
    if compiled is not None:
        options = {**options, **compiled, "form": asdict(Form.of(Contract.read(folder / "contract.json")))}
    find_runtime(runtime).build(folder / "raw.onnx", folder / "build", options)
    write_json(folder / "run.json", SCORE)
    identity = json.dumps({"model": "abcd", "deployment": runtime, "precision": "fp32"})
    sources = {"words": made.words, "origin": folder / "foreign.onnx", "runs": folder / "run.json"}
    call("make_bundle", **made.model, **sources, identity=identity, output=made.bundle)
    return made


def import_model(folder: Path, foreign: Foreign) -> Path:
    """Bring a foreign file to the one form: raw.onnx and contract.json."""
    source = foreign.save(folder / "foreign.onnx")
    form = json.dumps({"axes": foreign.axes, "values": foreign.values})
    colour = {"channels": foreign.channels, "colour": "bgr"} if foreign.channels == 3 else {}
    told = {"charset": json.dumps(CHARACTERS), "input": json.dumps({**colour, "height": foreign.height})}
    made = {"contract": folder / "contract.json", "output": folder / "raw.onnx", "record": folder / "raw.json"}
    call("import_onnx", source=source, model_output=form, **told, **made)
    return folder / "raw.onnx"


def program(bundle: Path) -> ModuleType:
    """A bundle's read.py as a module."""
    spec = util.spec_from_file_location("read", bundle / "read.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def self_test(bundle: Path) -> str | None:
    """What read.py says differs first; None where nothing does."""
    read = program(bundle)
    found: str | None = read.first_difference(read.open_model(bundle, read.FACTS))
    return found


def rewrite(bundle: Path, *keys: str, value: Any) -> None:
    """Change an entry of recogniser.json."""
    facts = entry = read_json(bundle / "recogniser.json")
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = value
    write_json(bundle / "recogniser.json", facts)


def replace_file(bundle: Path, name: str, source: Path) -> None:
    """Put another file into a bundle, which then says that it is the right one."""
    (bundle / name).write_bytes(source.read_bytes())
    rewrite(bundle, "files", name, value=sha256(source))
