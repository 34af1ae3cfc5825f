"""Small LMDBs that several modules test with."""

from pathlib import Path

import pytest

from examples import faulty_words, healthy_words


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return healthy_words(tmp_path_factory.mktemp("healthy") / "words.lmdb")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty_words(tmp_path_factory.mktemp("faulty") / "words.lmdb")
