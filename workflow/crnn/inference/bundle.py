"""A bundle: what an application needs of a deployment, in a folder that holds no path of the machine that made it.

The files that the runtime loads; recogniser.json, with every number between an image and a text; golden words, with
what comes of each step; read.py, which reads by these and needs nothing of this library (bundled/read.py, with the
`open_model` of its runtime); README.md, which says the same in words.

The bundle of a cascade holds those of its members, the threshold and which reading counts.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from crnn.data.widths import Recipe
from crnn.model.charset import BLANK, Charset
from crnn.model.contract import INPUT, OUTPUT
from crnn.model.decoding import greedy_decode
from crnn.runtimes.registry import find_runtime
from crnn.runtimes.runtime import Runtime, Session

FORMAT = 1
FACTS, GOLDEN, NETWORK = "recogniser.json", "golden", "network.py"
MEMBERS = "members"  # folder of the bundles that a cascade is made of
SCORES = ("dataset", "samples", "correct", "accuracy", "accuracy_ci95", "e2e", "infer_only", "device", "simulated")
KEEPS = {
    "last": "The last reading counts",
    "most-confident": "The reading with the highest confidence counts, of equal ones the later",
}
WHOLE_OUTPUTS = 8  # golden words whose log-probabilities are kept
SHOWN_WIDTHS = 8  # that README.md lists; of more it shows the first and the last
PLACE = "# open_model\n"  # of read.py, where the loader of the runtime comes in
FOREIGN_IMPORT = "from crnn.core.errors import UserError\n"  # of the network's source, which PyTorch alone shall run


# --- making one --------------------------------------------------------------------------------------------


def image_facts(preprocess: Preprocess) -> dict[str, Any]:
    """What recogniser.json says of images and their widths. Raises UserError on what read.py does not do."""
    rule = preprocess.rule
    if isinstance(rule, Recipe) or preprocess.resampler.startswith("pillow"):
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
    widths, pad = list(getattr(rule, "buckets", rule.possible())), getattr(rule, "pad", None)
    limits = list(getattr(rule, "limits", widths))
    stretch = getattr(rule, "stretch", 1.0)
    return {"images": images, "widths": {"stretch": stretch, "pad": pad, "tensor": widths, "upto": limits}}


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


def write_golden(
    words: Path, preprocess: Preprocess, session: Session, charset: Charset, folder: Path
) -> Iterator[dict[str, Any]]:
    """Write the images of an LMDB into a bundle's golden/ as PNG; yield what comes of each word that can be read."""
    (folder / GOLDEN).mkdir(parents=True)
    with Words(words) as reader:
        for word in reader:
            pixels = preprocess.decode(word.image) if word.image else None
            if pixels is None:
                continue
            name = f"{word.index:03}"
            (folder / GOLDEN / f"{name}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
            planes = preprocess.tensor(pixels)
            steps = session.infer(planes[None])
            if word.index <= WHOLE_OUTPUTS:
                np.save(folder / GOLDEN / f"{name}.npy", steps[:, 0])
            (text,), (confidence,) = greedy_decode(steps, charset)
            yield {
                "file": f"{name}.png",
                "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
                "shape": list(planes.shape),
                "tensor_sha256": hashlib.sha256(planes.tobytes()).hexdigest(),
                "text": text,
                "confidence": confidence,
                "log_probabilities": f"{name}.npy" if word.index <= WHOLE_OUTPUTS else None,
            }


def write_programs(runtime: Runtime, facts: dict[str, Any], folder: Path) -> None:
    """Write read.py, README.md and, of a runtime that builds from checkpoints, the source of the network."""
    loader = resources.files(runtime.module.rpartition(".")[0]) / "bundled.py"
    if not loader.is_file():
        raise UserError(f"runtime {runtime.name}: has no bundled.py, which opens its model in a bundle")
    bundled = resources.files("crnn.inference") / "bundled"
    program = (bundled / "read.py").read_text(encoding="utf-8").replace(PLACE, loader.read_text(encoding="utf-8"))
    write_text(folder / "read.py", program)
    if runtime.source == "checkpoint":
        source = (resources.files("crnn.model") / NETWORK).read_text(encoding="utf-8")
        write_text(folder / NETWORK, source.replace(FOREIGN_IMPORT, "UserError = ValueError\n"))
    write_text(folder / "README.md", readme(facts, (bundled / "README.md").read_text(encoding="utf-8")))


def readme(facts: dict[str, Any], template: str) -> str:
    """The description of a bundle: the template, with the numbers of this one."""
    images, widths, pad = facts["images"], facts["widths"], facts["widths"]["pad"]
    numbers = {
        **{key: images[key] for key in ("height", "channels", "colour", "padding", "interpolation")},
        "name": f"{facts['model']} on {facts['deployment']}",
        "packages": " ".join(_requirements(facts["runtime"]["packages"])),
        "runtime": facts["runtime"]["name"],
        "device": facts["runtime"]["session"]["device"],
        "stretch": widths["stretch"],
        "buckets": _shown(widths["tensor"]),
        "classes": len(facts["output"]["charset"]) + 1,
        "golden": facts["golden"],
        "blank": facts["output"]["blank"],
        "input": INPUT,
        "output": OUTPUT,
        "filling": (
            "The word is stretched to that width (`widths.pad` is null)."
            if pad is None
            else f"The bucket is at least {pad} wide (`widths.pad`). The word keeps its own width, rounded (halves to "
            f"the even one) and at most the bucket's; the columns on its right are filled with the gray level "
            f"{images['padding']} (`images.padding`)."
        ),
        "scores": _score_lines(facts),
    }
    return _filled(template, numbers)


def _filled(template: str, numbers: dict[str, Any]) -> str:
    for key, value in numbers.items():
        template = template.replace(f"{{{key}}}", str(value))
    return template


def _requirements(versions: dict[str, str]) -> list[str]:
    """What pip is asked for: what was there, without the label of a local build (2.13.0+cpu)."""
    return [f"{name}=={version.partition('+')[0]}" for name, version in versions.items() if version != "absent"]


def _shown(widths: list[int]) -> str:
    few = len(widths) <= SHOWN_WIDTHS
    return ", ".join(map(str, widths)) if few else f"{widths[0]}, {widths[1]}, … {widths[-1]} ({len(widths)} of them)"


def _score_lines(facts: dict[str, Any]) -> str:
    return "\n".join(map(_score_line, facts["scores"]))


def _score_line(score: dict[str, Any]) -> str:
    low, high = score["accuracy_ci95"]
    return (
        f"- {score['dataset']}: {score['accuracy']:.2%} of {score['samples']} words right "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )


def scores(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """What recogniser.json says of how well and how fast it read each dataset, from its run.json."""
    return [{key: read_json(path)[key] for key in SCORES} for path in runs]


def sources_facts() -> dict[str, str]:
    """What recogniser.json says of the workflow: SHA-256 of the library's sources in the order of their paths."""
    library = Path(crnn.__file__).parent
    content = b"".join(path.read_bytes() for path in sorted(library.rglob("*.py")))
    return {"name": "crnn-dynamic", "sources_sha256": hashlib.sha256(content).hexdigest()}


def write_facts(folder: Path, facts: dict[str, Any], golden: list[dict[str, Any]]) -> None:
    """Write golden/words.json and, last, recogniser.json with the SHA-256 of every other file."""
    write_json(folder / GOLDEN / "words.json", golden)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (FACTS, "README.md"))
    hashes = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    write_json(folder / FACTS, {"format": FORMAT, **facts, "files": hashes})


def write_cascade(folder: Path, facts: dict[str, Any]) -> None:
    """Write read.py, README.md and, last, recogniser.json of a cascade whose members' bundles are in the folder."""
    bundled, cascade = resources.files("crnn.inference") / "bundled", facts["cascade"]
    numbers = {
        "name": f"{facts['model']} on {facts['deployment']}",
        "scores": _score_lines(facts),
        "members": ", ".join(f"`{name}`" for name in cascade["members"]),
        "threshold": cascade["threshold"],
        "keep": KEEPS[cascade["keep"]],
    }
    write_text(folder / "read.py", (bundled / "cascade.py").read_text(encoding="utf-8"))
    write_text(folder / "README.md", _filled((bundled / "cascade.md").read_text(encoding="utf-8"), numbers))
    names = ["read.py", *(f"{name}/{FACTS}" for name in cascade["members"])]
    write_json(folder / FACTS, {"format": FORMAT, **facts, "files": {name: sha256(folder / name) for name in names}})


def publish(scratch: Path, folder: Path) -> None:
    """Put a bundle that is whole in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    folder.chmod(0o755)


# --- opening one -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder, what its recogniser.json says, and those that it is made of: of a cascade its members."""

    folder: Path
    facts: dict[str, Any]
    cascade: "tuple[Bundle, ...]" = ()

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read and check a bundle. Raises UserError where a file is missing, or another one than when it was made."""
        facts = read_json(folder / FACTS)
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise UserError(f"{folder / FACTS}: is no recogniser of format {FORMAT}; make the bundle again")
        for name, expected in facts["files"].items():
            path = folder / name
            if not path.is_file() or sha256(path) != expected:
                raise UserError(f"{path}: is missing, or not the file that {FACTS} names; copy the bundle again")
        names = facts["cascade"]["members"] if "cascade" in facts else []
        return cls(folder, facts, tuple(cls.open(folder / name) for name in names))

    @property
    def members(self) -> "Sequence[Bundle]":
        """The members of a cascade, in order; of another bundle that one."""
        return self.cascade or [self]

    @property
    def preprocess(self) -> Preprocess:
        """How an image becomes the network's input."""
        return Preprocess.from_settings(self.facts["rule"])

    @property
    def charset(self) -> Charset:
        return Charset(self.facts["output"]["charset"])

    def most(self, width: int) -> int:
        """Most words of a width in one call."""
        batch = self.facts["batch"]
        return int(batch[str(width)] if isinstance(batch, dict) else batch)

    def load(self, threads: int, calls: int) -> Session:
        """Load the model. Raises UserError where its runtime is missing, or it was built for another device."""
        runtime = self.facts["runtime"]
        return find_runtime(runtime["name"]).load(
            self.folder / self.facts["model_file"], runtime["options"], threads, calls
        )
