"""Runs the workflow for real, on a dozen words and a network small enough to take seconds."""

from pathlib import Path

import pytest

from crnn.model.weights import write_weights
from networks import SMALL, small_network
from once import copied, made_once
from workspace import Workspace, small_config, write_small_checkpoint


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        write_small_checkpoint(folder / "small.safetensors")

    return made_once(tmp_path_factory, "small", make) / "small.safetensors"


@pytest.fixture(scope="session")
def varied_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network as if trained, which reads different words differently."""
    path = tmp_path_factory.mktemp("checkpoint") / "varied.safetensors"
    write_weights(small_network().state_dict(), SMALL, path)
    return path


@pytest.fixture
def workspace(tmp_path: Path, small_checkpoint: Path) -> Workspace:
    """An empty working directory."""
    return Workspace(tmp_path, small_config(small_checkpoint))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_checkpoint: Path) -> Workspace:
    """A working directory in which the report has been made. Tests that change its config put it back."""
    config = small_config(small_checkpoint)

    def make(folder: Path) -> None:
        result = Workspace(folder, config).run("report")
        assert result.returncode == 0, result.stdout + result.stderr

    return Workspace(copied(tmp_path_factory, made_once(tmp_path_factory, "finished", make)), config)
