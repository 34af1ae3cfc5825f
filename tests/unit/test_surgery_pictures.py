"""The pictures of docs/surgery.md show what the passes do today."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from crnn.model.surgery import PASSES
from networks import EXPORTS
from surgery_pictures import FORMS, before_and_after, draw, region

pytestmark = EXPORTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FORMS)
def test_a_picture_is_what_the_pass_does(name: str) -> None:
    """`PYTHONPATH=workflow:tests python tests/surgery_pictures.py docs/images/surgery` draws them anew."""
    drawn = draw(name)
    ElementTree.fromstring(drawn)
    assert (ROOT / "docs" / "images" / "surgery" / f"{name}.svg").read_text() == drawn


@pytest.mark.parametrize("name", FORMS)
def test_a_pass_is_drawn_where_it_changes_something(name: str) -> None:
    before, after = before_and_after(name)
    assert region(before, after)[0]


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_is_shown_under_its_name(name: str) -> None:
    page = (ROOT / "docs" / "surgery.md").read_text()
    assert f"### {name}\n" in page
    assert name not in FORMS or f"](images/surgery/{name}.svg)" in page
