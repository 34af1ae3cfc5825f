"""The stages `render_words` and `render_sheet`, from their arguments to an LMDB of words and a picture of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crnn.core.errors import UserError
from crnn.core.files import write_json
from crnn.data.lmdb import Words
from crnn.data.render.fonts.listing import describe_fonts, find_fonts
from crnn.data.render.sheet import CELL, contact_sheet
from crnn.data.render.text.lexicon import CHARACTERS
from stage_calls import run_stage

RESOURCES = Path(__file__).parents[2] / "resources"


def options(changes: dict[str, object], **defaults: object) -> list[str]:
    """Defaults and changes as a command line; a change to None takes an option away."""
    common = {"seed": 0, "fonts": RESOURCES / "fonts", "lexicon": RESOURCES / "words" / "english.txt"}
    chosen = {name: value for name, value in (common | defaults | changes).items() if value is not None}
    return [part for name, value in chosen.items() for part in (f"--{name}", str(value))]


def render(folder: Path, **changes: object) -> Path:
    """Run `render_words` with its results in `folder`; return the LMDB folder."""
    command = options(changes, words=20, output=folder / "words.lmdb", record=folder / "words.json")
    run_stage("render_words", command)
    return folder / "words.lmdb"


def sheet(folder: Path, **changes: object) -> Image.Image:
    """Run `render_sheet` with its results in `folder`; return the picture."""
    command = options(changes, words=10, columns=4, output=folder / "sheet.png", record=folder / "sheet.json")
    run_stage("render_sheet", command)
    with Image.open(folder / "sheet.png") as picture:
        return picture.copy()


def test_twenty_words_are_written_with_their_labels(tmp_path: Path) -> None:
    with Words(render(tmp_path)) as words:
        stored = list(words)
    assert len(stored) == 20
    assert all(word.image and word.label and set(word.label.decode()) <= set(CHARACTERS) for word in stored)


def test_equal_arguments_give_an_equal_file(tmp_path: Path) -> None:
    first, second = render(tmp_path / "first"), render(tmp_path / "second")
    assert (first / "data.mdb").read_bytes() == (second / "data.mdb").read_bytes()


def test_more_words_begin_with_the_same_words(tmp_path: Path) -> None:
    with Words(render(tmp_path / "few", words=3)) as few, Words(render(tmp_path / "many", words=6)) as many:
        assert list(few) == list(many)[:3]


def test_the_record_names_every_font_used_and_left_out(tmp_path: Path) -> None:
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    (fonts / "Good.otf").write_bytes((RESOURCES / "fonts" / "Karla-Regular.otf").read_bytes())
    (fonts / "Bad.otf").write_bytes(b"")
    render(tmp_path, words=2, fonts=fonts)
    record = json.loads((tmp_path / "words.json").read_text())
    assert str(fonts / "Good.otf") in record["inputs"]
    assert list(record["results"]["fonts_left_out"]) == [str(fonts / "Bad.otf")]
    assert record["parameters"] == {"words": 2, "seed": 0, "split": None}


def test_a_list_of_all_fonts_gives_the_words_that_their_folder_gives(tmp_path: Path) -> None:
    fonts = tmp_path / "fonts.json"
    write_json(fonts, describe_fonts(find_fonts([RESOURCES / "fonts"], CHARACTERS), share=0.3))
    by_list = {"fonts": None, "fonts-list": fonts}
    whole, listed = render(tmp_path / "folder"), render(tmp_path / "list", **by_list)
    train = render(tmp_path / "train", **by_list, split="train")
    assert (whole / "data.mdb").read_bytes() == (listed / "data.mdb").read_bytes()
    assert (whole / "data.mdb").read_bytes() != (train / "data.mdb").read_bytes()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"fonts": "nowhere"}, "nowhere: no such folder of fonts"),
        ({"lexicon": "nowhere.txt"}, r"nowhere\.txt: not a readable word list"),
        ({"words": 0}, "--words 0: expected 1 or more"),
        ({"seed": -1}, "--seed -1: expected 0 or more"),
        ({"split": "train"}, "--split train: only a list of fonts has splits"),
        ({"fonts": None, "fonts-list": "nowhere.json"}, r"nowhere\.json: no such file"),
    ],
)
def test_a_wrong_argument_stops_before_anything_is_written(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    for stage in (render, sheet):
        with pytest.raises(UserError, match=complaint):
            stage(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_has_a_cell_for_every_word(tmp_path: Path) -> None:
    picture = sheet(tmp_path)
    assert picture.size == (4 * CELL[0], 3 * CELL[1])
    assert picture.mode == "L"
    record = json.loads((tmp_path / "sheet.json").read_text())
    assert record["parameters"] == {"words": 10, "start": 0, "columns": 4, "seed": 0, "split": None}


def test_a_sheet_may_start_at_any_word(tmp_path: Path) -> None:
    first, later = np.asarray(sheet(tmp_path / "first")), np.asarray(sheet(tmp_path / "later", start=4))
    assert np.array_equal(first[CELL[1] : 2 * CELL[1]], later[: CELL[1]])


def test_a_word_fits_its_cell_whatever_its_shape_and_label() -> None:
    words = [(np.zeros(shape, np.uint8), "W" * 60) for shape in ((4, 900), (900, 4), (1, 1), (32, 100))]
    pixels = np.asarray(contact_sheet(words, columns=4))
    assert pixels.shape == (CELL[1], 4 * CELL[0])
    assert (pixels[:, CELL[0] - 1 :: CELL[0]] == 255).all()
