"""Digests of what files hold, remembered; and results that are not what their stage wrote."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from engine import contents
from engine.contents import Alteration, Digests, alterations


@pytest.fixture
def digests(tmp_path: Path) -> Digests:
    return Digests(tmp_path / "store.json", limit=1000)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.txt")
    assert Digests(tmp_path / "store.json", limit=10**9).of(tmp_path / "labels.txt") == "no regular file"


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
    monkeypatch.setattr(contents, "UNSETTLED", -1)  # as if the file had been written long ago
    (tmp_path / "file").write_bytes(b"word")
    first = Digests(tmp_path / "store.json", limit=1000)
    assert first.of(tmp_path / "file") == sha(b"word")
    first.save()
    (entry,) = json.loads((tmp_path / "store.json").read_text()).values()
    assert entry["sha256"] == sha(b"word")
    entry["sha256"] = "remembered"
    (tmp_path / "store.json").write_text(json.dumps({str(tmp_path / "file"): entry}))
    second = Digests(tmp_path / "store.json", limit=1000)
    assert second.of(tmp_path / "file") == "remembered"
    os.utime(tmp_path / "file")
    assert second.of(tmp_path / "file") == sha(b"word")


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path, digests: Digests) -> None:
    (tmp_path / "file").write_bytes(b"word")
    assert time.time() - (tmp_path / "file").stat().st_ctime < contents.UNSETTLED
    digests.of(tmp_path / "file")
    digests.save()
    assert not (tmp_path / "store.json").exists()


def test_a_store_that_is_broken_costs_a_rehash(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"half":')
    (tmp_path / "file").write_bytes(b"word")
    assert Digests(tmp_path / "store.json", limit=1000).of(tmp_path / "file") == sha(b"word")


# --- altered results ---------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result with the record of the stage that wrote it; the working directory, as paths in it are relative."""
    monkeypatch.chdir(tmp_path)
    Path("result").write_bytes(b"made")
    Path("record.json").write_text(json.dumps({"outputs": {"result": {"sha256": sha(b"made"), "bytes": 4}}}))
    return tmp_path


def test_a_result_as_its_record_says_is_not_altered(recorded: Path, digests: Digests) -> None:
    os.utime("result")
    assert list(alterations(["record.json"], digests)) == []


def test_a_result_that_was_edited_is_altered(recorded: Path, digests: Digests) -> None:
    Path("result").write_bytes(b"edit")
    assert list(alterations(["record.json"], digests)) == [Alteration("record.json", "result", missing=False)]


def test_a_result_that_is_gone_is_missing(recorded: Path, digests: Digests) -> None:
    Path("result").unlink()
    assert list(alterations(["record.json"], digests)) == [Alteration("record.json", "result", missing=True)]


def test_a_contract_lists_files_beside_it(recorded: Path, digests: Digests) -> None:
    Path("tensors").mkdir()
    Path("tensors/contract.json").write_text(json.dumps({"files": {"w40.npy": {"sha256": sha(b"x"), "bytes": 1}}}))
    found = list(alterations(["tensors/contract.json"], digests))
    assert found == [Alteration("tensors/contract.json", "tensors/w40.npy", missing=True)]


@pytest.mark.parametrize("text", [None, "{", "[]", '"text"', "{}"])
def test_a_listing_that_says_nothing_is_passed_over(text: str | None, recorded: Path, digests: Digests) -> None:
    if text is not None:
        Path("other.json").write_text(text)
    assert list(alterations(["other.json"], digests)) == []


def test_a_large_result_is_taken_as_it_is(recorded: Path) -> None:
    Path("result").write_bytes(b"edit")
    assert list(alterations(["record.json"], Digests(recorded / "store.json", limit=3))) == []
