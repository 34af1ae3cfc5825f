"""The device that docs/extending.md adds, added as that page says: its folder, its env, its entry, and nothing else."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from crnn.model.weights import write_weights
from networks import SMALL, small_network
from workspace import ROOT, WORKFLOW_FILES, Workspace, small_config

pytestmark = pytest.mark.dag

PAGE = (ROOT / "docs/extending.md").read_text()


def block(language: str, beginning: str) -> str:
    """The code block of the page that begins with a text."""
    found = re.search(rf"^```{language}\n({re.escape(beginning)}.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A checkout with the files of the page."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in WORKFLOW_FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", ".*cache"))
        else:
            shutil.copy(ROOT / name, checkout / name)
    folder = checkout / "workflow/crnn/runtimes/opencv_dnn"
    folder.mkdir()
    (folder / "__init__.py").write_text(block("python", '"""OpenCV'))
    (folder / "cpu.py").write_text(block("python", '"""Building is copying'))
    (checkout / "envs/opencv_dnn.yaml").write_text(block("yaml", "channels:"))
    return checkout


def test_a_device_that_was_added_as_the_page_says_reads_the_same_words(extended: Path, tmp_path: Path) -> None:
    write_weights(small_network().state_dict(), SMALL, tmp_path / "varied.safetensors")
    config = small_config(tmp_path / "varied.safetensors") | yaml.safe_load(block("yaml", "deployments:"))
    (tmp_path / "run").mkdir()
    space = Workspace(tmp_path / "run", config, extended)
    files = [f"results/predictions/sample/crnn/aspect/{name}/1.parquet" for name in ("ort", "opencv")]
    result = space.run(*files)
    assert result.returncode == 0, result.stdout + result.stderr
    known, added = (pl.read_parquet(space.path / file) for file in files)
    assert added["text"].to_list() == known["text"].to_list()
    assert known["confidence"].n_unique() > 6  # the words are read differently from each other
