"""Evaluation folders: one entry of `datasets` that stands for several LMDBs, as the field hands them out."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from engine.config import Config, ConfigError

DEEPEST = 4  # folders between an evaluation folder and data.mdb


def with_evaluations(config: Config) -> Config:
    """The config with a dataset for each LMDB below an `evaluation`, which takes the place of its entry.

    Each is named as its folder, and its `group` is the name of the entry. Raises ConfigError.
    """
    datasets: Config = {}
    for name, entry in config["datasets"].items():
        made = _sets_of(name, entry) if "evaluation" in entry else {name: entry}
        for twice in [each for each in made if each in datasets]:
            raise ConfigError([f"datasets.{name} holds a set {twice!r}, a name that datasets has already; rename one"])
        datasets.update(made)
    return {**config, "datasets": datasets}


def _sets_of(name: str, entry: Config) -> dict[str, Any]:
    folder, others = entry["evaluation"], set(entry) - {"evaluation", "sets", "parts"}
    found = sets_in(Path(folder))
    if others:
        raise ConfigError([f"datasets.{name}: has evaluation and {' and '.join(sorted(others))}; expected one source"])
    if not found:
        raise ConfigError([f"datasets.{name}.evaluation is {folder!r}; expected a folder that holds LMDB folders"])
    chosen = entry.get("sets", list(found))
    if unknown := [each for each in chosen if each not in found]:
        raise ConfigError([f"datasets.{name}.sets names {unknown[0]!r}; expected some of {', '.join(found)}"])
    return {each: {"lmdb": str(found[each]), "group": name, "parts": entry.get("parts", 1)} for each in chosen}


def sets_in(folder: Path) -> dict[str, Path]:
    """Name → LMDB folder, by name, of every one in `folder` or some folders deeper; links are followed.

    The name is that of the LMDB's folder, with those around it where two are called alike or one is only a number
    (IC13/857).
    """
    data = [path.parent for depth in range(DEEPEST + 1) for path in folder.glob("*/" * depth + "data.mdb")]
    short = Counter(path.name for path in data)
    named = {}
    for path in data:
        parts = path.relative_to(folder).parts or (path.resolve().name,)
        clear = short[path.name] == 1 and not path.name.isdecimal()
        named[re.sub(r"[^\w.-]+", "_", parts[-1] if clear else "_".join(parts), flags=re.ASCII)] = path
    return dict(sorted(named.items()))
