"""What code hosts and catalogs read of the repository: citation, changes, issue forms, the Snakemake catalog's file."""

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from rule_files import rule_blocks

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))  # config.yml is none
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
# Keep a Changelog 1.1.0
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_citation_is_of_this_project() -> None:
    citation = yaml_of(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "authors", "title"} <= citation.keys()  # what the format demands
    stated = {key: citation[key] for key in ("title", "version", "license", "abstract")}
    assert stated == {
        "title": PROJECT["name"],
        "version": PROJECT["version"],
        "license": PROJECT["license"],
        "abstract": PROJECT["description"],
    }
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()


def test_changes_are_kept_in_the_form_that_they_say() -> None:
    versions = re.findall(r"^## \[(.+?)\](.*)$", CHANGES, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    assert all(re.fullmatch(r" - \d{4}-\d{2}-\d{2}", date) for _, date in versions[1:])
    for section in re.split(r"^## ", CHANGES, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert set(kinds) <= KINDS
        assert all(count == 1 for count in Counter(kinds).values())


def test_the_catalog_offers_conda_because_every_rule_with_a_command_has_an_env() -> None:
    usage = yaml_of(ROOT / ".snakemake-workflow-catalog.yml")["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    commands = [block for block in rule_blocks() if "shell:" in block]
    assert usage["software-stack-deployment"]["conda"] == all("conda:" in block for block in commands)
    assert usage["report"] == any("report(" in block for block in commands)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one_that_the_host_takes(path: Path) -> None:
    form = yaml_of(path)
    assert form.keys() == {"name", "description", "labels", "body"}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert fields  # text alone is refused
    for value in ([field["id"] for field in fields], [field["attributes"]["label"] for field in fields]):
        assert len(set(value)) == len(value)
    assert all(re.fullmatch(r"[\w-]+", field["id"]) for field in fields)
    for field in fields:
        assert ("options" in field["attributes"]) == (field["type"] in ("dropdown", "checkboxes"))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_pages_that_an_issue_form_names_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"`((?:docs|config)/[\w.-]+)`", text)
    assert all((ROOT / page).is_file() for page in named)


def test_forms_have_names_of_their_own() -> None:
    assert len(FORMS) == len({yaml_of(path)["name"] for path in FORMS}) == 3
