"""Files appear whole or not at all."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.core.files import atomic_path, read_json, scratch_directory, sha256, verify_sha256, what_it_is, write_json

names = st.text(st.characters(codec="utf-8"), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))


def entries(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def write_half(target: Path, error: type[BaseException]) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half of the new")
        raise error


# --- one file ----------------------------------------------------------------------------------------------


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == target.parent
        assert not target.exists()
    assert target.read_text() == "whole"
    assert entries(target.parent) == ["file.txt"]


def test_a_block_that_raises_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        write_half(target, RuntimeError)
    assert target.read_text() == "old"
    assert entries(tmp_path) == ["file.txt"]


def test_a_block_that_raises_makes_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "file.txt", KeyboardInterrupt)
    assert entries(tmp_path) == []


def test_a_reader_that_holds_the_old_file_keeps_it(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with target.open() as reader:
        with atomic_path(target) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_results_are_readable_by_whom_the_umask_allows(tmp_path: Path, umask: int, mode: int) -> None:
    former = os.umask(umask)
    try:
        with atomic_path(tmp_path / "file.txt"):
            pass
    finally:
        os.umask(former)
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == mode


# --- a scratch directory -----------------------------------------------------------------------------------


def test_scratch_lies_beside_its_target_and_goes_with_the_block(tmp_path: Path) -> None:
    with scratch_directory(tmp_path / "results" / "tensors") as scratch:
        (scratch / "deep").mkdir()
        (scratch / "deep" / "file").touch()
        assert scratch.parent == tmp_path / "results"
    assert entries(tmp_path / "results") == []


def test_scratch_goes_when_the_block_raises(tmp_path: Path) -> None:
    def fill_and_fail() -> None:
        with scratch_directory(tmp_path / "tensors") as scratch:
            (scratch / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill_and_fail()
    assert entries(tmp_path) == []


# --- JSON --------------------------------------------------------------------------------------------------


@given(values)
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_equal_values_are_equal_files(tmp_path: Path) -> None:
    write_json(tmp_path / "one.json", {"b": [1, {"y": "ü", "x": None}], "a": 0.1})
    write_json(tmp_path / "two.json", {"a": 0.1, "b": [1, {"x": None, "y": "ü"}]})
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert "ü" in (tmp_path / "one.json").read_text(encoding="utf-8")


def test_a_value_that_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", 1)
    for value in (float("nan"), float("inf"), Path("x")):
        with pytest.raises((ValueError, TypeError)):
            write_json(tmp_path / "value.json", {"value": value})
    assert read_json(tmp_path / "value.json") == 1
    assert entries(tmp_path) == ["value.json"]


def test_json_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"half":')
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"absent\.json: no such file"):
        read_json(tmp_path / "absent.json")
    for name in ("broken.json", "binary.json", "."):
        with pytest.raises(UserError, match="cannot be read as JSON"):
            read_json(tmp_path / name)


# --- hashes ------------------------------------------------------------------------------------------------


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "data").write_bytes(data)
    assert sha256(tmp_path / "data") == hashlib.sha256(data).hexdigest()


# --- what lies in the place of a file ----------------------------------------------------------------------

PRETENDERS = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 33388736\n",
    "a web page": b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<html><title>Not found</title></html>\n",
    "empty": b"",
}


@pytest.mark.parametrize("kind", PRETENDERS)
def test_what_lies_in_the_place_of_a_file_is_named(kind: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(PRETENDERS[kind])
    assert f"is {kind}" in str(what_it_is(tmp_path / "weights.pth"))


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"version 2\n", b"a <html> b", bytes(4096)])
def test_any_other_file_is_left_to_who_reads_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    assert what_it_is(tmp_path / "data") is None


def test_of_what_lies_in_the_place_of_a_file_the_hash_is_not_told(tmp_path: Path) -> None:
    page = tmp_path / "archive.tar.gz"
    page.write_text("<!DOCTYPE html><title>Sign in</title>", encoding="utf-8")
    with pytest.raises(UserError, match=r"archive\.tar\.gz: is a web page, not the file itself"):
        verify_sha256(page, "0" * 64)
