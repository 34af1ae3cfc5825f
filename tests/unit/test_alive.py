"""Locks that a killed run left are cleared; those of a run that is alive are not."""

from pathlib import Path

import pytest

from engine.alive import declare_alive


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock as Snakemake leaves it."""
    path = tmp_path / "locks" / "0.input.lock"
    path.parent.mkdir()
    path.write_text("results/models/crnn/raw.onnx\n")
    return path


def test_locks_of_a_run_that_is_gone_are_cleared(tmp_path: Path, lock: Path) -> None:
    with declare_alive(tmp_path):
        assert not lock.exists()


def test_locks_of_a_run_that_is_alive_are_kept(tmp_path: Path, lock: Path) -> None:
    text = lock.read_text()
    with declare_alive(tmp_path):
        lock.write_text(text)  # as a run does once it is alive
        with declare_alive(tmp_path):
            assert lock.read_text() == text
        with declare_alive(tmp_path):
            assert lock.read_text() == text
    with declare_alive(tmp_path):
        assert not lock.exists()


def test_a_folder_without_locks_is_made(tmp_path: Path) -> None:
    with declare_alive(tmp_path / "new" / ".snakemake"):
        assert (tmp_path / "new" / ".snakemake" / "alive").exists()
