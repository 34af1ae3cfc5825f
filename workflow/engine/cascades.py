"""Cascades: a deployment that is made of others, each of which reads what the one before it is not sure of.

Not here: reading with one (`crnn.inference.cascade`).
"""

from typing import Any

from engine.config import Config, ConfigError, models_of

RUNTIME = "cascade"


def with_cascades(config: Config) -> Config:
    """The config with what a cascade's row has of its members: widths of the first, the model of the last.

    Raises ConfigError where a member cannot be one.
    """
    deployments = config["deployments"]
    faults = [fault for name, entry in deployments.items() if "cascade" in entry for fault in _faults(name, config)]
    faults += [
        f"deployments.{name}: missing key {key!r}"
        for name, entry in deployments.items()
        for key in ("runtime", "widths")
        if "cascade" not in entry and key not in entry
    ]
    if faults:
        raise ConfigError(faults)
    made = {name: _completed(entry, config) if "cascade" in entry else entry for name, entry in deployments.items()}
    return {**config, "deployments": made}


def _faults(name: str, config: Config) -> list[str]:
    key, entry, deployments = f"deployments.{name}", config["deployments"][name], config["deployments"]
    faults = [
        f"{key}.cascade names {member!r}; expected other deployments that are run and no cascades"
        for member in entry["cascade"]
        if "cascade" in deployments.get(member, {"cascade": []}) or "skip" in deployments[member]
    ]
    for member in entry["cascade"]:
        if member in deployments and len(models_of(deployments[member], config)) > 1:
            faults.append(f"{key}.cascade names {member!r}, which is for several models; name its one in its `models`")
    if extra := [each for each in ("runtime", "widths", "models") if each in entry]:
        faults.append(f"{key}: has cascade and {', '.join(extra)}, which its members say")
    return faults


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
