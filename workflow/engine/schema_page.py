"""Print config/README.md: every key of the config with its allowed values, its default and what it means.

  make config/README.md

All of it stands in config/schema.yaml, and what each overlay is for in its first comment. How configs are put together
and checked is docs/configuration.md, written by hand.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

CONFIG = Path(__file__).parents[2] / "config"
INTRODUCTION = """\
# The keys of a configuration

A run starts from [config.yaml](config.yaml). Every file given with `--configfile` is laid over it, key by key, and an
entry that is set to `null` is removed. [docs/configuration.md](../docs/configuration.md) says more, and what is said of
faults.

`make config/README.md` makes this page from [schema.yaml](schema.yaml), which every configuration is checked against;
change that instead. `<name>` stands for a name of yours, which becomes a folder name and matches `{name}`;
`[]` stands for each entry of a list.
"""
BELOW = "below"  # where the default of a key stands that is too long for a cell
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


@dataclass(frozen=True)
class Key:
    """A key that a config may have."""

    path: str
    schema: Schema  # of its value, with what a $ref names filled in
    required: bool
    condition: str = ""  # what it goes with, such as "rule: fixed"; empty where it is allowed always


def keys_of(schema: Schema, definitions: Schema, path: str = "", condition: str = "") -> Iterator[Key]:
    """Every key of a mapping that `schema` describes, depth first, in its order; those with a condition come last."""
    for name, written in schema.get("properties", {}).items():
        if not written:  # a branch that allows what is described before it
            continue
        entry = definitions.get(written.get("$ref", "").removeprefix("#/$defs/"), {}) | written
        key = f"{path}.{name}" if path else name
        yield Key(key, entry, name in schema.get("required", ()), condition)
        yield from keys_of(entry, definitions, key, condition)
    for inner, name in ((schema.get("additionalProperties"), f"{path}.<name>"), (schema.get("items"), f"{path}[]")):
        if isinstance(inner, dict):
            yield from keys_of(inner, definitions, name, condition)
    for branch in schema.get("allOf", ()):
        yield from keys_of(branch["then"], definitions, path, condition_of(branch["if"]))


def condition_of(schema: Schema) -> str:
    """When a branch counts: where a key has a value, or is there."""
    if "required" in schema:
        return str(schema["required"][0])
    ((name, value),) = schema["properties"].items()
    return f"{name}: {value['const']}"


def allowed(schema: Schema) -> str:
    """What a value may be, in Markdown."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    match schema["type"]:
        case [*kinds]:
            return " or ".join(allowed(schema | {"type": kind}) for kind in kinds)
        case "array":
            return allowed_list(schema)
        case "object":
            return "mapping"
        case "string" if "pattern" in schema:
            return f"text that matches `{schema['pattern']}`"
        case kind:
            bounds = [f"{sign} {schema[bound]}" for bound, sign in BOUNDS.items() if bound in schema]
            return " ".join([TYPES[kind], ", ".join(bounds)]).strip()


def allowed_list(schema: Schema) -> str:
    """How many elements a list may have, and which."""
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    size = f" of {least}" if least == most else f" of at least {least}" if least > 1 else ""
    unique = ", no two equal" if schema.get("uniqueItems") else ""
    with_value = f", `{schema['contains']['const']}` among them" if "contains" in schema else ""
    return f"list{size}; each: {allowed(schema['items'])}{unique}{with_value}"


def default(key: Key) -> str:
    """The default of a key, in Markdown."""
    if key.required:
        return "required"
    if "default" not in key.schema or "properties" in key.schema:
        return "—"
    value = key.schema["default"]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return BELOW
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def prose(text: str) -> str:
    """A description as Markdown: pages of docs/ become links, and < shows as it is but where it is code."""

    def outside_code(found: re.Match[str]) -> str:
        code, page, _ = found.groups()
        return code or (f"[{page}](../{page})" if page else "&lt;")

    return re.sub(r"(`[^`]*`)|(docs/[\w-]+\.md(?:#[\w-]+)?)|(<)", outside_code, " ".join(text.split()))


def row(*cells: str) -> str:
    """A line of a table."""
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def table(keys: list[Key]) -> Iterator[str]:
    """A row per key; below it the defaults that are too long for a cell."""
    yield from (row("key", "allowed", "default", "meaning"), "|---|---|---|---|")
    for key in keys:
        yield row(f"`{key.path}`", allowed(key.schema), default(key), prose(key.schema["description"]))
    for key in keys:
        if default(key) == BELOW:
            shown = {key.path.rpartition(".")[2]: key.schema["default"]}
            written = yaml.safe_dump(shown, default_flow_style=None, sort_keys=False)
            yield from ("", f"The default of `{key.path}`:", "", "```yaml", written.rstrip(), "```")


def section(name: str, schema: Schema, definitions: Schema) -> Iterator[str]:
    """One of the keys at the top, with all keys below it."""
    yield from ("", f"## {name}", "", prose(schema["description"]))
    for condition, keys in groupby(keys_of(schema, definitions, name), lambda key: key.condition):
        yield from (["", f"With `{condition}`:"] if condition else [])
        yield from ("", *table(list(keys)))


def overlay(path: Path) -> str:
    """What a config file is for: the first sentence of the comment that it begins with."""
    comment = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines(keepends=True))
    sentence = re.match(r"(.+?)(?:\.\s|:\n)", "".join(line.removeprefix("# ") for line in comment), flags=re.DOTALL)
    if sentence is None:
        raise ValueError(f"{path}: expected it to begin with a comment whose first sentence says what it is for")
    return row(f"[{path.name}]({path.name})", prose(sentence[1]))


def page(schema: Schema, overlays: list[Path]) -> str:
    """The whole page, of a schema and the config files beside it."""
    lines = [INTRODUCTION.format(name=schema["$defs"]["name"]["pattern"]), row("file", "what it is for"), "|---|---|"]
    lines += map(overlay, overlays)
    for name, entry in schema["properties"].items():
        lines += section(name, entry, schema["$defs"])
    return "\n".join([*lines, ""])


def main() -> None:
    """Print the page of config/."""
    schema = CONFIG / "schema.yaml"
    overlays = sorted(path for path in CONFIG.glob("*.yaml") if path != schema)
    print(page(yaml.safe_load(schema.read_text(encoding="utf-8")), overlays), end="")


if __name__ == "__main__":
    main()
