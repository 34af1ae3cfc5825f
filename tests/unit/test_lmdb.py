"""The LMDB of words: what goes in comes out, other tools can read it, and faults come back as facts."""

import tempfile
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.data.lmdb import MOST_LOST_RECORDS, Word, Words, compact_copy, write_words

PAIRS = [(b"first image", "Alpha"), (b"second image", "grün"), (b"", "empty image"), (b"fourth image", "")]


def put(directory: Path, records: dict[bytes, bytes]) -> Path:
    """Write keys and values as any other tool would."""
    with lmdb.open(str(directory), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key, value)
    return directory


def read_all(directory: Path) -> list[Word]:
    with Words(directory) as words:
        return list(words)


# --- writing and reading -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=5000), st.text()), min_size=1, max_size=20))
def test_any_bytes_and_any_text_come_back(pairs: list[tuple[bytes, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "words.lmdb"
        assert write_words(directory, pairs) == len(pairs)
        assert [(word.image, word.label) for word in read_all(directory)] == [(i, t.encode()) for i, t in pairs]


def test_keys_are_those_that_other_tools_expect(tmp_path: Path) -> None:
    write_words(tmp_path / "words.lmdb", PAIRS[:2])
    with lmdb.open(str(tmp_path / "words.lmdb"), readonly=True, lock=False) as environment:
        stored = {bytes(key): bytes(value) for key, value in environment.begin().cursor()}
    assert stored == {
        b"num-samples": b"2",
        b"image-000000001": b"first image",
        b"label-000000001": b"Alpha",
        b"image-000000002": b"second image",
        b"label-000000002": "grün".encode(),
    }


def test_equal_words_make_an_equal_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_words(tmp_path / name, iter(PAIRS))
    assert (tmp_path / "one" / "data.mdb").read_bytes() == (tmp_path / "two" / "data.mdb").read_bytes()


def test_indices_run_from_1_to_the_count(tmp_path: Path) -> None:
    write_words(tmp_path / "words.lmdb", PAIRS)
    with Words(tmp_path / "words.lmdb") as words:
        assert len(words) == 4
        assert words[1].label == b"Alpha"
        assert [word.key for word in words][-1] == "image-000000004"
        for outside in (0, 5, -1):
            with pytest.raises(IndexError):
                words[outside]


def test_no_words_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no words to write"):
        write_words(tmp_path / "words.lmdb", [])
    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_leaves_the_former_words(tmp_path: Path) -> None:
    def fails_on_the_second() -> object:
        yield PAIRS[0]
        raise UserError("source broke")

    write_words(tmp_path / "words.lmdb", PAIRS)
    with pytest.raises(UserError, match="source broke"):
        write_words(tmp_path / "words.lmdb", fails_on_the_second())  # type: ignore[arg-type]
    assert len(read_all(tmp_path / "words.lmdb")) == len(PAIRS)
    assert [path.name for path in tmp_path.iterdir()] == ["words.lmdb"]


# --- copying -----------------------------------------------------------------------------------------------


def copied(source: Path, directory: Path) -> Path:
    directory.mkdir()
    compact_copy(source, directory)
    return directory


def test_a_copy_holds_every_record_as_it_was(tmp_path: Path) -> None:
    source = put(tmp_path / "source", {b"num-samples": b"2", b"image-000000002": b"x", b"extra": b"kept"})
    copy = copied(source, tmp_path / "copy")
    assert len(read_all(copy)) == 2
    assert read_all(tmp_path / "copy") == read_all(source)
    with lmdb.open(str(tmp_path / "copy"), readonly=True, lock=False) as environment:
        assert environment.begin().get(b"extra") == b"kept"


def test_a_copy_leaves_out_freed_pages(tmp_path: Path) -> None:
    source = put(tmp_path / "source", {b"num-samples": b"1", b"image-000000001": b"x", b"junk": bytes(500_000)})
    with lmdb.open(str(source), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        transaction.delete(b"junk")
    copied(source, tmp_path / "copy")
    assert (source / "data.mdb").stat().st_size > 500_000
    assert (tmp_path / "copy" / "data.mdb").stat().st_size < 50_000


def test_words_replace_earlier_ones(tmp_path: Path) -> None:
    write_words(tmp_path / "words.lmdb", PAIRS)
    write_words(tmp_path / "words.lmdb", PAIRS[:1])
    assert read_all(tmp_path / "words.lmdb") == [Word(1, b"first image", b"Alpha")]


# --- faulty records are read -------------------------------------------------------------------------------


def test_absent_keys_are_none_and_empty_values_are_empty(tmp_path: Path) -> None:
    records = {b"num-samples": b"3", b"image-000000001": b"", b"label-000000001": b"", b"image-000000002": b"x"}
    assert read_all(put(tmp_path / "words", records)) == [Word(1, b"", b""), Word(2, b"x", None), Word(3, None, None)]


def test_more_samples_promised_than_stored_are_read_as_absent(tmp_path: Path) -> None:
    put(tmp_path / "words", {b"num-samples": b"1000", b"image-000000001": b"x", b"label-000000001": b"y"})
    words = read_all(tmp_path / "words")
    assert len(words) == 1000
    assert {(word.image, word.label) for word in words[1:]} == {(None, None)}


def test_a_label_that_is_not_utf8_comes_back_as_its_bytes(tmp_path: Path) -> None:
    put(tmp_path / "words", {b"num-samples": b"1", b"label-000000001": b"\xff\xfe"})
    assert read_all(tmp_path / "words") == [Word(1, None, b"\xff\xfe")]


# --- what is no LMDB of words is refused in words ----------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        (b"0", "'num-samples' is 0"),
        (b"many", "'num-samples' is 'many'; expected a number"),
        (b"-3", "'num-samples' is '-3'; expected a number"),
        (b"", "'num-samples' is ''; expected a number"),
        (b"\xff", "expected a number"),
        (b"%d" % (2 * MOST_LOST_RECORDS), "only 1 records are stored"),
        (b"999999999999999", "only 1 records are stored"),
    ],
)
def test_a_count_that_cannot_be_is_refused(tmp_path: Path, count: bytes, complaint: str) -> None:
    put(tmp_path / "words", {b"num-samples": count})
    with pytest.raises(UserError, match=complaint):
        Words(tmp_path / "words")


def test_an_lmdb_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no key 'num-samples'"):
        Words(put(tmp_path / "words", {}))


@pytest.mark.parametrize(
    "content",
    [b"garbage", bytes(65536), b"\xde\xc0\xef\xbe" * 4096],
    ids=["garbage", "zeros", "magic alone"],
)
def test_a_data_file_that_is_no_lmdb_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(UserError, match=r"is not a readable LMDB|holds no key"):
        Words(tmp_path)


def test_a_missing_folder_a_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for name, complaint in {"absent": "no data.mdb", "file": "is a file", "empty": "no data.mdb"}.items():
        with pytest.raises(UserError, match=complaint):
            Words(tmp_path / name)
