"""Configs as the rules see them: the shipped one with overlays laid over it, checked, with its defaults."""

from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config, validate

from crnn.runtimes.registry import known_runtimes
from engine.cascades import with_cascades
from engine.config import check_meaning, check_schema, drop_nulls, with_plain_paths
from engine.evaluations import with_evaluations

ROOT = Path(__file__).parents[1]
SCHEMA_FILE = ROOT / "config" / "schema.yaml"
Config = dict[str, Any]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SCHEMA = read(SCHEMA_FILE)


def shipped(*overlays: Config) -> Config:
    """The shipped config with overlays laid over it as `--configfile` lays them."""
    config: Config = read(ROOT / "config" / "config.yaml")
    for overlay in overlays:
        update_config(config, overlay)
    return config


def with_defaults(config: Config) -> Config:
    config = with_plain_paths(drop_nulls(config))
    check_schema(config, SCHEMA)
    validate(config, str(SCHEMA_FILE))
    return with_cascades(with_evaluations(config))


def checked(*overlays: Config) -> Config:
    """As the rules check a config, the files it names too."""
    config = with_defaults(shipped(*overlays))
    check_meaning(config, known_runtimes(), ROOT)
    return config


def nested(key: str, value: object) -> Config:
    """`value` at a dotted key."""
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}
