"""Words to tensors: the preprocessing contract, and what becomes of words that cannot be prepared."""

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from crnn.core.errors import UserError
from crnn.core.files import read_json, sha256, write_json
from crnn.data.labels import LabelPolicy
from crnn.data.preprocess import RESAMPLERS, Preprocess, Tensor, normalise
from crnn.data.tensors import CHUNK, TensorSet, check_contract, make_tensors, write_recipe_layout
from examples import (
    ASPECT,
    FAULTS,
    FIXED,
    POLICY,
    RECIPE,
    SIZES,
    jpeg,
    png,
    put_words,
    scribble,
)

REJECT = LabelPolicy(POLICY.characters, outside="reject")


def prepared_by_the_recipe(data: bytes) -> Tensor:
    """What the CRNN_Dynamic recipe makes of an image, restated: Pillow gray, Pillow bicubic, (x / 255 - 0.5) / 0.5."""
    image = Image.open(io.BytesIO(data)).convert("L")
    w, h = image.size
    width = max(32, min(int(h / 32) * w if h > 32 else 100, 320))
    pixels = np.asarray(image.resize((width, 32), Image.Resampling.BICUBIC), np.float32)
    return ((pixels / np.float32(255) - np.float32(0.5)) / np.float32(0.5))[None]


def colour_png(width: int, height: int) -> bytes:
    channels = [scribble(width, height, seed) for seed in (1, 2, 3)]
    return png(np.dstack(channels))


@pytest.fixture
def made(healthy: Path, tmp_path: Path) -> Path:
    """Tensors of the healthy words, `aspect`."""
    make_tensors(healthy, tmp_path / "tensors", ASPECT, POLICY)
    return tmp_path / "tensors"


def contents(directory: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in directory.iterdir()}


# --- pixels ------------------------------------------------------------------------------------------------


def test_normalising_is_the_formula_for_every_gray_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 8, 32)
    expected = (levels.astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    assert normalise(levels).dtype == np.float32
    np.testing.assert_array_equal(normalise(levels), expected)
    assert (normalise(levels).min(), normalise(levels).max()) == (-1, 1)


def test_shrinking_averages_areas() -> None:
    thirds = Preprocess.from_settings({"rule": "fixed", "width": 50})
    pixels = scribble(150, 96)
    blocks = pixels.reshape(32, 3, 50, 3).mean(axis=(1, 3))
    assert np.abs(thirds.resize(pixels) - blocks).max() <= 0.5


def test_growing_keeps_edges_sharper_than_averaging_would() -> None:
    edge = np.zeros((16, 50), np.uint8)
    edge[:, 25:] = 200
    grown = FIXED.resize(edge)
    assert grown.shape == (1, 32, 100)
    assert grown.max() > 200  # the overshoot that only a cubic kernel has


def test_an_image_of_the_right_size_is_left_alone() -> None:
    pixels = scribble(100, 32)
    for resampler in RESAMPLERS:
        same = Preprocess.from_settings({"rule": "fixed", "width": 100, "interpolation": resampler})
        np.testing.assert_array_equal(same.resize(pixels), pixels[None])


@pytest.mark.parametrize("resampler", RESAMPLERS)
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (2000, 1), (3, 33)])
def test_any_size_becomes_a_tensor(resampler: str, size: tuple[int, int]) -> None:
    preprocess = Preprocess.from_settings({"rule": "aspect", "interpolation": resampler})
    gray = preprocess.decode(png(np.full(size[::-1], 77, np.uint8)))
    assert gray is not None
    resized = preprocess.resize(gray)
    assert resized.shape == (1, 32, ASPECT.rule(*size))
    assert set(resized.ravel().tolist()) == {77}


@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_a_tensor_in_colour_has_the_planes_blue_green_and_red(resampler: str) -> None:
    colours = {"rule": "fixed", "width": 100, "height": 48, "channels": 3, "interpolation": resampler}
    preprocess = Preprocess.from_settings(colours)
    planes = [scribble(100, 48, seed) for seed in (1, 2, 3)]
    image = preprocess.decode(png(np.dstack(planes)))  # OpenCV writes blue, green, red
    assert image is not None
    np.testing.assert_array_equal(preprocess.resize(image), planes)


