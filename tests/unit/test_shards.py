"""Shards: every word is in exactly one, and what is joined equals what was never split."""

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crnn.core.errors import UserError
from crnn.core.files import read_json, write_json
from crnn.core.record import Record
from crnn.data.buckets import at_most
from crnn.data.lmdb import Words
from crnn.data.shards import (
    Shard,
    ShardFolder,
    join_tables,
    open_shards,
    plan,
    read_plan,
    remove_other_shards,
    split,
)
from crnn.data.tensors import SHARDS, TensorSet, make_tensors, merge_tensors
from crnn.inference.predict import predict
from examples import ASPECT, CHARSET, FIXED, POLICY, PixelReader, healthy_words, put_words

RECORD = "tensors.json"


def call(stage: str, /, **options: object) -> None:
    """Run a stage's main in this process, with its own arguments parsed as from a command line."""
    module = importlib.import_module(stage)
    module.main(module.arguments().parse_args([f"--{name}={value}" for name, value in options.items()]))


def record_of(folder: Path, name: str, *tables: str, **results: Any) -> None:
    """Leave the record that a stage leaves of the tables of a folder."""
    record = Record("a stage", inputs=[], parameters={}, tools=(), results=results)
    record.write(folder / name, [folder / table for table in tables])


def make_plan(words: Path, directory: Path, size: int) -> Path:
    call("plan_shards", words=words, size=size, output=directory / "shards.json")
    return directory / "shards.json"


def make_shards(words: Path, directory: Path, size: int) -> list[ShardFolder]:
    """Split an LMDB and prepare every shard in `directory`."""
    plan_file = make_plan(words, directory, size)
    for shard in read_plan(plan_file):
        folder = directory / SHARDS / shard.name
        make_tensors(words, folder, ASPECT, POLICY, shard=shard)
        record_of(folder, RECORD, "samples.parquet", "contract.json", samples=len(shard.indices))
    return open_shards(plan_file, directory / SHARDS, RECORD)


@pytest.fixture
def made(healthy: Path, tmp_path: Path) -> list[ShardFolder]:
    """The twelve healthy words in shards of five."""
    return make_shards(healthy, tmp_path, 5)


# --- splitting ---------------------------------------------------------------------------------------------


@given(st.integers(1, 3000), st.integers(1, 700))
def test_shards_hold_every_word_once_and_in_order(count: int, size: int) -> None:
    shards = split(count, size)
    assert [index for shard in shards for index in shard.indices] == list(range(1, count + 1))
    assert all(len(shard.indices) == size for shard in shards[:-1])


@given(st.integers(1, 10**12), st.integers(0, 10**6))
def test_a_name_tells_the_words(first: int, more: int) -> None:
    shard = Shard(first, first + more)
    assert Shard.from_name(shard.name) == shard


def test_a_shard_is_named_as_lmdb_keys_are_numbered() -> None:
    assert [shard.name for shard in split(12, 5)] == [
        "000000001-000000005",
        "000000006-000000010",
        "000000011-000000012",
    ]


@pytest.mark.parametrize("name", ["1-5", "000000005-000000001", "000000000-000000001", "shards", "../../etc"])
def test_a_name_that_is_no_shards_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"expected its first and last word, such as 000000001-000100000"):
        Shard.from_name(name)


def test_a_plan_counts_the_words_and_has_a_digest_of_each_shard(healthy: Path, tmp_path: Path) -> None:
    content = read_json(make_plan(healthy, tmp_path, 5))
    assert (content["words"], content["shard_words"]) == (12, 5)
    assert list(content["shards"]) == [shard.name for shard in split(12, 5)]
    assert len(set(content["shards"].values())) == 3


def test_a_plan_with_a_gap_is_refused(healthy: Path, tmp_path: Path) -> None:
    file = make_plan(healthy, tmp_path, 5)
    content = read_json(file)
    del content["shards"]["000000006-000000010"]
    write_json(file, content)
    with pytest.raises(UserError, match=r"shards.json: its shards are not words 1 to 12 in order; delete it"):
        read_plan(file)


def digests(tmp_path: Path, name: str, images: dict[int, bytes], labels: dict[int, bytes]) -> list[str]:
    with Words(put_words(tmp_path / name, 4, images, labels)) as words:
        return list(plan(words, 2)["shards"].values())


