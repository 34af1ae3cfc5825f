"""Which font files of some folders are used, why the others are not, and the list of them with its splits."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crnn.core.errors import UserError
from crnn.data.render.fonts.listing import FontFolder, describe_fonts, find_fonts, read_fonts, split_of
from crnn.data.render.fonts.probe import (
    LEAST_LIKENESS,
    LEAST_OF_WORST,
    Font,
    likeness_of,
    open_face,
    rasterise,
    shape_of,
)
from crnn.data.render.text.lexicon import CHARACTERS
from stage_calls import run_stage

SHIPPED = Path(__file__).parents[2] / "resources" / "fonts"
KARLA = SHIPPED / "Karla-Regular.otf"


@pytest.fixture(scope="module")
def shipped() -> FontFolder:
    return find_fonts([SHIPPED], CHARACTERS)


def test_every_shipped_font_draws_every_label_character(shipped: FontFolder) -> None:
    assert len(shipped.fonts) == 11
    assert shipped.left_out == {}


def test_a_font_has_the_family_that_its_file_names(shipped: FontFolder) -> None:
    families = {font.path.name: font.family for font in shipped.fonts}
    assert families["Karla-Regular.otf"] == "Karla"
    assert families["RobotoSlab-Bold.otf"] == "Roboto Slab"


def test_only_a_font_of_capitals_is_unicase(shipped: FontFolder) -> None:
    assert [font.path.name for font in shipped.fonts if font.unicase] == ["BebasNeue-Regular.otf"]


def test_a_font_says_which_signs_it_really_has(shipped: FontFolder) -> None:
    signs = {font.path.name: font.punctuation for font in shipped.fonts}
    assert set(signs["Karla-Regular.otf"]) >= set(".,!?$%&-'\"é\u20ac")
    for font in shipped.fonts:
        face = open_face(font.path, 32)
        box = rasterise(face, "\uffff").pixels
        assert not any(np.array_equal(rasterise(face, sign).pixels, box) for sign in font.punctuation)


def test_fonts_come_in_the_order_of_their_paths_from_several_folders(tmp_path: Path) -> None:
    for name in ("b/b.otf", "b/a/z.otf", "a/c.OTF"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(KARLA, tmp_path / name)
    found = find_fonts([tmp_path / "b", tmp_path / "a", tmp_path / "b" / "a"], CHARACTERS).fonts
    assert [str(font.path.relative_to(tmp_path)) for font in found] == ["a/c.OTF", "b/a/z.otf", "b/b.otf"]


def test_a_font_without_a_glyph_is_left_out_and_the_log_says_which(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        folder = find_fonts([SHIPPED], "aΩЖ")
    assert [font.path.name for font in folder.fonts] == ["RobotoSlab-Bold.otf", "YanoneKaffeesatz-Bold.otf"]
    assert folder.left_out[KARLA] == "has no glyph for 'Ж'"
    assert "Karla-Regular.otf: has no glyph for 'Ж'; left out" in caplog.text
    assert "9 of 11 font files are left out" in caplog.text


def test_a_broken_font_file_is_left_out(tmp_path: Path) -> None:
    shutil.copy(KARLA, tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    folder = find_fonts([tmp_path], CHARACTERS)
    assert [font.path.name for font in folder.fonts] == ["Karla-Regular.otf"]
    assert "is not a scalable font" in folder.left_out[tmp_path / "broken.ttf"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such folder of fonts"):
        find_fonts([SHIPPED, tmp_path / "nowhere"], CHARACTERS)


def test_folders_without_a_usable_font_are_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.ttf or \.otf file"):
        find_fonts([tmp_path], CHARACTERS)
    shutil.copy(KARLA, tmp_path)
    with pytest.raises(UserError, match=r"Karla-Regular\.otf has no glyph for '字'"):
        find_fonts([tmp_path], CHARACTERS + "字")


def test_letters_under_the_wrong_codes_are_no_letters(shipped: FontFolder) -> None:
    """A symbol font draws something for every code, but nothing that looks like its letter."""
    for font in shipped.fonts:
        face = open_face(font.path, 32)
        shapes = {c: shape_of(rasterise(face, c).pixels) for c in CHARACTERS}
        strangers = np.random.default_rng(0).permutation(np.stack(list(shapes.values())))
        shuffled = dict(zip(CHARACTERS, strangers, strict=True))
        assert likeness_of(shapes)[0] > LEAST_LIKENESS
        assert likeness_of(shapes)[1] > LEAST_OF_WORST
        assert likeness_of(shuffled)[0] < LEAST_LIKENESS


def test_a_glyph_is_placed_by_its_origin_on_the_baseline() -> None:
    face = open_face(KARLA, 40)
    flat, hanging = rasterise(face, "H"), rasterise(face, "p")
    assert flat.top == -flat.pixels.shape[0]
    assert hanging.top + hanging.pixels.shape[0] > 5
    assert flat.advance == pytest.approx(flat.pixels.shape[1], abs=3)


@pytest.mark.parametrize(
    ("family", "relatives"),
    [
        ("Quicksand Medium", "Quicksand"),
        ("Fira Sans Extra Condensed ExtraLight", "Fira Sans"),
        ("LM Roman 10", "LM Roman"),
        ("Open Sans Semi-Bold Italic", "Open Sans"),
        ("Boldini", "Boldini"),
        ("Thin", "Thin"),
        ("3270", "3270"),
    ],
)
def test_weights_and_widths_are_relatives(family: str, relatives: str) -> None:
    assert Font(KARLA, family).relatives == relatives


def test_a_family_is_in_one_split_and_the_share_is_kept() -> None:
    families = [f"{first}{second}" for first in "abcdefghijklmnopqrstuvwxyz" * 2 for second in "abcdefghijklmnopqrst"]
    splits = [split_of(Font(KARLA, family), 0.2) for family in families]
    assert 0.15 < splits.count("validation") / len(splits) < 0.25
    assert splits == [split_of(Font(KARLA, f"{family} Bold"), 0.2) for family in families]
    assert {split_of(Font(KARLA, "Karla"), 0.0), split_of(Font(KARLA, "Karla"), 1.0)} == {"train", "validation"}


def listed(folder: Path, share: float = 0.4) -> Path:
    """Run the stage `list_fonts` on copies of the shipped fonts and a broken one; return the list."""
    (folder / "fonts").mkdir()
    for font in SHIPPED.glob("*.?tf"):
        shutil.copy(font, folder / "fonts")
    (folder / "fonts" / "broken.ttf").write_bytes(b"not a font")
    output = folder / "fonts.json"
    options = ["--fonts", folder / "fonts", "--validation-share", share]
    options += ["--output", output, "--record", folder / "record.json"]
    run_stage("list_fonts", list(map(str, options)))
    return output


def test_a_list_of_fonts_names_files_hashes_splits_and_what_is_left_out(tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads(listed(tmp_path).read_text())
    splits = [font["split"] for font in content["fonts"]]
    assert content["counts"] == {
        "usable": 11,
        "train": splits.count("train"),
        "validation": splits.count("validation"),
        "left_out": 1,
    }
    assert 0 < splits.count("validation") < 11
    assert all(len(font["sha256"]) == 64 for font in content["fonts"])
    assert "not a scalable font" in content["left_out"][str(tmp_path / "fonts" / "broken.ttf")]
    assert json.loads((tmp_path / "record.json").read_text())["results"] == content["counts"]


def test_a_list_is_read_back_as_the_fonts_of_either_split(tmp_path: Path) -> None:
    path = listed(tmp_path)
    train, validation = read_fonts(path, "train"), read_fonts(path, "validation")
    assert sorted(train + validation, key=str) == sorted(read_fonts(path, None), key=str)
    assert set(read_fonts(path, None)) == set(find_fonts([tmp_path / "fonts"], CHARACTERS).fonts)
    assert not {font.relatives for font in train} & {font.relatives for font in validation}


def test_a_listed_font_that_is_gone_or_another_by_now_is_named(tmp_path: Path) -> None:
    path = listed(tmp_path)
    karla = tmp_path / "fonts" / "Karla-Regular.otf"
    shutil.copy(SHIPPED / "Cabin-SemiBold.otf", karla)
    with pytest.raises(UserError, match=r"Karla-Regular\.otf has changed since; list the fonts anew"):
        read_fonts(path, None)
    karla.unlink()
    with pytest.raises(UserError, match=r"Karla-Regular\.otf, which is gone; list the fonts anew"):
        read_fonts(path, None)


def test_an_empty_split_and_another_file_are_refused(tmp_path: Path, shipped: FontFolder) -> None:
    path = tmp_path / "fonts.json"
    path.write_text(json.dumps(describe_fonts(shipped, 0.0)))
    with pytest.raises(UserError, match="lists no font of the split 'validation'"):
        read_fonts(path, "validation")
    path.write_text("[]")
    with pytest.raises(UserError, match="is not a list of fonts"):
        read_fonts(path, None)


def test_a_share_beyond_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--validation-share 5\.0: expected 0 … 1"):
        listed(tmp_path, share=5.0)