def test_a_padded_tensor_is_the_word_at_its_true_width_and_gray_behind_it() -> None:
    padded = Preprocess.from_settings({"rule": "buckets", "widths": [160, 320], "stretch": 1.0, "pad": 160})
    word = scribble(90, 30)
    tensor = padded.tensor(word)
    assert tensor.shape == (1, 32, 160)
    alone = Preprocess.from_settings({"rule": "fixed", "width": 96}).tensor(word)
    np.testing.assert_array_equal(tensor[:, :, :96], alone)
    assert np.abs(tensor[:, :, 96:]).max() < 0.01


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"interpolation 'lanczos': expected one of opencv-area-cubic, opencv-cubic, pillow-bicubic"
    ):
        Preprocess.from_settings({"rule": "aspect", "interpolation": "lanczos"})


def test_an_unknown_rule_is_named_rather_than_its_interpolation() -> None:
    with pytest.raises(UserError, match="width rule 'square'"):
        Preprocess.from_settings({"rule": "square"})


# --- the recipe, bit for bit ---------------------------------------------------------------------------------


def test_recipe_tensors_are_bit_equal_to_the_recipes_own(tmp_path: Path) -> None:
    images = {i: png(scribble(w, h, seed=i)) for i, (w, h) in enumerate(SIZES, 1)}
    images |= {13: colour_png(90, 30), 14: jpeg(scribble(75, 130)), 15: colour_png(40, 300)}
    words = put_words(tmp_path / "words", len(images), images, {})
    samples = make_tensors(words, tmp_path / "tensors", RECIPE, POLICY)
    for index, row, width in samples.select("index", "row", "tensor_width").iter_rows():
        stored = np.load(tmp_path / "tensors" / f"w{width}.npy")[row]
        expected = prepared_by_the_recipe(images[index])
        assert stored.tobytes() == expected.tobytes(), f"word {index}"


def test_recipe_layout_is_what_the_recipe_writes(healthy: Path, tmp_path: Path) -> None:
    make_tensors(healthy, tmp_path / "tensors", RECIPE, POLICY)
    assert write_recipe_layout(TensorSet(tmp_path / "tensors", RECIPE), tmp_path / "layout") == []
    label_lines = (tmp_path / "layout" / "label.txt").read_text(encoding="utf-8").splitlines()
    assert label_lines == [f"test_{i}.npy:word{i}" for i in range(1, 13)]
    assert len(list((tmp_path / "layout").iterdir())) == 13
    for index, (width, height) in enumerate(SIZES, 1):
        tensor = np.load(tmp_path / "layout" / f"test_{index}.npy")
        assert tensor.dtype == np.float32
        expected = prepared_by_the_recipe(png(scribble(width, height, index)))[None]
        np.testing.assert_array_equal(tensor, expected)


