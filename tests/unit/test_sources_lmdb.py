"""`import_lmdb`, run as a user runs it: a copy and its record, or one clear line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from crnn.core.files import sha256
from crnn.data.lmdb import Words, write_words

STAGE = (Path(__file__).parents[2] / "workflow" / "stage.py", "import_lmdb")


def import_lmdb(source: Path, output: Path, *, through: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    record = output.with_suffix(".json")
    options: list[str | Path] = ["--source", source, "--output", output, "--record", record]
    return subprocess.run([*through, sys.executable, *STAGE, *options], capture_output=True, text=True, check=False)


def assert_one_line(result: subprocess.CompletedProcess[str], says: str) -> None:
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line


def test_the_copy_has_the_words_and_a_record(tmp_path: Path) -> None:
    write_words(tmp_path / "source", [(b"one", "1"), (b"two", "2")])
    result = import_lmdb(tmp_path / "source", tmp_path / "words.lmdb")
    assert result.returncode == 0, result.stderr
    with Words(tmp_path / "words.lmdb") as words:
        assert [word.label for word in words] == [b"1", b"2"]
    record = json.loads((tmp_path / "words.json").read_text())
    assert record["results"] == {"words": 2}
    data = tmp_path / "words.lmdb" / "data.mdb"
    assert record["outputs"][str(data)]["sha256"] == sha256(data)


def test_a_missing_path_is_one_line(tmp_path: Path) -> None:
    assert_one_line(import_lmdb(tmp_path / "absent", tmp_path / "out"), "absent: is not an LMDB folder")


def test_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    assert_one_line(import_lmdb(tmp_path / "file", tmp_path / "out"), "file: is a file")


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_one_line(import_lmdb(tmp_path / "empty", tmp_path / "out"), "no data.mdb in it")


def test_a_garbage_data_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"garbage" * 2000)
    assert_one_line(import_lmdb(tmp_path, tmp_path / "out"), "is not a readable LMDB")


def test_an_lmdb_without_keys_is_one_line(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "source")) as environment, environment.begin(write=True):
        pass
    assert_one_line(import_lmdb(tmp_path / "source", tmp_path / "out"), "holds no key 'num-samples'")


def test_an_lmdb_of_no_samples_is_one_line(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "source")) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"num-samples", b"0")
    assert_one_line(import_lmdb(tmp_path / "source", tmp_path / "out"), "'num-samples' is 0")


def test_a_data_file_that_is_cut_off_is_one_line(tmp_path: Path) -> None:
    write_words(tmp_path / "source", [(bytes(10_000), str(number)) for number in range(100)])
    data = tmp_path / "source" / "data.mdb"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    assert_one_line(import_lmdb(tmp_path / "source", tmp_path / "out"), "source: data.mdb is cut off")


def test_a_file_that_lacks_only_free_pages_is_copied(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "source"), map_size=1 << 24) as environment:
        for key in (b"num-samples", b"image-000000001", b"label-000000001"):
            with environment.begin(write=True) as transaction:
                transaction.put(key, b"1")
        with environment.begin(write=True) as transaction:
            transaction.put(b"image-000000002", bytes(500_000))
            transaction.delete(b"image-000000002")
        promised = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    assert (tmp_path / "source" / "data.mdb").stat().st_size < promised
    result = import_lmdb(tmp_path / "source", tmp_path / "out")
    assert result.returncode == 0, result.stderr


def without_rootly_powers() -> tuple[str, ...]:
    """A command prefix under which file permissions bind even root; skips the test where there is none."""
    if os.geteuid() != 0:
        return ()
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    if shutil.which("setpriv") is None or subprocess.run([*prefix, "true"], check=False).returncode != 0:
        pytest.skip("root reads every file here, and setpriv cannot take that away")
    return prefix


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    write_words(tmp_path / "source", [(b"one", "1")])
    (tmp_path / "source" / "data.mdb").chmod(0o000)
    result = import_lmdb(tmp_path / "source", tmp_path / "out", through=without_rootly_powers())
    assert_one_line(result, "data.mdb: no permission to read it")
