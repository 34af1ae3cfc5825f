"""Digests of what files hold, remembered."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from engine import file_digest
from engine.file_digest import Digests
from engine.store import Store


@pytest.fixture
def digests(tmp_path: Path) -> Digests:
    return Digests(Store(tmp_path / "store.json"), limit=1000)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.txt")
    assert Digests(Store(tmp_path / "store.json"), limit=10**9).of(tmp_path / "labels.txt") == "no regular file"


def test_a_files_digest_is_its_sha256(tmp_path: Path, digests: Digests) -> None:
    (tmp_path / "file").write_bytes(b"word")
    assert digests.of(tmp_path / "file") == sha(b"word")


def test_nothing_has_no_digest(tmp_path: Path, digests: Digests) -> None:
    assert digests.of(tmp_path / "absent") == ""


def test_a_file_over_the_limit_counts_by_size_and_time(tmp_path: Path, digests: Digests) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(1001))
    before = digests.of(path)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert before != digests.of(path) == "1001 bytes of 1000000000000000000"


def test_another_file_of_equal_size_and_time_is_seen(tmp_path: Path, digests: Digests) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    for name, data in ((path, b"one"), (other, b"two")):
        name.write_bytes(data)
        os.utime(name, (1_000_000_000, 1_000_000_000))
    assert digests.of(path) == sha(b"one")
    shutil.copy2(other, path)
    assert digests.of(path) == sha(b"two")


# --- folders -----------------------------------------------------------------------------------------------


def test_a_folder_counts_by_names_and_contents_below_it(tmp_path: Path, digests: Digests) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.png").write_bytes(b"a")
    before = digests.of(folder)
    os.utime(folder)
    os.utime(folder / "deep" / "a.png")
    assert digests.of(folder) == before
    (folder / "deep" / "a.png").write_bytes(b"b")
    edited = digests.of(folder)
    (folder / "deep" / "a.png").rename(folder / "deep" / "c.png")
    renamed = digests.of(folder)
    (folder / "d.png").write_bytes(b"d")
    assert len({before, edited, renamed, digests.of(folder)}) == 4


# --- the store ---------------------------------------------------------------------------------------------


def test_a_file_that_stays_as_it_is_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digest, "UNSETTLED", -1)  # as if the file had been written long ago
    (tmp_path / "file").write_bytes(b"word")
    first = Digests(Store(tmp_path / "store.json"), limit=1000)
    assert first.of(tmp_path / "file") == sha(b"word")
    first.store.save()
    (entry,) = json.loads((tmp_path / "store.json").read_text()).values()
    assert entry["sha256"] == sha(b"word")
    entry["sha256"] = "remembered"
    (tmp_path / "store.json").write_text(json.dumps({str(tmp_path / "file"): entry}))
    second = Digests(Store(tmp_path / "store.json"), limit=1000)
    assert second.of(tmp_path / "file") == "remembered"
    os.utime(tmp_path / "file")
    assert second.of(tmp_path / "file") == sha(b"word")


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path, digests: Digests) -> None:
    (tmp_path / "file").write_bytes(b"word")
    assert time.time() - (tmp_path / "file").stat().st_ctime < file_digest.UNSETTLED
    digests.of(tmp_path / "file")
    digests.store.save()
    assert not (tmp_path / "store.json").exists()


def test_a_store_that_is_broken_costs_a_rehash(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"half":')
    (tmp_path / "file").write_bytes(b"word")
    assert Digests(Store(tmp_path / "store.json"), limit=1000).of(tmp_path / "file") == sha(b"word")
