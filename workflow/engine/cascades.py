"""Cascades: a deployment that is made of others, each of which reads what the one before it is not sure of."""

from collections.abc import Iterator
from typing import Any

from engine.config import Config, ConfigError, models_of

RUNTIME = "cascade"
OF_CASCADES = ("keep", "accuracy_drop", "accuracy")  # keys that only a cascade has
OF_MEMBERS = ("runtime", "widths", "models", "calls", "surgery")  # keys that its members have instead


def with_cascades(config: Config) -> Config:
    """The config with what a cascade's row has of its members: widths of the first, the model of the last.

    Raises ConfigError where a member cannot be one, or a deployment is neither a cascade nor a runtime with widths.
    """
    deployments = config["deployments"]
    faults = [
        fault
        for name, entry in deployments.items()
        for fault in (_cascade_faults(name, config) if "cascade" in entry else _faults_alone(name, entry))
    ]
    if faults:
        raise ConfigError(faults)
    made = {name: _completed(entry, config) if "cascade" in entry else entry for name, entry in deployments.items()}
    return {**config, "deployments": made}


def _faults_alone(name: str, entry: Config) -> Iterator[str]:
    if lost := [key for key in ("runtime", "widths") if key not in entry]:
        yield f"deployments.{name}: missing key {', '.join(map(repr, lost))}"
    if extra := [key for key in OF_CASCADES if key in entry]:
        yield f"deployments.{name}: has {', '.join(extra)}, which are for a cascade"


def _cascade_faults(name: str, config: Config) -> Iterator[str]:
    key, entry, deployments = f"deployments.{name}", config["deployments"][name], config["deployments"]
    for member in entry["cascade"]:
        found = deployments.get(member)
        if found is None or "cascade" in found or "skip" in found:
            yield f"{key}.cascade names {member!r}; expected other deployments that are run and are no cascades"
        elif len(models_of(found, config)) > 1:
            yield f"{key}.cascade names {member!r}, which is for several models; name its one in its `models`"
    if extra := [each for each in OF_MEMBERS if each in entry]:
        yield f"{key}: has cascade and {', '.join(extra)}, which its members say"
    if "accuracy" in entry and "accuracy_drop" in entry:
        yield f"{key}: has accuracy and accuracy_drop; expected one of them"


def _completed(entry: Config, config: Config) -> dict[str, Any]:
    first, last = (config["deployments"][entry["cascade"][place]] for place in (0, -1))
    return {
        **entry,
        "runtime": RUNTIME,
        "widths": first["widths"],
        "source": last["source"],
        "precision": "mixed",
        "models": list(models_of(last, config)),
    }
