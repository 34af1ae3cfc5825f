"""What README and docs/ say to type, typed: in a checkout with a dozen words and a network of milliseconds.

A command must succeed and show the lines that the page shows. What needs hardware, a network or minutes is marked in
the page (`documented`); of that, runs of Snakemake are planned, so that their files, keys and rules are checked.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import yaml

from documented import PAGES, ROOT, Command, commands, named_files
from examples import healthy_words, png, put_words, scribble
from networks import small_network
from workspace import SMALL, WORKFLOW_FILES, write_small_checkpoint

pytestmark = [pytest.mark.dag, pytest.mark.slow]

CHECKOUT = (*WORKFLOW_FILES, "Makefile", "requirements.lock", "docs/images")


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Give a command to a shell as a person would who has activated the environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = ["bash", "-c", command]
    return subprocess.run(
        shell, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
    )


def new_desk(folder: Path) -> Path:
    """A clone with its environment, whose default run is small, and with the files that the pages take for given."""
    for name in CHECKOUT:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        else:
            shutil.copy2(source, target)
    (folder / ".venv").mkdir()
    for part in (path for path in Path(sys.prefix).iterdir() if path.name in {"bin", "lib", "pyvenv.cfg"}):
        (folder / ".venv" / part.name).symlink_to(part)  # a Python finds its packages beside the folder of its link
    (folder / ".venv" / "installed").touch()
    make_small(folder / "config" / "config.yaml")
    add_data(folder)
    return folder


def make_small(config: Path) -> None:
    default = yaml.safe_load(config.read_text())
    default["datasets"] = {"sample": {"sample": {"words": 12, "seed": 3}}}
    checkpoint = {"checkpoint": "data/small.safetensors", "channels": list(SMALL.channels), "hidden": SMALL.hidden}
    default["models"] = {"crnn": checkpoint}
    default["deployments"] = {name: default["deployments"][name] for name in ("torch", "ort")}
    default |= {"measure": {"passes": 1, "warmup": 2}, "batching": {"sizes": [1, 3], "words": 6}}
    config.write_text(yaml.safe_dump(default))


def add_data(folder: Path) -> None:
    """Words and checkpoints under the names that the pages give to those of a user."""
    for name in ("data/signs", "weights", "fonts"):
        (folder / name).mkdir(parents=True)
    write_small_checkpoint(folder / "data/small.safetensors")
    for name in ("data/my_crnn.pth", "weights/shop.pth"):
        torch.save(small_network().state_dict(), folder / name)
    for name in ("signs", "my", "shop", "IIIT5K"):
        (folder / "data" / f"{name}_lmdb").mkdir()
        healthy_words(folder / "data" / f"{name}_lmdb")
    (folder / "data/big_lmdb").mkdir()
    word = png(scribble(60, 20))
    put_words(folder / "data/big_lmdb", 300, dict.fromkeys(range(1, 301), word), dict.fromkeys(range(1, 301), b"word"))
    (folder / "data/signs/door.png").write_bytes(word)
    (folder / "data/signs/labels.tsv").write_text("file\ttext\ndoor.png\tOpen\n")
    shutil.copytree(folder / "resources/fonts", folder / "fonts/menus")
    shutil.copy2(folder / "resources/words/english.txt", folder / "menus.txt")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which somebody has followed the first line of the README."""
    folder = new_desk(tmp_path_factory.mktemp("desk") / "clone")
    made = run("make report", folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def planned(text: str) -> str:
    """The command as Snakemake only plans it."""
    return f'{text} ARGS="--dry-run"' if text.startswith("make ") else f"{text} --dry-run"


def assert_shown(lines: Sequence[str], output: str) -> None:
    """Every line of a page stands in the output, in that order; lines that hold … are what the page left out."""
    remaining = iter(" ".join(line.split()) for line in output.splitlines())
    for line in lines:
        assert "…" in line or " ".join(line.split()) in remaining, f"{line!r} is not in\n{output}"


def follow(page: Path, folder: Path) -> None:
    for name, text in named_files(page).items():
        (folder / name).write_text(text)
    for command in commands(page):
        if command.mode != "not run":
            check(command, folder)


def check(command: Command, folder: Path) -> None:
    result = run(command.text if command.mode == "run" else planned(command.text), folder)
    shown = result.stdout + result.stderr
    assert result.returncode == 0, f"{command.text}\n{shown}"
    if command.mode == "run":
        assert_shown(command.output, shown)


FOLLOWED = [page for page in PAGES if any(command.mode != "not run" for command in commands(page))]
FROM_NOTHING = "datasets.md"  # shows the plan of a first run


@pytest.mark.parametrize("page", [page for page in FOLLOWED if page.name != FROM_NOTHING], ids=lambda page: page.name)
def test_a_page_can_be_followed(page: Path, desk: Path) -> None:
    shutil.copy2(desk / "results/models/crnn/raw.onnx", desk / "raw.onnx")
    follow(page, desk)


def test_the_page_of_datasets_can_be_followed_from_nothing(tmp_path: Path) -> None:
    follow(ROOT / "docs" / FROM_NOTHING, new_desk(tmp_path / "clone"))