def test_a_changed_word_changes_the_digest_of_its_shard_alone(tmp_path: Path) -> None:
    images, labels = dict.fromkeys(range(1, 5), b"image"), dict.fromkeys(range(1, 5), b"label")
    before = digests(tmp_path, "before", images, labels)
    assert digests(tmp_path, "same", images, labels) == before
    for name, changed in (("image", ({**images, 3: b"imagf"}, labels)), ("label", (images, {**labels, 4: b""}))):
        after = digests(tmp_path, name, *changed)
        assert after[0] == before[0]
        assert after[1] != before[1]


def test_digests_tell_absent_from_empty_and_where_an_image_ends(tmp_path: Path) -> None:
    ways: list[tuple[dict[int, bytes], dict[int, bytes]]] = [
        ({}, {1: b"ab"}),
        ({1: b""}, {1: b"ab"}),
        ({1: b"a"}, {1: b"b"}),
        ({1: b"ab"}, {1: b""}),
        ({1: b"ab"}, {}),
    ]
    assert len({digests(tmp_path, str(number), *way)[0] for number, way in enumerate(ways)}) == len(ways)


# --- joining tensors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["healthy", "faulty"])
@pytest.mark.parametrize("size", [1, 5, 12, 99])
def test_joined_tensors_are_those_of_the_whole(
    dataset: str, size: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words = request.getfixturevalue(dataset)
    make_tensors(words, tmp_path / "whole", ASPECT, POLICY)
    merge_tensors(make_shards(words, tmp_path / "parts", size), tmp_path / "parts")
    assert (tmp_path / "parts/samples.parquet").read_bytes() == (tmp_path / "whole/samples.parquet").read_bytes()

    whole, parts = TensorSet(tmp_path / "whole", ASPECT), TensorSet(tmp_path / "parts", ASPECT)
    assert {**parts.contract, "files": None} == {**whole.contract, "files": None}
    for expected, found in zip(whole.batches(4), parts.batches(4), strict=True):
        assert found[0] == expected[0]
        np.testing.assert_array_equal(found[1], expected[1])


def test_no_tensor_is_copied(made: list[ShardFolder], tmp_path: Path) -> None:
    merge_tensors(made, tmp_path)
    assert list(tmp_path.glob("w*.npy")) == []
    assert {(tmp_path / name).is_file() for name in TensorSet(tmp_path, ASPECT).contract["files"]} == {True}


@pytest.mark.parametrize("dataset", ["healthy", "faulty"])
def test_tensors_in_shards_can_be_written_as_the_whole(
    dataset: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words = request.getfixturevalue(dataset)
    make_tensors(words, tmp_path / "whole", ASPECT, POLICY)
    merge_tensors(make_shards(words, tmp_path / "parts", 5), tmp_path / "parts")
    paths = {"tensors": tmp_path / "parts", "output": tmp_path / "written"}
    call("write_whole_tensors", **paths, widths='{"rule": "aspect"}')
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "written" / path.name).read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "written").iterdir())) == len(list((tmp_path / "whole").iterdir()))


def test_joining_leaves_no_tensors_of_a_dataset_in_one_piece(healthy: Path, tmp_path: Path) -> None:
    make_tensors(healthy, tmp_path, FIXED, POLICY)
    merge_tensors(make_shards(healthy, tmp_path, 5), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"shards", "shards.json", "samples.parquet", "contract.json"}


def test_a_dataset_in_one_piece_leaves_no_shards(healthy: Path, made: list[ShardFolder], tmp_path: Path) -> None:
    merge_tensors(made, tmp_path)
    make_tensors(healthy, tmp_path, FIXED, POLICY)
    assert not (tmp_path / SHARDS).exists()


def test_folders_of_another_split_are_removed_and_no_others(healthy: Path, tmp_path: Path) -> None:
    make_shards(healthy, tmp_path, 4)
    make_shards(healthy, tmp_path, 6)
    (tmp_path / SHARDS / "notes").mkdir()
    remove_other_shards(tmp_path / "shards.json", tmp_path / SHARDS)
    left = sorted(path.name for path in (tmp_path / SHARDS).iterdir())
    assert left == [*(shard.name for shard in split(12, 6)), "notes"]


