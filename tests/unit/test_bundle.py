"""A bundle and the program in it: it reads as the workflow does, and says at which step it no longer would."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundles import ASPECT, CHARACTERS, PADDED, Recognised, import_model, program, recognised, replace_file, rewrite
from bundles import self_test as said
from crnn.core.errors import UserError
from crnn.core.files import read_json, write_json
from crnn.data.preprocess import Preprocess
from crnn.inference import Recogniser
from crnn.inference.bundle import image_facts, write_programs
from crnn.model.contract import METADATA
from crnn.runtimes.registry import find_runtime
from examples import png, scribble
from recognisers import Foreign
from stage_calls import call

LABELS = json.dumps({"characters": CHARACTERS})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Recognised:
    return recognised(tmp_path_factory.mktemp("gray"))


@pytest.fixture
def copied(made: Recognised, tmp_path: Path) -> Path:
    """The bundle in another folder, which a test may change."""
    return shutil.copytree(made.bundle, tmp_path / "elsewhere")


# --- it reads as the workflow does ---------------------------------------------------------------------------


def test_a_bundle_in_another_folder_reads_its_golden_words_as_they_were_read(copied: Path) -> None:
    command = [sys.executable, "-I", str(copied / "read.py"), "--self-test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "every golden word is read as it was\n", "")


def planned(folder: Path, batches: dict[int, int]) -> Path:
    """A plan of these widths and batch sizes."""
    rule = {"rule": "buckets", "widths": list(batches), "upto": [width + 9 for width in batches], "stretch": 1.2}
    buckets = [{"width": width, "batch": batch} for width, batch in batches.items()]
    write_json(folder / "plan.json", {"rule": rule, "buckets": buckets})
    return folder / "plan.json"


@pytest.mark.parametrize("batch", ["1", "3", "16", "planned"])
@pytest.mark.parametrize("widths", [ASPECT, PADDED, {"rule": "fixed"}], ids=["aspect", "padded, colour", "fixed"])
def test_the_program_the_library_and_the_workflow_read_the_same(
    widths: dict[str, Any], batch: str, tmp_path: Path
) -> None:
    if batch == "planned":
        made = recognised(tmp_path / "made", batch=planned(tmp_path, {40: 5, 104: 2, 160: 1}))
    else:
        made = recognised(tmp_path / "made", widths=widths, batch=batch)
    expected = read_by_the_workflow(made)
    assert len(set(expected)) > 6  # the words are read differently from each other

    files = sorted((made.bundle / "golden").glob("*.png"))
    read = program(made.bundle)
    rows = list(read.read(read.open_model(made.bundle, read.FACTS), files))
    assert [row[1] for row in rows] == expected
    with Recogniser.open(made.bundle, threads=2) as recogniser:
        readings = recogniser.read(files)
    assert [reading.text for reading in readings] == expected
    assert [row[2] for row in rows] == pytest.approx([reading.confidence for reading in readings], rel=1e-5)


def read_by_the_workflow(made: Recognised) -> list[str]:
    tensors = {"output": made.folder / "t", "record": made.folder / "t.json"}
    call("make_tensors", words=made.words, widths=made.widths, labels=LABELS, **tensors)
    predictions = {"output": made.folder / "p.parquet", "record": made.folder / "p.json"}
    call("predict", tensors=made.folder / "t", **made.model, **predictions)
    return pl.read_parquet(predictions["output"])["text"].to_list()


WIDTH_RULES = st.one_of(
    st.builds(
        lambda stretch, step, narrowest, count, pad, height: {
            **{"rule": "aspect", "stretch": stretch, "step": step, "min": narrowest, "max": narrowest + count * step},
            **{"pad": pad, "height": height},
        },
        *(st.floats(0.5, 2), st.integers(1, 40), st.integers(32, 100), st.integers(0, 20)),
        *(st.none() | st.integers(32, 400), st.sampled_from([32, 48])),
    ),
    st.sampled_from([{"rule": "fixed"}, {"rule": "buckets", "widths": [40, 90, 200], "upto": [50.5, 80, 170]}]),
    st.sampled_from([{"rule": "buckets", "widths": [40, 90, 200], "pad": 64}]),
)


@settings(deadline=None)
@given(WIDTH_RULES, st.sampled_from(["opencv-area-cubic", "opencv-cubic"]), st.integers(1, 900), st.integers(1, 300))
def test_the_program_prepares_an_image_of_any_size_as_the_workflow_does(
    made: Recognised, rule: dict[str, Any], interpolation: str, width: int, height: int
) -> None:
    read, preprocess = program(made.bundle), Preprocess.from_settings({**rule, "interpolation": interpolation})
    facts = json.loads(json.dumps(image_facts(preprocess)))
    read.IMAGES, read.WIDTHS = facts["images"], facts["widths"]
    pixels = scribble(width, height)
    np.testing.assert_array_equal(read.prepare(pixels), preprocess.tensor(pixels), strict=True)


def test_a_bundle_needs_widths_in_buckets() -> None:
    with pytest.raises(UserError, match="a bundle needs widths in buckets"):
        image_facts(Preprocess.from_settings({"rule": "recipe"}))


def test_what_cannot_be_read_has_a_line_and_the_rest_is_read(copied: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    (folder / "folder.png").mkdir(parents=True)
    whole = (copied / "golden/001.png").read_bytes()
    (folder / "empty.png").touch()
    (folder / "torn.png").write_bytes(whole[: len(whole) // 2])
    (folder / "vast.png").write_bytes(png(np.zeros((8192, 8193), np.uint8)))
    (folder / "word.png").write_bytes(whole)
    command = [sys.executable, "-I", copied / "read.py", "--json", folder, tmp_path / "missing.png"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    rows = {Path(row["file"]).stem: row for row in map(json.loads, done.stdout.splitlines())}
    assert list(rows) == ["empty", "folder", "torn", "vast", "word", "missing"]
    assert {name for name, row in rows.items() if row["error"] is None} == {"word"}
    assert rows["word"]["text"] == read_json(copied / "golden/words.json")[0]["text"]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


# --- it says what differs --------------------------------------------------------------------------------------

Change = Callable[[Path, Path], None]


def another_model(folder: Path) -> Path:
    """A recogniser of the same shape with other weights."""

    def weaken(model: onnx.ModelProto) -> None:
        for weights in model.graph.initializer:
            if weights.name == "kernel":
                halved = 0.5 * onnx.numpy_helper.to_array(weights)
                weights.CopyFrom(onnx.numpy_helper.from_array(halved, "kernel"))

    folder.mkdir()
    return import_model(folder, Foreign(change=weaken))


CHANGES: dict[str, tuple[Change, str]] = {
    "the charset is permuted": (lambda bundle, _: rewrite(bundle, "output", "charset", value=list("badc")), "text"),
    "the blank is moved": (lambda bundle, _: rewrite(bundle, "output", "blank", value=4), "text"),
    "the mean is changed": (lambda bundle, _: rewrite(bundle, "images", "mean", value=0.4), "tensor"),
    "the resize is changed": (
        lambda bundle, _: rewrite(bundle, "images", "interpolation", value="opencv-cubic"),
        "tensor",
    ),
    "the widths are changed": (lambda bundle, _: rewrite(bundle, "widths", "stretch", value=1.0), "tensor"),
    "the images are others": (
        lambda bundle, _: replace_file(bundle, "golden/001.png", bundle / "golden/002.png"),
        "pixels",
    ),
    "the model is another one's": (
        lambda bundle, folder: replace_file(bundle, "model.onnx", another_model(folder / "another")),
        "log-probabilities",
    ),
    "the model is another file": (
        lambda bundle, folder: (bundle / "model.onnx").write_bytes(another_model(folder / "another").read_bytes()),
        "files",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_step_that_differs_is_named(change: str, copied: Path, tmp_path: Path) -> None:
    make, step = CHANGES[change]
    assert said(copied) is None
    make(copied, tmp_path)
    assert (said(copied) or "").startswith(f"{step}: ")


# --- what is in it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_program_is_short(runtime: str, made: Recognised, tmp_path: Path) -> None:
    facts = read_json(made.bundle / "recogniser.json")
    write_programs(find_runtime(runtime), {**facts, "golden": 12}, tmp_path)
    assert len((tmp_path / "read.py").read_text().splitlines()) <= 120


def test_it_names_no_place_of_the_machine(made: Recognised) -> None:
    texts = [path for path in made.bundle.rglob("*") if path.suffix in {".py", ".md", ".json"}]
    assert {path.name for path in texts} == {"read.py", "README.md", "recogniser.json", "words.json"}
    for path in texts:
        assert str(made.folder) not in path.read_text()
        assert str(Path.home()) not in path.read_text()


def test_it_says_what_it_is_and_how_well_it_reads(made: Recognised) -> None:
    facts, readme = read_json(made.bundle / "recogniser.json"), (made.bundle / "README.md").read_text()
    assert facts["scores"][0]["accuracy_ci95"] == [0.46, 0.91]
    assert facts["runtime"]["packages"]["onnxruntime"] == onnxruntime.__version__
    assert facts["origin"]["file"] == "foreign.onnx"
    assert "signs: 75.00% of 12 words right (95 % interval 46.0% to 91.0%)" in readme
    assert "{" not in readme  # every number has been filled in


def test_an_onnx_file_carries_the_contract(made: Recognised) -> None:
    session = onnxruntime.InferenceSession(made.bundle / "model.onnx", providers=["CPUExecutionProvider"])
    contract = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    assert contract["charset"] == list(CHARACTERS)


# --- one that is not whole -------------------------------------------------------------------------------------

DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file is another": (
        lambda bundle: (bundle / "model.onnx").write_bytes(b"other"),
        "model.onnx: is missing, or not",
    ),
    "a file is missing": (lambda bundle: (bundle / "read.py").unlink(), "read.py: is missing, or not"),
    "no recogniser.json": (lambda bundle: (bundle / "recogniser.json").unlink(), "recogniser.json: "),
    "it is no JSON": (lambda bundle: (bundle / "recogniser.json").write_text("{"), "recogniser.json: "),
    "another format": (lambda bundle: rewrite(bundle, "format", value=99), "is no recogniser of format 1"),
    "an unknown runtime": (lambda bundle: rewrite(bundle, "runtime", "name", value="abacus"), "runtime 'abacus'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bundle_that_is_not_whole_is_refused_in_a_line(damage: str, copied: Path) -> None:
    make, expected = DAMAGES[damage]
    make(copied)
    with pytest.raises(UserError) as error:
        Recogniser.open(copied)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recogniser\.json"):
        Recogniser.open(tmp_path)
