"""README.md and README.zh-CN.md are one text in two languages; the numbers measured stand where they were measured."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LANGUAGES = ("README.md", "README.zh-CN.md")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Section:
    """What a part of a page says that no translation changes, from one heading to the next."""

    level: int
    blocks: tuple[str, ...]  # of code, with their language
    links: Counter[str]
    pictures: tuple[str, ...]
    code: Counter[str]  # within lines
    numbers: Counter[str]
    table: tuple[int, ...]  # columns of each row


def section(part: str) -> Section:
    blocks = tuple(BLOCK.findall(part))
    prose = BLOCK.sub("", part)
    links = Counter(target for target in re.findall(r"\]\(([^)]+)\)", prose) if target not in LANGUAGES)
    pictures = tuple(re.findall(r'<img src="([^"]+)"', prose))
    prose = re.sub(r"\]\([^)]+\)|<img [^>]+>", "", prose)
    return Section(
        level=len(part) - len(part.lstrip("#")),
        blocks=blocks,
        links=links,
        pictures=pictures,
        code=Counter(re.findall(r"`([^`]+)`", prose)),
        numbers=Counter(re.findall(r"\d+(?:\.\d+)*", prose)),
        table=tuple(line.count("|") for line in prose.splitlines() if line.startswith("|")),
    )


def sections(text: str) -> list[Section]:
    code = [range(*block.span()) for block in BLOCK.finditer(text)]  # where a # begins a comment
    headings = [heading.start() for heading in re.finditer(r"^#+ ", text, re.MULTILINE)]
    starts = [start for start in headings if not any(start in block for block in code)]
    return [section(text[start:end]) for start, end in pairwise([*starts, len(text)])]


def differences(one: str, other: str) -> list[str]:
    """A line for each place where two texts are not translations of each other."""
    return [
        f"section {number}: {field} {getattr(ours, field, None)} | {getattr(theirs, field, None)}"
        for number, (ours, theirs) in enumerate(zip_longest(sections(one), sections(other)))
        for field in Section.__dataclass_fields__
        if getattr(ours, field, None) != getattr(theirs, field, None)
    ]


def test_both_languages_have_the_same_sections_links_code_and_numbers() -> None:
    assert differences(*map(text_of, LANGUAGES)) == []


@pytest.mark.parametrize(
    ("written", "changed", "field"),
    [
        ("# Boat\n", "## Boat\n", "level"),
        ("# Boat\n", "# Boat\n# Oars\n", "level"),
        ("# Boat\n```console\n$ row\n```\n", "# Boat\n```console\n$ sail\n```\n", "blocks"),
        ("# Boat\n[oars](a.md#top)\n", "# Boat\n[oars](a.md)\n", "links"),
        ('# Boat\n<img src="a.png" alt="boat">\n', '# Boat\n<img src="b.png" alt="boat">\n', "pictures"),
        ("# Boat\n`make boat`\n", "# Boat\n`make`\n", "code"),
        ("# Boat\n1.5 m\n", "# Boat\n1.6 m\n", "numbers"),
        ("# Boat\n| a | b |\n", "# Boat\n| a |\n", "table"),
    ],
)
def test_a_change_of_one_language_alone_is_found(written: str, changed: str, field: str) -> None:
    assert any(f": {field} " in line for line in differences(written, changed))
    assert differences(written, written.replace("Boat", "船")) == []


@pytest.mark.parametrize(("name", "other"), [LANGUAGES, LANGUAGES[::-1]])
def test_each_language_leads_to_the_other(name: str, other: str) -> None:
    assert f"]({other})" in text_of(name).partition("\n## ")[0]


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_pictures_are_there(name: str) -> None:
    pictures = [picture for part in sections(text_of(name)) for picture in part.pictures]
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)


def test_measured_numbers_are_those_of_the_pages_on_measuring() -> None:
    measured = text_of("README.md").partition("## What it measures\n")[2].partition("\n## ")[0]
    numbers = set(re.findall(r"\d+\.\d+", measured))
    assert numbers
    pages = text_of("docs/measuring.md") + text_of("benchmarks/README.md")
    assert numbers <= set(re.findall(r"\d+\.\d+", pages))
