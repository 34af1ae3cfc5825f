"""A bundle: what an application needs of a deployment, in a folder that holds no path of the machine that made it.

The files that the runtime loads; recogniser.json, with every number between an image and a text; golden words, with
what comes of each step; read.py, which reads by these and needs nothing of this library (bundled/read.py, with the
`open_model` of its runtime); README.md, which says the same in words.

The bundle of a cascade holds those of its members, the threshold and which reading counts.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import crnn
from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256, write_json, write_text
from crnn.data.lmdb import Words
from crnn.data.preprocess import PAD, Preprocess
from crnn.data.widths import Aspect, Buckets, Fixed
from crnn.model.charset import BLANK, Charset
from crnn.model.contract import INPUT, OUTPUT
from crnn.model.decoding import greedy_decode
from crnn.runtimes.runtime import Runtime, Session

FORMAT = 1
FACTS, GOLDEN, NETWORK = "recogniser.json", "golden", "network.py"
MEMBERS = "members"  # folder of the bundles that a cascade is made of
SCORES = ("dataset", "samples", "correct", "accuracy", "accuracy_ci95", "e2e", "infer_only", "device", "simulated")
WHOLE_OUTPUTS = 8  # golden words whose log-probabilities are kept
# Of README.md:
SCORE = (
    "- {dataset}: {accuracy:.2%} of {samples} words right "
    "(95 % interval {accuracy_ci95[0]:.1%} to {accuracy_ci95[1]:.1%})"
)
SHOWN_WIDTHS = 8  # of more only the first and the last are shown
PLACE = "# open_model\n"  # of read.py, where the loader of the runtime comes in
FOREIGN_IMPORT = "from crnn.core.errors import UserError\n"  # of the network's source, which PyTorch alone shall run


def row_facts(identity: dict[str, str], runs: Sequence[Path]) -> dict[str, Any]:
    """What recogniser.json says of a row: what it is, how well and how fast it read each dataset, what made it.

    runs: run.json of each dataset. The workflow is the SHA-256 of the library's sources in the order of their paths.
    """
    content = b"".join(path.read_bytes() for path in sorted(Path(crnn.__file__).parent.rglob("*.py")))
    return {
        **identity,
        "scores": [{key: read_json(path)[key] for key in SCORES} for path in runs],
        "workflow": {"name": "crnn-dynamic", "sources_sha256": hashlib.sha256(content).hexdigest()},
    }


def image_facts(preprocess: Preprocess) -> dict[str, Any]:
    """What recogniser.json says of images and their widths. Raises UserError on what read.py does not do."""
    rule = preprocess.rule
    if isinstance(rule, Fixed):
        rule = Buckets((rule.width,), stretch=1.0, height=rule.height)
    if not isinstance(rule, Aspect | Buckets) or preprocess.resampler.startswith("pillow"):
        raise UserError(
            "a bundle needs widths in buckets and pixels resized by OpenCV; give the deployment other widths"
        )
    images = {
        "height": rule.height,
        "channels": preprocess.channels,
        "colour": "gray" if preprocess.channels == 1 else "bgr",
        "interpolation": preprocess.resampler,
        "padding": PAD,
        "mean": 0.5,
        "std": 0.5,
    }
    buckets = {"tensor": list(rule.widths), "upto": list(rule.upto)}
    return {"images": images, "widths": {"stretch": rule.stretch, "pad": rule.pad, **buckets}}


def output_facts(charset: Charset) -> dict[str, Any]:
    """What recogniser.json says of the model's ends."""
    return {
        "input": {"name": INPUT, "type": "float32", "axes": ["N", "channels", "height", "W"]},
        "output": {
            "name": OUTPUT,
            "type": "float32",
            "axes": ["T", "N", "classes"],
            "values": "log-probabilities",
            "blank": BLANK,
            "charset": list(charset.characters),
        },
    }


