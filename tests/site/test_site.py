"""The site that `make docs` makes: without a warning, whole in itself, and with links that lead to what is there.

What can be said of the pages without making the site is in tests/unit/test_docs.py.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from rule_files import ROOT

ATTRIBUTES = {"href", "src", "srcset", "data", "poster"}


@dataclass
class Page(HTMLParser):
    """What a page links to and loads, and the places within it that a link can lead to."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    language: str | None = None

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        named = [value for name, value in found.items() if name in ATTRIBUTES]
        (self.links if tag == "a" else self.loaded).extend(named)
        if tag == "html":
            self.language = found.get("lang")


def command_of(target: str) -> str:
    """The one command that the Makefile has for a target, in the environment of these tests."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--old-file=setup", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.replace(".venv/bin/", f"{Path(sys.executable).parent}/")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    command = command_of("docs").replace(" build/", f" {folder}/")
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def inside(page: Page, target: str) -> tuple[Path, str] | None:
    """File and anchor that a link of a page names; nothing for one that leads out of the site."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    return path, unquote(parts.fragment)


def places(pages: dict[Path, Page], kind: str) -> Iterator[tuple[Page, str, Path, str]]:
    for page in pages.values():
        for target in getattr(page, kind):
            place = inside(page, target)
            if place:
                yield page, target, *place


def test_every_page_of_the_repository_is_a_page_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    folders = (ROOT / name for name in ("docs", "config", "benchmarks", "resources"))
    found = [*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))]
    wanted = {path.relative_to(ROOT).with_suffix(".html") for path in found}
    assert wanted - {path.relative_to(site) for path in pages} == set()


def test_every_link_leads_to_a_place_in_the_site(pages: dict[Path, Page]) -> None:
    lost = [
        f"{page.path.name}: {target}"
        for page, target, path, anchor in places(pages, "links")
        if not path.is_file() or (anchor and path in pages and anchor not in pages[path].ids)
    ]
    assert lost == []


def test_every_picture_and_style_is_in_the_site(pages: dict[Path, Page]) -> None:
    found = list(places(pages, "loaded"))
    assert any(path.suffix == ".svg" for *_, path, _ in found)
    assert {target for _, target, path, _ in found if not path.is_file()} == set()


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert [target for page in pages.values() for target in page.loaded if inside(page, target) is None] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert styles
    assert [
        found for text in styles for found in re.findall(r"""(?:url\(|@import)\s*["']?(?:https?:)?//\S+""", text)
    ] == []


def test_the_folder_opens_at_the_documentation(site: Path) -> None:
    assert "url=docs/index.html" in (site / "index.html").read_text(encoding="utf-8")


def test_a_configuration_is_shown_and_not_downloaded(site: Path, pages: dict[Path, Page]) -> None:
    assert "config/cpu.html" in pages[site / "README.html"].links
    shown = re.sub(r"<[^>]+>", "", (site / "config" / "cpu.html").read_text(encoding="utf-8"))
    assert "openvino-bf16:" in shown


def test_a_page_says_its_language(site: Path, pages: dict[Path, Page]) -> None:
    assert pages[site / "README.html"].language == "en"
    assert pages[site / "README.zh-CN.html"].language == "zh-CN"