def test_who_reads_the_first_words_hashes_the_first_shard_alone(made: list[ShardFolder], tmp_path: Path) -> None:
    merge_tensors(made, tmp_path)
    altered = min(made[1].path.glob("w*.npy"))
    data = bytearray(altered.read_bytes())
    data[-1] ^= 1
    altered.write_bytes(data)
    tensors = TensorSet(tmp_path, ASPECT)
    assert sorted(index for indices, _ in tensors.batches(2, limit=5) for index in indices) == [1, 2, 3, 4, 5]
    remedy = f"delete {altered.parent}/contract.json and {tmp_path}/contract.json and run again"
    with pytest.raises(UserError, match=rf"{altered}: is not the file that contract.json lists; {remedy}"):
        next(tensors.batches(2, limit=12))


def test_a_shard_beyond_the_words_is_refused(healthy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has 12 words, so shard 000000011-000000013 is not of it"):
        make_tensors(healthy, tmp_path / "t", ASPECT, POLICY, shard=Shard(11, 13))


# --- joining texts -----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.none() | st.text(max_size=5), st.none() | st.floats(0, 1)), min_size=1), st.integers(1, 9))
def test_joining_undoes_splitting(rows: list[tuple[str | None, float | None]], size: int) -> None:
    texts, confidences = zip(*rows, strict=True)
    schema = {"index": pl.Int64, "text": pl.String, "confidence": pl.Float64}
    table = pl.DataFrame([range(1, len(rows) + 1), texts, confidences], schema=schema)
    parts = [table.filter(pl.col("index").is_between(s.first, s.last)) for s in split(len(rows), size)]
    assert join_tables(parts).equals(table)


@pytest.mark.parametrize("batch", [1, 4])
def test_joined_predictions_are_those_of_the_whole(healthy: Path, tmp_path: Path, batch: int) -> None:
    make_tensors(healthy, tmp_path / "whole", ASPECT, POLICY)
    expected = predict(TensorSet(tmp_path / "whole", ASPECT), PixelReader(), CHARSET, at_most(batch))
    expected.write_parquet(tmp_path / "expected.parquet")
    for shard in make_shards(healthy, tmp_path, 5):
        read = predict(TensorSet(shard.path, ASPECT), PixelReader(), CHARSET, at_most(batch))
        read.write_parquet(shard.path / "predictions.parquet")
        record_of(shard.path, "predictions.json", "predictions.parquet", runtime={"device": "columns"})
    output = {"output": tmp_path / "predictions.parquet", "record": tmp_path / "predictions.json"}
    call("merge_predictions", plan=tmp_path / "shards.json", shards=tmp_path / SHARDS, **output)

    assert output["output"].read_bytes() == (tmp_path / "expected.parquet").read_bytes()
    results = read_json(output["record"])["results"]
    assert (results["words"], results["runtime"]) == (12, {"device": "columns"})
    assert list(results["shards"]) == [shard.name for shard in split(12, 5)]


def test_joined_proofs_state_the_largest_difference_and_all_words(tmp_path: Path) -> None:
    write_json(tmp_path / "shards.json", {"words": 3, "shard_words": 2, "shards": {s.name: "" for s in split(3, 2)}})
    for shard, difference in zip(split(3, 2), (2e-6, 1e-6), strict=True):
        folder = tmp_path / SHARDS / shard.name
        folder.mkdir(parents=True)
        for name in ("raw.parquet", "fixed.parquet"):
            pl.DataFrame({"index": shard.indices, "text": [name] * len(shard.indices)}).write_parquet(folder / name)
        results = {"max_abs_difference": difference, "words": len(shard.indices), "changed": 0}
        record_of(folder, "words.json", "raw.parquet", "fixed.parquet", **results)
    paths = {"plan": tmp_path / "shards.json", "shards": tmp_path / SHARDS, "output": tmp_path}
    call("merge_proofs", **paths, record=tmp_path / "words.json")
    assert read_json(tmp_path / "proof.json") == {"max_abs_difference": 2e-6, "words": 3, "changed": 0}
    assert pl.read_parquet(tmp_path / "fixed.parquet").rows() == [(index, "fixed.parquet") for index in (1, 2, 3)]


# --- shards that are not what they should be -----------------------------------------------------------------


def replace_samples(shard: ShardFolder, indices: list[int]) -> ShardFolder:
    """The shard with other rows in samples.parquet, and a record that says so."""
    samples = pl.read_parquet(shard.path / "samples.parquet")
    chosen = pl.DataFrame({"index": indices}).join(samples, on="index", how="left", maintain_order="left")
    chosen.select(samples.columns).write_parquet(shard.path / "samples.parquet")
    record_of(shard.path, RECORD, "samples.parquet", "contract.json")
    return ShardFolder.open(shard.shard, shard.path.parent, RECORD)


@pytest.mark.parametrize(
    ("indices", "fault"),
    [
        ([6, 7, 9, 10], "lacks word 8"),
        ([6, 6, 6, 6, 6], "lacks word 7 and 3 more"),
        ([6, 7, 8, 8, 9, 10], "holds word 8 more than once"),
        ([5, 6, 7, 8, 9, 10], "holds word 5, which is not one of its words"),
        ([6, 8, 7, 9, 10], "holds its words out of order"),
    ],
)
def test_a_shard_with_other_words_than_its_own_is_named(
    made: list[ShardFolder], tmp_path: Path, indices: list[int], fault: str
) -> None:
    made[1] = replace_samples(made[1], indices)
    with pytest.raises(UserError, match=rf"samples.parquet: shard 000000006-000000010 {fault}; delete {made[1].path} "):
        merge_tensors(made, tmp_path)
    assert not (tmp_path / "contract.json").exists()


def test_a_table_that_its_record_does_not_list_is_named(made: list[ShardFolder], tmp_path: Path) -> None:
    shutil.copy(made[0].path / "samples.parquet", made[1].path / "samples.parquet")
    with pytest.raises(UserError, match=r"is not the file that the record of shard 000000006-000000010 lists; delete"):
        merge_tensors(made, tmp_path)


@pytest.mark.parametrize("name", [RECORD, "samples.parquet", "contract.json"])
def test_a_missing_file_is_named(made: list[ShardFolder], tmp_path: Path, name: str) -> None:
    (made[2].path / name).unlink()
    with pytest.raises(UserError, match=rf"{made[2].path / name}: no such file"):
        merge_tensors(open_shards(tmp_path / "shards.json", tmp_path / SHARDS, RECORD), tmp_path)


def test_a_cut_off_tensor_file_is_named(made: list[ShardFolder], tmp_path: Path) -> None:
    tensor = min(made[1].path.glob("w*.npy"))
    tensor.write_bytes(tensor.read_bytes()[:-1])
    with pytest.raises(UserError, match=rf"{tensor}: is not the file that contract.json of its shard lists; delete"):
        merge_tensors(made, tmp_path)


def test_a_shard_that_was_prepared_otherwise_is_named(made: list[ShardFolder], healthy: Path, tmp_path: Path) -> None:
    make_tensors(healthy, made[1].path, FIXED, POLICY, shard=made[1].shard)
    record_of(made[1].path, RECORD, "samples.parquet", "contract.json")
    made[1] = ShardFolder.open(made[1].shard, made[1].path.parent, RECORD)
    with pytest.raises(UserError, match=r"shard 000000006-000000010 was prepared otherwise than 000000001-000000005"):
        merge_tensors(made, tmp_path)


# --- the stages --------------------------------------------------------------------------------------------


def test_the_stages_of_a_dataset_in_shards(tmp_path: Path) -> None:
    words = healthy_words(tmp_path / "words")
    settings = {"widths": '{"rule": "aspect"}', "labels": json.dumps({"characters": CHARSET.characters})}
    plan_file = make_plan(words, tmp_path, 7)
    for name in ("000000001-000000007", "000000008-000000012"):
        folder = tmp_path / SHARDS / name
        paths = {"words": words, "plan": plan_file, "output": folder, "record": folder / RECORD}
        call("make_tensors", **settings, **paths, shard=name)
        assert list(read_json(folder / RECORD)["inputs"]) == [str(plan_file)]
    call("merge_tensors", plan=plan_file, output=tmp_path, record=tmp_path / RECORD)
    results = read_json(tmp_path / RECORD)["results"]
    assert (results["samples"], results["statuses"]) == (12, {"ok": 12})
    assert results["shards"]["000000008-000000012"]["results"] == {"samples": 5, "statuses": {"ok": 5}}