def test_recipe_layout_leaves_out_what_it_cannot_hold_and_says_so(faulty: Path, tmp_path: Path) -> None:
    make_tensors(faulty, tmp_path / "tensors", RECIPE, POLICY)
    left_out = write_recipe_layout(TensorSet(tmp_path / "tensors", RECIPE), tmp_path / "layout")
    assert left_out == [f"image-{index:09d}" for index in (2, 3, 4, 5, 6, 10, 11, 12)]
    lines = (tmp_path / "layout" / "label.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["test_1.npy:cafe", "test_7.npy:", "test_8.npy:t-shirt", "test_9.npy:?!"]


def test_recipe_layout_leaves_out_a_label_of_several_lines(tmp_path: Path) -> None:
    images = dict.fromkeys((1, 2), png(scribble(60, 20)))
    words = put_words(tmp_path / "words", 2, images, {1: b"two\nlines", 2: b"one"})
    make_tensors(words, tmp_path / "tensors", RECIPE, POLICY)
    assert write_recipe_layout(TensorSet(tmp_path / "tensors", RECIPE), tmp_path / "layout") == ["image-000000001"]
    assert (tmp_path / "layout" / "label.txt").read_text(encoding="utf-8") == "test_2.npy:one\n"


# --- what is written ---------------------------------------------------------------------------------------


def test_tensors_of_another_form_are_written_and_read(healthy: Path, tmp_path: Path) -> None:
    settings = {"rule": "aspect", "stretch": 1.0, "height": 48, "channels": 3, "pad": 64}
    preprocess = Preprocess.from_settings(settings)
    make_tensors(healthy, tmp_path / "tensors", preprocess, POLICY)
    contract = read_json(tmp_path / "tensors" / "contract.json")
    assert contract["layout"] == "float32 [N, 3, 48, W], one file per W"
    for indices, images in TensorSet(tmp_path / "tensors", preprocess).batches(4):
        assert images.shape[:3] == (len(indices), 3, 48)
        np.testing.assert_array_equal(images[:, 0], images[:, 2])  # the words are gray


def test_tensors_are_one_file_per_width_that_the_rows_point_into(made: Path) -> None:
    samples = pl.read_parquet(made / "samples.parquet")
    for width in samples["tensor_width"].unique():
        tensor = np.load(made / f"w{width}.npy")
        group = samples.filter(pl.col("tensor_width") == width).sort("index")
        assert tensor.dtype == np.dtype("<f4")
        assert tensor.shape == (group.height, 1, 32, width)
        assert group["row"].to_list() == list(range(group.height))
        for index, row in group.select("index", "row").iter_rows():
            expected = ASPECT.resize(scribble(*SIZES[index - 1], seed=index))
            np.testing.assert_array_equal(tensor[row], normalise(expected))


def test_samples_hold_a_row_per_record_in_lmdb_order(made: Path) -> None:
    samples = pl.read_parquet(made / "samples.parquet")
    assert set(samples.columns) >= {"index", "key", "label", "text", "width", "height", "tensor_width", "row", "status"}
    assert samples["index"].to_list() == list(range(1, 13))
    assert samples["key"].to_list() == [f"image-{index:09d}" for index in range(1, 13)]
    assert samples.select("width", "height").rows() == SIZES
    assert (samples["label"][0], samples["text"][0]) == ("Word1", "word1")
    assert set(samples["status"]) == {"ok"}


def test_the_contract_says_how_and_lists_every_tensor_file(made: Path) -> None:
    contract = read_json(made / "contract.json")
    numbers = {"stretch": 1.2, "step": 8, "min": 40, "max": 400, "height": 32, "pad": None}
    assert contract["rule"] == {"name": "aspect", **numbers}
    assert contract["channels"] == 1
    assert contract["interpolation"] == "opencv-area-cubic"
    assert contract["normalisation"] == "(pixel / 255 - 0.5) / 0.5"
    assert contract["samples"] == 12
    assert {name: facts["sha256"] for name, facts in contract["files"].items()} == {
        path.name: sha256(path) for path in made.glob("*.npy")
    }


def test_equal_words_make_equal_files(healthy: Path, made: Path, tmp_path: Path) -> None:
    make_tensors(healthy, tmp_path / "again", ASPECT, POLICY)
    assert contents(tmp_path / "again") == contents(made)


def test_neither_processes_nor_chunks_change_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = CHUNK + 40
    images = {i: png(scribble(20 + i % 37, 12 + i % 5, seed=i)) for i in range(1, count + 1)}
    del images[7]
    words = put_words(tmp_path / "words", count, images, dict.fromkeys(images, b"word"))
    make_tensors(words, tmp_path / "1", ASPECT, POLICY, processes=1)
    monkeypatch.setattr("crnn.data.tensors.CHUNK", 50)  # more chunks than may wait at once
    make_tensors(words, tmp_path / "2", ASPECT, POLICY, processes=2)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert pl.read_parquet(tmp_path / "2" / "samples.parquet")["index"].to_list() == list(range(1, count + 1))


def test_another_rule_in_the_same_folder_leaves_no_file_of_the_first(healthy: Path, made: Path) -> None:
    make_tensors(healthy, made, FIXED, POLICY)
    assert {path.name for path in made.iterdir()} == {"w100.npy", "samples.parquet", "contract.json"}
    assert len(TensorSet(made, FIXED).samples) == 12


def test_failing_leaves_the_former_tensors(made: Path, tmp_path: Path) -> None:
    before = contents(made)
    with pytest.raises(UserError, match="is not an LMDB folder"):
        make_tensors(tmp_path / "absent", made, FIXED, POLICY)
    assert contents(made) == before


# --- words that cannot be prepared -----------------------------------------------------------------------------


@pytest.mark.parametrize("preprocess", [ASPECT, RECIPE], ids=["opencv", "pillow"])
def test_every_fault_is_recorded_and_no_word_is_dropped(faulty: Path, tmp_path: Path, preprocess: Preprocess) -> None:
    samples = make_tensors(faulty, tmp_path / "tensors", preprocess, POLICY)
    statuses = dict(samples.select("index", "status").iter_rows())
    assert statuses == {index: status for index, (_, status) in FAULTS.items()}


def test_faulty_words_keep_what_is_known_of_them(faulty: Path, tmp_path: Path) -> None:
    rows = {row["index"]: row for row in make_tensors(faulty, tmp_path / "t", ASPECT, POLICY).iter_rows(named=True)}
    assert (rows[2]["label"], rows[2]["text"]) == ("two", "two")
    assert (rows[2]["width"], rows[2]["tensor_width"], rows[2]["row"]) == (0, 0, None)
    assert (rows[6]["label"], rows[6]["text"]) == (None, "")
    assert (rows[6]["width"], rows[6]["height"], rows[6]["row"]) == (80, 40, 1)
    assert (rows[8]["label"], rows[8]["text"], rows[8]["outside"]) == ("T-Shirt", "tshirt", "-")
    assert (rows[9]["label"], rows[9]["text"], rows[9]["outside"]) == ("?!", "", "?!")


def test_a_word_without_a_label_still_has_a_tensor(faulty: Path, tmp_path: Path) -> None:
    make_tensors(faulty, tmp_path / "tensors", ASPECT, POLICY)
    read = [index for indices, _ in TensorSet(tmp_path / "tensors", ASPECT).batches(16) for index in indices]
    assert read == [1, 6, 7, 8, 9]


def test_rejecting_marks_labels_with_characters_outside_the_charset(faulty: Path, tmp_path: Path) -> None:
    stripped = make_tensors(faulty, tmp_path / "strip", ASPECT, POLICY)
    rejected = make_tensors(faulty, tmp_path / "reject", ASPECT, REJECT)
    differing = stripped.join(rejected, on="index").filter(pl.col("status") != pl.col("status_right"))
    assert differing.select("index", "status", "status_right").rows() == [
        (8, "ok", "outside-charset"),
        (9, "empty-label", "outside-charset"),
    ]


def test_a_label_that_is_not_utf8_is_shown_with_its_bytes_and_compared_with_nothing(tmp_path: Path) -> None:
    words = put_words(tmp_path / "words", 1, {1: png(scribble(40, 20))}, {1: b"caf\xe9"})
    samples = make_tensors(words, tmp_path / "tensors", ASPECT, POLICY)
    assert samples.select("label", "text", "outside", "status").rows() == [("caf\\xe9", "", "", "garbled-label")]


def test_not_one_readable_word_is_no_crash(tmp_path: Path) -> None:
    words = put_words(tmp_path / "words", 3, {}, {1: b"one"})
    samples = make_tensors(words, tmp_path / "tensors", ASPECT, POLICY)
    assert samples["status"].to_list() == ["missing-image"] * 3
    assert list(TensorSet(tmp_path / "tensors", ASPECT).batches(4)) == []
    assert read_json(tmp_path / "tensors" / "contract.json")["files"] == {}


# --- reading back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_batches_hold_each_word_once_with_its_own_pixels(made: Path, size: int) -> None:
    seen: list[int] = []
    for indices, images in TensorSet(made, ASPECT).batches(size):
        assert len(indices) == len(images) <= size
        assert indices == sorted(indices)
        for index, image in zip(indices, images, strict=True):
            expected = ASPECT.resize(scribble(*SIZES[index - 1], seed=index))
            np.testing.assert_array_equal(image, normalise(expected))
        seen += indices
    assert sorted(seen) == list(range(1, 13))


def test_batches_are_of_one_width_narrow_first_and_as_full_as_they_can_be(made: Path) -> None:
    shapes = [images.shape for _, images in TensorSet(made, ASPECT).batches(3)]
    widths = [shape[3] for shape in shapes]
    assert widths == sorted(widths)
    per_width = [ASPECT.rule(*size) for size in SIZES]
    assert len(shapes) == sum(-(-per_width.count(width) // 3) for width in set(per_width))


def test_a_limit_keeps_the_first_words_of_the_dataset(faulty: Path, tmp_path: Path) -> None:
    make_tensors(faulty, tmp_path / "tensors", ASPECT, POLICY)
    tensors = TensorSet(tmp_path / "tensors", ASPECT)
    read = {limit: [i for indices, _ in tensors.batches(2, limit) for i in indices] for limit in (0, 1, 6, 99)}
    assert read == {0: [], 1: [1], 6: [1, 6], 99: [1, 6, 7, 8, 9]}


# --- the contract is checked before anything is read ---------------------------------------------------------


def edit_contract(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    contract = read_json(directory / "contract.json")
    change(contract)
    write_json(directory / "contract.json", contract)


def some_tensor_file(directory: Path) -> Path:
    return min(directory.glob("w*.npy"))


def test_tensors_as_they_were_made_pass(made: Path) -> None:
    assert check_contract(made, ASPECT)["samples"] == 12


def test_an_altered_tensor_is_found(made: Path) -> None:
    path = some_tensor_file(made)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"{path}: is not the file that contract.json lists; delete .* run again"):
        next(TensorSet(made, ASPECT).batches(1))


def test_a_missing_tensor_is_found(made: Path) -> None:
    path = some_tensor_file(made)
    path.unlink()
    with pytest.raises(UserError, match=rf"{path}: listed in contract.json but missing; delete"):
        TensorSet(made, ASPECT)


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ({"rule": "fixed"}, "rule"),
        ({"rule": "recipe"}, "rule"),
        ({"rule": "aspect", "stretch": 1.0}, "rule"),
        ({"rule": "aspect", "height": 48}, "rule"),
        ({"rule": "aspect", "channels": 3}, "channels"),
        ({"rule": "aspect", "interpolation": "pillow-bicubic"}, "interpolation"),
    ],
)
def test_a_stage_that_would_prepare_words_otherwise_stops(made: Path, other: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=rf"contract.json: {key} is .*, but this stage would prepare words with"):
        TensorSet(made, Preprocess.from_settings(other))


def test_an_environment_whose_resizing_differs_stops(made: Path) -> None:
    edit_contract(made, lambda contract: contract.update(canonical_sha256="0" * 64))
    with pytest.raises(UserError, match=r"canonical_sha256 is 0000.* or use the environment that made it"):
        TensorSet(made, ASPECT)


def test_a_folder_without_a_contract_is_unfinished(made: Path) -> None:
    (made / "contract.json").unlink()
    with pytest.raises(UserError, match=r"contract.json: no such file"):
        TensorSet(made, ASPECT)


def test_a_copied_folder_is_as_good_as_the_first(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "elsewhere")
    assert len(list(TensorSet(tmp_path / "elsewhere", ASPECT).batches(1))) == 12


def test_the_canonical_hash_tells_ways_of_preparing_apart() -> None:
    ways = [{"rule": "fixed", "interpolation": name} for name in RESAMPLERS] + [{"rule": "fixed", "width": 104}]
    assert len({Preprocess.from_settings(way).describe()["canonical_sha256"] for way in ways}) == len(ways)


# --- a policy that leaves nothing --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "policy"),
    [
        (["कमल", "बाजार", "नमस्ते"], POLICY),
        (["???", "!!!", "..."], POLICY),
        (["a-b", "c-d", "e-f"], REJECT),
    ],
    ids=["another script", "punctuation", "all rejected"],
)
def test_a_policy_that_leaves_nothing_of_the_labels_is_an_error(
    tmp_path: Path, labels: list[str], policy: LabelPolicy
) -> None:
    stored = {index: label.encode() for index, label in enumerate(labels, 1)}
    words = put_words(tmp_path / "words", 3, dict.fromkeys(stored, png(scribble(60, 20))), stored)
    with pytest.raises(UserError, match=f"leave nothing of 3 of 3 labels, such as '{re.escape(labels[0])}'"):
        make_tensors(words, tmp_path / "tensors", ASPECT, policy)
    assert not (tmp_path / "tensors").exists()


def test_labels_that_are_missing_or_garbled_are_no_fault_of_the_policy(tmp_path: Path) -> None:
    words = put_words(tmp_path / "words", 3, {1: png(scribble(60, 20))}, {1: b"", 2: b"\xff"})
    statuses = make_tensors(words, tmp_path / "tensors", ASPECT, POLICY)["status"].to_list()
    assert statuses == ["empty-label", "missing-image", "missing-image"]
