"""A copy of this repository with small datasets in it, to run the workflow in and to change anything of."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb

from examples import healthy_words, png, scribble
from workspace import ROOT, SMALL, WORKFLOW_FILES, Workspace, write_small_checkpoint

SOURCES = tuple(name for name in WORKFLOW_FILES if name != "resources")  # of which the checkpoint is left out
RESOURCES = ("fonts", "words", "published.json")


@dataclass
class Checkout(Workspace):
    """A workspace that is its own checkout, as for a person who cloned the repository and runs it there."""

    def copy(self, path: Path) -> "Checkout":
        """The same checkout with its results elsewhere, to be changed without changing this one."""
        shutil.copytree(self.path, path)
        return Checkout(path, _copied(self.config), root=path)

    def set(self, key: str, value: Any) -> None:
        """Change one value of the config; `key` is dotted."""
        *parents, last = key.split(".")
        entry = self.config
        for name in parents:
            entry = entry.setdefault(name, {})
        entry[last] = value

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.path / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))

    def append(self, file: str, text: str) -> None:
        with (self.path / file).open("a") as stream:
            stream.write(text)

    def rewrite(self, file: str) -> None:
        """Write the bytes that a file holds into a new file of its name."""
        path = self.path / file
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)

    def put_word(self, key: bytes, value: bytes) -> None:
        """Change one record of the LMDB that the config names."""
        folder = str(self.path / "data" / "lmdb")
        with lmdb.open(folder, map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
            transaction.put(key, value)


def _copied(config: dict[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in config.items()}


def new_checkout(path: Path) -> Checkout:
    """A clone in `path` with one dataset of each kind that needs no download, a small network, one deployment."""
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    path.mkdir(parents=True, exist_ok=True)
    for name in (*SOURCES, *(f"resources/{name}" for name in RESOURCES)):
        source, target = ROOT / name, path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy2(source, target)
    (path / "data" / "images").mkdir(parents=True)
    healthy_words(path / "data" / "lmdb")
    for name, seed in (("one", 1), ("two", 2), ("three", 3)):
        (path / "data" / "images" / f"{name}.png").write_bytes(png(scribble(80, 30, seed)))
    (path / "data" / "labels.csv").write_text("file,text\none.png,one\ntwo.png,two\nthree.png,three\n")
    write_small_checkpoint(path / "data" / "small.safetensors")
    return Checkout(path, _config(), root=path)


def _config() -> dict[str, Any]:
    return {
        "datasets": {
            "sample": {"sample": {"words": 4, "seed": 3}},
            "lmdb": {"lmdb": "data/lmdb"},
            "images": {"images": {"folder": "data/images", "labels": "data/labels.csv"}},
        },
        "models": {
            "crnn": {
                "checkpoint": "data/small.safetensors",
                "channels": list(SMALL.channels),
                "hidden": SMALL.hidden,
            },
        },
        "deployments": {"torch": None, "ort-w100": None, "ort-recipe": None},
        "measure": {"passes": 1, "warmup": 2},
        "batching": {"sizes": [1, 3], "words": 4},
    }
