"""Parts: every word is in exactly one, and reading them in order is reading the whole."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.core.files import read_json
from crnn.data.parts import WHOLE, Part
from crnn.data.tensors import TensorSet, make_tensors, write_recipe_layout
from crnn.inference.predict import predict
from examples import ASPECT, POLICY, PixelReader, png, put_words, reader_of, scribble


def parts_of(count: int) -> list[Part]:
    return [Part(number, count) for number in range(1, count + 1)]


def make_parts(words: Path, directory: Path, count: int) -> list[Path]:
    """Prepare an LMDB in `count` parts; return their folders."""
    folders = [directory / str(part.number) for part in parts_of(count)]
    for part, folder in zip(parts_of(count), folders, strict=True):
        make_tensors(words, folder, ASPECT, POLICY, part=part)
    return folders


def by_word(tensors: TensorSet) -> dict[int, bytes]:
    """The bytes of every word's tensor."""
    return {
        index: image.tobytes()
        for indices, images in tensors.batches(4)
        for index, image in zip(indices, images, strict=True)
    }


# --- which words -------------------------------------------------------------------------------------------


@given(st.integers(0, 3000), st.integers(1, 100))
def test_parts_hold_every_word_once_and_in_order(count: int, of: int) -> None:
    parts = [part.indices(count) for part in parts_of(of)]
    assert [index for part in parts for index in part] == list(range(1, count + 1))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_part_ends_where_its_share_of_the_words_does() -> None:
    assert [part.indices(10) for part in parts_of(3)] == [range(1, 4), range(4, 7), range(7, 11)]
    assert WHOLE.indices(10) == range(1, 11)


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_text_of_a_part_names_it(number: int, more: int) -> None:
    part = Part(number, number + more)
    assert Part.from_text(str(part)) == part


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "2/", "1/0", "-1/3", "2/3/4", "a/b", ""])
def test_a_text_that_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected its number and how many there are, such as 2/3"):
        Part.from_text(text)


# --- reading parts as one ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["healthy", "faulty"])
@pytest.mark.parametrize("count", [1, 3, 12, 20])
def test_parts_are_read_as_the_whole(dataset: str, count: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = request.getfixturevalue(dataset)
    make_tensors(words, tmp_path / "whole", ASPECT, POLICY)
    whole = TensorSet(tmp_path / "whole", ASPECT)
    parts = TensorSet(make_parts(words, tmp_path, count), ASPECT)
    assert parts.samples.drop("row").equals(whole.samples.drop("row"))
    assert parts.samples.schema == whole.samples.schema
    assert by_word(parts) == by_word(whole)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=9), st.integers(1, 5), st.integers(1, 4))
def test_batches_stay_within_a_part_and_hold_each_word_once(widths: list[int], count: int, size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        images = {index: png(scribble(width, 20, seed=index)) for index, width in enumerate(widths, 1)}
        words = put_words(Path(name) / "words", len(images), images, {})
        tensors = TensorSet(make_parts(words, Path(name), count), ASPECT)
        part_of = {index: part for part in parts_of(count) for index in part.indices(len(images))}
        seen = [indices for indices, _ in tensors.batches(size)]
    assert all(len(indices) <= size and len({part_of[index] for index in indices}) == 1 for indices in seen)
    assert sorted(index for indices in seen for index in indices) == sorted(images)


def test_rows_count_within_the_file_of_a_part(healthy: Path, tmp_path: Path) -> None:
    for folder in make_parts(healthy, tmp_path, 3):
        samples = pl.read_parquet(folder / "samples.parquet")
        for width, rows in samples.group_by("tensor_width").agg("row").iter_rows():
            assert rows == list(range(len(np.load(folder / f"w{width}.npy"))))


@pytest.mark.parametrize("limit", [0, 1, 4, 5, 12, 99])
def test_a_limit_counts_over_all_parts(healthy: Path, tmp_path: Path, limit: int) -> None:
    tensors = TensorSet(make_parts(healthy, tmp_path, 3), ASPECT)
    read = sorted(index for indices, _ in tensors.batches(2, limit) for index in indices)
    assert read == list(range(1, min(limit, 12) + 1))


def test_every_part_says_which_it_is(healthy: Path, tmp_path: Path) -> None:
    contracts = [read_json(folder / "contract.json") for folder in make_parts(healthy, tmp_path, 3)]
    assert [(contract["part"], contract["samples"]) for contract in contracts] == [("1/3", 4), ("2/3", 4), ("3/3", 4)]


@pytest.mark.parametrize("batch", [1, 4])
def test_what_is_read_of_parts_is_what_is_read_of_the_whole(healthy: Path, tmp_path: Path, batch: int) -> None:
    def read(tensors: TensorSet) -> pl.DataFrame:
        return predict(tensors, reader_of(PixelReader(), batch))

    make_tensors(healthy, tmp_path / "whole", ASPECT, POLICY)
    whole = read(TensorSet(tmp_path / "whole", ASPECT))
    folders = make_parts(healthy, tmp_path, 5)
    assert read(TensorSet(folders, ASPECT)).equals(whole)
    assert pl.concat(read(TensorSet(folder, ASPECT)) for folder in folders).equals(whole)


def test_the_recipe_layout_of_parts_is_that_of_the_whole(faulty: Path, tmp_path: Path) -> None:
    def written(folders: Path | list[Path], output: Path) -> tuple[list[str], str, dict[str, bytes]]:
        left_out = write_recipe_layout(TensorSet(folders, ASPECT), output)
        tensors = {path.name: np.load(path).tobytes() for path in output.glob("*.npy")}
        return left_out, (output / "label.txt").read_text(), tensors

    make_tensors(faulty, tmp_path / "whole", ASPECT, POLICY)
    folders = make_parts(faulty, tmp_path, 3)
    assert written(folders, tmp_path / "one") == written(tmp_path / "whole", tmp_path / "other")


# --- parts that are not what they should be ----------------------------------------------------------------


def test_a_reader_of_the_first_words_hashes_the_first_part_alone(healthy: Path, tmp_path: Path) -> None:
    folders = make_parts(healthy, tmp_path, 3)
    altered = min(folders[1].glob("w*.npy"))
    altered.write_bytes(altered.read_bytes()[:-1] + b"\xff")
    tensors = TensorSet(folders, ASPECT)
    assert sorted(index for indices, _ in tensors.batches(2, limit=4) for index in indices) == [1, 2, 3, 4]
    remedy = f"delete {altered.parent}/contract.json and run again"
    with pytest.raises(UserError, match=rf"{altered}: is not the file that contract.json lists; {remedy}"):
        next(tensors.batches(2, limit=12))


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2], [0, 1, 1, 2]], ids=["out of order", "missing", "twice"])
def test_parts_that_do_not_follow_one_another_are_refused(healthy: Path, tmp_path: Path, order: list[int]) -> None:
    folders = make_parts(healthy, tmp_path, 3)
    with pytest.raises(UserError, match="do not hold words one after the other; name the parts of a dataset in order"):
        TensorSet([folders[place] for place in order], ASPECT)
