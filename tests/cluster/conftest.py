"""A cluster of one node, and a checkout in which one deployment runs on a device."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

import slurm
from workspace import ROOT, write_small_checkpoint

# A runtime as a device's folder declares it, over ONNX Runtime: here only what it occupies counts.
DEVICE = '''"""ONNX Runtime on the processor, declared to be built with a GPU and to run on an NPU."""

from crnn.runtimes.runtime import Runtime

VERBS = "crnn.runtimes.onnxruntime.cpu"
RUNTIMES = (
    Runtime("device", VERBS, ("model.onnx",), tools=("onnxruntime",), device="npu", build_device="gpu"),
)
'''


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small.safetensors")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with one folder and one env more: the runtime `device`."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("rules", "workflow", "config", "envs", "profiles"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", copy)
    (copy / "resources").symlink_to(ROOT / "resources")
    (copy / "workflow/crnn/runtimes/device").mkdir()
    (copy / "workflow/crnn/runtimes/device/__init__.py").write_text(DEVICE)
    shutil.copy(copy / "envs/onnxruntime.yaml", copy / "envs/device.yaml")
    return copy


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Slurm]:
    """A running Slurm. One at a time on a machine, whoever else tests there."""
    reason = slurm.why_not()
    if reason:
        pytest.skip(reason)
    with FileLock(Path(tempfile.gettempdir()) / "crnn-dynamic-slurm.lock", timeout=900):
        slurm.install()
        started = slurm.Slurm(tmp_path_factory.mktemp("slurm") / "state")
        try:
            started.start()
            yield started
        finally:
            started.stop()
