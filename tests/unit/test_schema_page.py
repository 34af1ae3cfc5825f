"""config/README.md says of every key what the schema says, and docs/configuration.md of every runtime what it is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from crnn.runtimes.registry import known_runtimes
from engine.schema_page import CONFIG, allowed, overlay, page, prose

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((CONFIG / "schema.yaml").read_text(encoding="utf-8"))
PAGE = (CONFIG / "README.md").read_text(encoding="utf-8")
FISH = {
    "$defs": {"name": {"pattern": "^[a-z]+$"}, "count": {"type": "integer", "minimum": 0}},
    "properties": {
        "fish": {
            "description": "What\n is caught.",
            "additionalProperties": {
                "required": ["kind"],
                "properties": {
                    "kind": {"enum": ["eel", "cod"], "description": "Eel | cod; docs/fish.md#kinds, `a < b`, a < b."},
                    "bones": {"$ref": "#/$defs/count", "default": 12, "description": "How many."},
                },
                "allOf": [
                    {
                        "if": {"properties": {"kind": {"const": "eel"}}},
                        "then": {"properties": {"kind": {}, "smoked": {"type": "boolean", "description": "Whether."}}},
                    }
                ],
            },
        }
    },
}


def test_the_page_is_what_its_command_makes_of_the_schema() -> None:
    overlays = sorted(path for path in CONFIG.glob("*.yaml") if path.name != "schema.yaml")
    assert page(SCHEMA, overlays) == PAGE, "make config/README.md"


def test_a_section_has_a_table_of_its_keys_and_one_for_each_condition() -> None:
    assert page(FISH, []).partition("## ")[2] == (
        "fish\n"
        "\n"
        "What is caught.\n"
        "\n"
        "| key | allowed | default | meaning |\n"
        "|---|---|---|---|\n"
        "| `fish.<name>.kind` | `eel`, `cod` | required "
        "| Eel \\| cod; [docs/fish.md#kinds](../docs/fish.md#kinds), `a < b`, a &lt; b. |\n"
        "| `fish.<name>.bones` | whole number ≥ 0 | `12` | How many. |\n"
        "\n"
        "With `kind: eel`:\n"
        "\n"
        "| key | allowed | default | meaning |\n"
        "|---|---|---|---|\n"
        "| `fish.<name>.smoked` | `true` or `false` | — | Whether. |\n"
    )


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number > 0, ≤ 1"),
        ({"type": "string"}, "text"),
        ({"type": "string", "pattern": "^a$"}, "text that matches `^a$`"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}, "list of 2; each: number"),
        (
            {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "contains": {"const": 1}},
            "list; each: whole number, no two equal, `1` among them",
        ),
    ],
)
def test_what_a_value_may_be_is_said_in_words(schema: dict[str, Any], text: str) -> None:
    assert allowed(schema) == text


def test_a_long_default_stands_below_the_table_of_its_branch() -> None:
    branches = SCHEMA["properties"]["models"]["additionalProperties"]["allOf"]
    stated = {
        branch["if"]["required"][0]: {"surgery": branch["then"]["properties"]["surgery"]["default"]}
        for branch in branches
    }
    pattern = r"With `(\w+)`:\n\n[^#]*?The default of `models\.<name>\.surgery`:\n\n```yaml\n(.*?)```"
    shown = {branch: yaml.safe_load(default) for branch, default in re.findall(pattern, PAGE, re.DOTALL)}
    assert shown == stated
    assert shown.keys() == {"checkpoint", "onnx"}


def test_a_config_file_is_introduced_by_its_first_sentence(tmp_path: Path) -> None:
    file = tmp_path / "boat.yaml"
    file.write_text("# A boat: with oars,\n# and a sail. It floats.\n\na: 1\n")
    assert overlay(file) == "| [boat.yaml](boat.yaml) | A boat: with oars, and a sail |"
    file.write_text("a: 1\n")
    with pytest.raises(ValueError, match="expected it to begin with a comment"):
        overlay(file)


def entries(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every (keyword or key, mapping) of a schema, however deep."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if isinstance(value, dict):
                yield name, value
            yield from entries(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from entries(value)


def test_no_comma_cuts_a_description_short() -> None:
    """As one does in a text without quotes between braces; what is behind it becomes a keyword without value."""
    assert [(name, entry) for name, entry in entries(SCHEMA) if None in entry.values()] == []
    described = [entry["description"] for _, entry in entries(SCHEMA) if isinstance(entry.get("description"), str)]
    assert [text for text in described if not text.rstrip().endswith(".")] == []


def test_pages_of_docs_that_descriptions_name_are_links() -> None:
    assert prose("See docs/widths.md.") == "See [docs/widths.md](../docs/widths.md)."
    assert prose("`docs/widths.md`") == "`docs/widths.md`"


def test_the_runtimes_of_the_prose_page_are_those_that_there_are() -> None:
    prose_page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| .+ \|$", prose_page, re.MULTILINE)
    devices = {None: "the processor", "gpu": "a GPU", "npu": "an NPU"}
    assert sorted(rows) == [
        (
            name,
            devices[runtime.device],
            "checkpoint" if runtime.source == "checkpoint" else "ONNX",
            ", ".join(f"`{precision}`" for precision in runtime.precisions),
        )
        for name, runtime in sorted(known_runtimes().items())
    ]