def write_golden(words: Path, preprocess: Preprocess, session: Session, charset: Charset, folder: Path) -> int:
    """Write the readable images of an LMDB as PNG into a bundle's golden/, and words.json with what comes of each.

    Returns how many they are.
    """
    golden, found = folder / GOLDEN, []
    golden.mkdir(parents=True)
    with Words(words) as reader:
        for word in reader:
            pixels = preprocess.decode(word.image) if word.image else None
            if pixels is None:
                continue
            name, whole = f"{word.index:03}", word.index <= WHOLE_OUTPUTS
            (golden / f"{name}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
            planes = preprocess.tensor(pixels)
            steps = session.infer(planes[None])
            if whole:
                np.save(golden / f"{name}.npy", steps[:, 0])
            (text,), (confidence,) = greedy_decode(steps, charset)
            found.append(
                {
                    "file": f"{name}.png",
                    "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
                    "shape": list(planes.shape),
                    "tensor_sha256": hashlib.sha256(planes.tobytes()).hexdigest(),
                    "text": text,
                    "confidence": confidence,
                    "log_probabilities": f"{name}.npy" if whole else None,
                }
            )
    write_json(golden / "words.json", found)
    return len(found)


def write_programs(runtime: Runtime, facts: dict[str, Any], folder: Path) -> None:
    """Write read.py, README.md and, of a runtime that builds from checkpoints, the source of the network."""
    loader = resources.files(runtime.module.rpartition(".")[0]) / "bundled.py"
    if not loader.is_file():
        raise UserError(f"runtime {runtime.name}: has no bundled.py, which opens its model in a bundle")
    write_text(folder / "read.py", _bundled("read.py").replace(PLACE, loader.read_text(encoding="utf-8")))
    if runtime.source == "checkpoint":
        source = (resources.files("crnn.model") / NETWORK).read_text(encoding="utf-8")
        write_text(folder / NETWORK, source.replace(FOREIGN_IMPORT, "UserError = ValueError\n"))
    widths, tools = facts["widths"]["tensor"], facts["runtime"]["packages"]
    buckets = ", ".join(map(str, widths))
    if len(widths) > SHOWN_WIDTHS:
        buckets = f"{widths[0]}, {widths[1]}, … {widths[-1]} ({len(widths)} of them)"
    numbers = {
        "classes": len(facts["output"]["charset"]) + 1,
        # Without the label of a local build (2.13.0+cpu), which pip does not find.
        "packages": " ".join(f"{name}=={tools[name].partition('+')[0]}" for name in tools if tools[name] != "absent"),
        "buckets": buckets,
        "pad": json.dumps(facts["widths"]["pad"]),
    }
    write_text(folder / "README.md", _readme("README.md", facts, **numbers))


def write_cascade(folder: Path, facts: dict[str, Any]) -> None:
    """Write read.py, README.md and recogniser.json of a cascade whose members' bundles are in the folder."""
    cascade = facts["cascade"]
    write_text(folder / "read.py", _bundled("cascade.py"))
    members = ", ".join(f"`{name}`" for name in cascade["members"])
    write_text(folder / "README.md", _readme("cascade.md", facts, members=members))
    write_facts(folder, facts, [folder / "read.py", *(folder / name / FACTS for name in cascade["members"])])


def write_facts(folder: Path, facts: dict[str, Any], files: Iterable[Path]) -> None:
    """Write recogniser.json with the SHA-256 of the bundle's other files."""
    hashes = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    write_json(folder / FACTS, {"format": FORMAT, **facts, "files": hashes})


def _bundled(name: str) -> str:
    return (resources.files("crnn.inference") / "bundled" / name).read_text(encoding="utf-8")


def _readme(template: str, facts: dict[str, Any], **told: Any) -> str:
    """The description of a bundle: a template, with the facts of this one and what is told besides."""
    scores = "\n".join(SCORE.format(**score) for score in facts["scores"])
    return _bundled(template).format(**{**facts, "scores": scores}, **told)


def publish(scratch: Path, folder: Path) -> None:
    """Put a bundle that is whole in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    folder.chmod(0o755)
