"""A bundle of the shipped checkpoint where nothing of this repository is: a fresh environment, and another language.

Both take packages from an index; without one the tests skip themselves.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crnn.core.files import read_json
from workspace import ROOT, Workspace

pytestmark = [pytest.mark.dag, pytest.mark.slow]

NODE_PACKAGES = ("onnxruntime-node@1.30.0", "pngjs@7.0.0", "@techstark/opencv-js@4.5.2")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of ONNX Runtime, moved away from where it was made."""
    folder = tmp_path_factory.mktemp("made")
    few = {"datasets": {"sample": {"sample": {"words": 2, "seed": 3}}}}
    short = {"measure": {"passes": 1, "warmup": 1}, "batching": {"sizes": [1], "words": 2}}
    space = Workspace(folder, {**few, **short, "deployments": {"ort-w100": None, "ort-recipe": None}})
    result = space.run("results/bundles/crnn/ort")
    assert result.returncode == 0, result.stdout + result.stderr
    return Path(shutil.move(folder / "results/bundles/crnn/ort", tmp_path_factory.mktemp("elsewhere")))


def installed(command: list[str], folder: Path) -> None:
    """Run what installs packages; skips the test where it cannot."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command[:3])}: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}")


def test_its_program_runs_in_an_environment_with_what_its_readme_says_alone(bundle: Path, tmp_path: Path) -> None:
    (asked,) = [line for line in (bundle / "README.md").read_text().splitlines() if "`pip install " in line]
    packages = asked.partition("`pip install ")[2].partition("`")[0].split()
    assert {name.partition("==")[0] for name in packages} == {"numpy", "opencv-python-headless", "onnxruntime"}
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    installed([str(tmp_path / "venv/bin/pip"), "install", "--quiet", *packages], tmp_path)
    command = [str(tmp_path / "venv/bin/python"), str(bundle / "read.py"), "--self-test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "every golden word is read as it was\n"), done.stderr


def test_a_program_in_javascript_reads_its_golden_words(bundle: Path, tmp_path: Path) -> None:
    """read_golden.mjs was written from the bundle's README.md; its OpenCV is older, so some tensors differ."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed here")
    (tmp_path / "package.json").write_text('{"private": true}')
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund")
    installed(["npm", "install", *quiet, *NODE_PACKAGES], tmp_path)
    command = ["node", str(ROOT / "tests/read_golden.mjs"), str(bundle)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    read = {word["file"]: word for word in map(json.loads, done.stdout.splitlines())}
    golden = {word["file"]: word for word in read_json(bundle / "golden/words.json")}
    assert read.keys() == golden.keys()
    assert {file: word["text"] for file, word in read.items()} == {file: word["text"] for file, word in golden.items()}
    assert all(word["pixels_sha256"] == golden[file]["pixels_sha256"] for file, word in read.items())
    assert sum(word["tensor_sha256"] == golden[file]["tensor_sha256"] for file, word in read.items()) > 16
