"""The stage `render_words`, from its arguments to an LMDB of words."""

import json
from pathlib import Path

import pytest

import render_words
from crnn.errors import UserError
from crnn.render.lexicon import CHARACTERS
from crnn.words import Words

RESOURCES = Path(__file__).parents[2] / "resources"


def render(folder: Path, **changes: object) -> Path:
    """Run the stage with its results in `folder`; return the LMDB folder."""
    options = {
        "words": 20,
        "seed": 0,
        "fonts": RESOURCES / "fonts",
        "lexicon": RESOURCES / "words" / "english.txt",
        "output": folder / "words.lmdb",
        "record": folder / "words.json",
    } | changes
    command = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    render_words.main(render_words.arguments().parse_args(command))
    return folder / "words.lmdb"


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
    assert record["parameters"] == {"words": 2, "seed": 0}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"fonts": "nowhere"}, "nowhere: no such folder of fonts"),
        ({"lexicon": "nowhere.txt"}, r"nowhere\.txt: not a readable word list"),
        ({"words": 0}, "--words 0: expected 1 or more"),
        ({"seed": -1}, "--seed -1: expected 0 or more"),
    ],
)
def test_a_wrong_argument_stops_before_anything_is_written(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        render(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []
