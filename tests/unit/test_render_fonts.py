"""Which font files of a folder are used, and why the others are not."""

import logging
import shutil
from pathlib import Path

import pytest

from crnn.errors import UserError
from crnn.render.fonts import find_fonts
from crnn.render.lexicon import CHARACTERS

SHIPPED = Path(__file__).parents[2] / "resources" / "fonts"


def test_every_shipped_font_draws_every_label_character() -> None:
    folder = find_fonts(SHIPPED, CHARACTERS)
    assert len(folder.fonts) == 11
    assert folder.left_out == {}


def test_fonts_come_in_the_order_of_their_paths_from_subfolders_too(tmp_path: Path) -> None:
    for name in ("b.otf", "a/z.otf", "c.OTF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(SHIPPED / "Karla-Regular.otf", tmp_path / name)
    found = [str(font.path.relative_to(tmp_path)) for font in find_fonts(tmp_path, CHARACTERS).fonts]
    assert found == ["a/z.otf", "b.otf", "c.OTF"]


def test_a_font_without_a_glyph_is_left_out_and_the_log_says_which(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        folder = find_fonts(SHIPPED, "aΩЖ")
    assert [font.path.name for font in folder.fonts] == ["RobotoSlab-Bold.otf", "YanoneKaffeesatz-Bold.otf"]
    assert folder.left_out[SHIPPED / "Karla-Regular.otf"] == "has no glyph for 'Ж'"
    assert "Karla-Regular.otf: has no glyph for 'Ж'; left out" in caplog.text


def test_a_broken_font_file_is_left_out(tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "Karla-Regular.otf", tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    folder = find_fonts(tmp_path, CHARACTERS)
    assert [font.path.name for font in folder.fonts] == ["Karla-Regular.otf"]
    assert "not a font" in folder.left_out[tmp_path / "broken.ttf"]


def test_only_a_font_of_capitals_is_unicase() -> None:
    unicase = [font.path.name for font in find_fonts(SHIPPED, CHARACTERS).fonts if font.unicase]
    assert unicase == ["BebasNeue-Regular.otf"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such folder of fonts"):
        find_fonts(tmp_path / "nowhere", CHARACTERS)


def test_a_folder_without_a_usable_font_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it holds no \.ttf or \.otf file"):
        find_fonts(tmp_path, CHARACTERS)
    shutil.copy(SHIPPED / "Karla-Regular.otf", tmp_path)
    with pytest.raises(UserError, match=r"Karla-Regular\.otf has no glyph for '字'"):
        find_fonts(tmp_path, CHARACTERS + "字")
