"""`import_lmdb`, run as a user runs it: a copy and its record, or one clear line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from crnn.core.errors import UserError
from crnn.core.files import sha256
from crnn.data.lmdb import Words, write_words
from crnn.data.sources.soundness import import_words
from examples import png, put_words, scribble

IMAGE = png(scribble(60, 20))
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
    write_words(tmp_path / "source", [(IMAGE, "1"), (IMAGE, "2")])
    result = import_lmdb(tmp_path / "source", tmp_path / "words.lmdb")
    assert result.returncode == 0, result.stderr
    with Words(tmp_path / "words.lmdb") as words:
        assert [word.label for word in words] == [b"1", b"2"]
    record = json.loads((tmp_path / "words.json").read_text())
    assert record["results"] == {"words": 2, "other_keys": []}
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
    assert_one_line(import_lmdb(tmp_path / "source", tmp_path / "out"), "source: data.mdb is cut off or damaged")


def test_a_file_that_lacks_only_free_pages_is_copied(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "source"), map_size=1 << 24) as environment:
        for key, value in {b"num-samples": b"1", b"image-000000001": IMAGE, b"label-000000001": b"1"}.items():
            with environment.begin(write=True) as transaction:
                transaction.put(key, value)
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
    write_words(tmp_path / "source", [(IMAGE, "1")])
    (tmp_path / "source" / "data.mdb").chmod(0o000)
    result = import_lmdb(tmp_path / "source", tmp_path / "out", through=without_rootly_powers())
    assert_one_line(result, "data.mdb: no permission to read it")


# --- an LMDB is held against itself ------------------------------------------------------------------------


def refused(source: Path) -> str:
    """What is said of an LMDB that is not imported; nothing is left of the try."""
    output = source.with_name("words.lmdb")
    with pytest.raises(UserError) as raised:
        import_words(source, output)
    assert {path.name for path in source.parent.iterdir()} <= {source.name, output.name}
    assert list(output.glob("*")) == []
    return str(raised.value)


def add(source: Path, **values: bytes) -> Path:
    with lmdb.open(str(source), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key.encode(), value)
    return source


def words_of(directory: Path, count: int = 2, stored: int | None = None) -> Path:
    indices = range(1, (stored or count) + 1)
    return put_words(directory, count, dict.fromkeys(indices, IMAGE), dict.fromkeys(indices, b"word"))


@pytest.mark.parametrize(
    ("key", "count"), [("image-000000003", 2), ("label-000000003", 2), ("image-000000000", 2), ("image-00001", 2)]
)
def test_a_record_that_the_count_leaves_out_is_an_error(tmp_path: Path, key: str, count: int) -> None:
    said = refused(add(words_of(tmp_path / "source", count), **{key: IMAGE}))
    assert f"stores {key}, which 'num-samples' leaves out" in said


def test_keys_of_other_tools_are_copied_and_named_once_for_each_kind(tmp_path: Path) -> None:
    lexica = {f"lexicon-{number:09d}": b"a,b" for number in (1, 2)}
    source = add(words_of(tmp_path / "source"), **lexica, **{"dataset": b"mine", "wordbox-000000001": b"0 0 1 1"})
    found = import_words(source, tmp_path / "words.lmdb")
    assert found.words == 2
    assert found.other_keys == ["dataset", "lexicon-000000001", "wordbox-000000001"]


def test_images_under_other_keys_are_named(tmp_path: Path) -> None:
    source = put_words(tmp_path / "source", 1, {}, {1: b"word"})
    said = refused(add(source, **{"image_hr-000000001": IMAGE, "image_lr-000000001": IMAGE}))
    assert "not one of 1 images can be read; no key image-000000001 … is stored" in said
    assert said.endswith("Other keys: image_hr-000000001, image_lr-000000001")


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (str(IMAGE).encode(), "the text that Python prints of bytes"),
        (b"crop/word_1.png", "crop/word_1.png"),
        (bytes(scribble(60, 20)), "image-000000001 begins with"),
    ],
    ids=["text of bytes", "path", "bare pixels"],
)
def test_not_one_image_is_an_error_that_says_what_is_there(tmp_path: Path, image: bytes, found: str) -> None:
    said = refused(put_words(tmp_path / "source", 2, {1: image, 2: image}, {1: b"one", 2: b"two"}))
    assert "not one of 2 images can be read" in said
    assert found in said


@pytest.mark.parametrize("label", ["价格".encode("gbk"), "Öl".encode("latin-1"), "word".encode("utf-16"), b"b'word'"])
def test_not_one_label_is_an_error_that_says_what_is_there(tmp_path: Path, label: bytes) -> None:
    said = refused(put_words(tmp_path / "source", 2, {1: IMAGE, 2: IMAGE}, {1: label, 2: label}))
    assert "not one of 2 labels is UTF-8 text; label-000000001 begins with" in said


def test_one_good_word_among_bad_ones_is_imported_for_the_others_are_counted(tmp_path: Path) -> None:
    source = put_words(tmp_path / "source", 3, {1: b"", 2: b"no image", 3: IMAGE}, {1: b"b'x'", 2: b"\xff", 3: b"word"})
    assert import_words(source, tmp_path / "words.lmdb").words == 3


def test_what_lies_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/data.mdb").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "source/data.mdb: is a Git LFS pointer" in refused(tmp_path / "source")


def test_a_damaged_page_is_one_line_even_where_it_ends_a_process(tmp_path: Path) -> None:
    source = words_of(tmp_path / "source", 40)
    data = source / "data.mdb"
    content = bytearray(data.read_bytes())
    for place in range(2 * 4096, len(content), 4096):
        content[place + 16 : place + 200] = b"\xff" * 184  # where nodes lie on the page, and the nodes
    data.write_bytes(content)
    assert "damaged" in refused(source)
