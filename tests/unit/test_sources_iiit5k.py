"""Words from IIIT5K's own archive, which is imitated: no image of the real one is used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crnn.core.errors import UserError
from crnn.core.files import sha256
from crnn.data.lmdb import Words
from crnn.data.sources.iiit5k import read_iiit5k
from iiit5k_archive import TEST, TRAIN, ground_truth, image, members, pack

STAGE = (Path(__file__).parents[2] / "workflow" / "stage.py", "import_iiit5k")


def test_words_keep_the_order_of_the_ground_truth_their_bytes_and_their_case(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive.tar.gz", members())
    assert read_iiit5k(archive, "test") == [(image(name), text) for name, text in TEST]


def test_the_train_split_and_an_empty_text(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive.tar.gz", members())
    assert read_iiit5k(archive, "train") == [(image(name), text) for name, text in TRAIN]


def test_a_ground_truth_of_one_entry(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive.tar.gz", members(TEST[:1]))
    assert read_iiit5k(archive, "test") == [(image(TEST[0][0]), "PRIVATE")]


def test_names_may_begin_with_a_dot(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive.tar.gz", {f"./{name}": content for name, content in members().items()})
    assert len(read_iiit5k(archive, "test")) == len(TEST)


def test_nothing_is_extracted(tmp_path: Path) -> None:
    files = members() | {"../escaped.png": b"x", "/tmp/escaped.png": b"x"}
    read_iiit5k(pack(tmp_path / "archive.tar.gz", files), "test")
    assert [path.name for path in tmp_path.iterdir()] == ["archive.tar.gz"]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"IIIT5K/testdata.mat": None}, r"holds no IIIT5K/testdata\.mat"),
        ({"IIIT5K/test/1009_1.png": None}, r"lacks 1 images .* first IIIT5K/test/1009_1\.png"),
        ({"IIIT5K/testdata.mat": b"not a MATLAB file" * 20}, "is not the IIIT5K ground truth"),
        ({"IIIT5K/testdata.mat": b""}, "is not the IIIT5K ground truth"),
        ({"IIIT5K/testdata.mat": ground_truth("other", TEST)}, "is not the IIIT5K ground truth"),
    ],
)
def test_an_archive_that_lacks_something_is_refused(
    tmp_path: Path, changed: dict[str, bytes | None], complaint: str
) -> None:
    files = {name: content for name, content in (members() | changed).items() if content is not None}
    with pytest.raises(UserError, match=complaint):
        read_iiit5k(pack(tmp_path / "archive.tar.gz", files), "test")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive.tar.gz", members())
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match="cannot be read as a tar archive"):
        read_iiit5k(archive, "test")


# --- the stage ---------------------------------------------------------------------------------------------


def import_iiit5k(archive: Path, digest: str, output: Path) -> subprocess.CompletedProcess[str]:
    options: list[str | Path] = ["--archive", archive, "--split", "test", "--sha256", digest]
    places: list[str | Path] = ["--output", output, "--record", output.with_suffix(".json")]
    return subprocess.run([sys.executable, *STAGE, *options, *places], capture_output=True, text=True, check=False)


def test_the_stage_writes_the_words_and_a_record(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive.tar.gz", members())
    result = import_iiit5k(archive, sha256(archive).upper(), tmp_path / "words.lmdb")
    assert result.returncode == 0, result.stderr
    with Words(tmp_path / "words.lmdb") as words:
        assert [word.label for word in words] == [text.encode() for _, text in TEST]
    record = json.loads((tmp_path / "words.json").read_text())
    assert record["results"] == {"words": 3}
    assert record["inputs"][str(archive)]["sha256"] == sha256(archive)


def test_another_archive_is_refused_with_both_hashes(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive.tar.gz", members())
    result = import_iiit5k(archive, "ab" * 32, tmp_path / "words.lmdb")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert f"sha256 is {sha256(archive)}, expected {'ab' * 32}" in line
    assert not (tmp_path / "words.lmdb").exists()


def test_a_missing_archive_is_one_line(tmp_path: Path) -> None:
    result = import_iiit5k(tmp_path / "absent.tar.gz", "ab" * 32, tmp_path / "words.lmdb")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "absent.tar.gz: cannot be read (No such file or directory)" in line
