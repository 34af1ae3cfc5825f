"""Cascades: a deployment that is made of others, each of which reads what the one before it is not sure of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.config import Config, ConfigError, models_of, picked
from engine.layout import Layout, canonical
from engine.rows import CASCADE, Deployment, Run

OF_CASCADES = ("keep", "accuracy_drop", "accuracy")  # keys that only a cascade has
OF_MEMBERS = ("runtime", "widths", "models", "calls", "surgery")  # keys that its members have instead


def with_cascades(config: Config) -> Config:
    """The config with what a cascade's row has of its members: widths of the first, the model of the last.

    Raises ConfigError where a member cannot be one, or an entry has keys that are not for it.
    """
    deployments = config["deployments"]
    if faults := list(_faults(deployments, config)):
        raise ConfigError(faults)
    made = {name: _completed(entry, config) if "cascade" in entry else entry for name, entry in deployments.items()}
    return {**config, "deployments": made}


def _faults(deployments: Config, config: Config) -> Iterator[str]:
    for name, entry in deployments.items():
        key = f"deployments.{name}"
        if "cascade" not in entry:
            if extra := picked(entry, *OF_CASCADES):
                yield f"{key}: has {', '.join(extra)}, which are for a cascade"
            continue
        for member in entry["cascade"]:
            found = deployments.get(member)
            if found is None or "cascade" in found or "skip" in found:
                yield f"{key}.cascade names {member!r}; expected other deployments that are run and are no cascades"
            elif len(models_of(found, config)) > 1:
                yield f"{key}.cascade names {member!r}, which is for several models; name its one in its `models`"
        if extra := picked(entry, *OF_MEMBERS):
            yield f"{key}: has cascade and {', '.join(extra)}, which its members say"
        if "accuracy" in entry and "accuracy_drop" in entry:
            yield f"{key}: has accuracy and accuracy_drop; expected one of them"


def _completed(entry: Config, config: Config) -> dict[str, Any]:
    first, last = (config["deployments"][entry["cascade"][place]] for place in (0, -1))
    return {
        **entry,
        "runtime": CASCADE.name,
        "widths": first["widths"],
        "source": last["source"],
        "precision": "mixed",
        "models": list(models_of(last, config)),
    }


@dataclass(frozen=True)
class CascadeLayout:
    """What the jobs of a cascade read: lookups over those of its members, by its name."""

    layout: Layout

    @property
    def names(self) -> list[str]:
        return [name for name in self.layout.deployments if name not in self.layout.alone]

    @property
    def runtimes(self) -> tuple[str, ...]:
        """The files of the runtimes that members run on, relative to workflow/."""
        used = {member.runtime.module for name in self.names for member, _ in self.members(name)}
        return tuple(f"{module.replace('.', '/')}.py" for module in sorted(used))

    def members(self, cascade: str) -> list[tuple[Deployment, str]]:
        """Its members in order, each with its model."""
        members = [self.layout.deployments[name] for name in self.layout.deployments[cascade].cascade]
        return [(member, member.models[0]) for member in members]

    def readings(self, dataset: str, cascade: str, part: str = "1") -> list[str]:
        """What each member reads of a part of a dataset."""
        folder = f"{self.layout.results}/predictions/{dataset}"
        return [f"{folder}/{model}/{each.widths}/{each.name}/{part}.parquet" for each, model in self.members(cascade)]

    def samples(self, dataset: str, cascade: str) -> str:
        """The words of a dataset that is in one part."""
        return self.layout.tensors(dataset, self.members(cascade)[0][0].widths, "samples.parquet")[0]

    def files(self, cascade: str) -> list[str]:
        """All that its members load, or that says how they read."""
        members, layout = self.members(cascade), self.layout
        builds = [file for member, model in members for file in layout.build(model, member.name)]
        plans = [file for member, _ in members for file in layout.plan(member.widths)]
        return [*builds, *(layout.model(model, "contract.json") for _, model in members), *plans]

    def gates(self, dataset: str, cascade: str) -> list[str]:
        """The batching gates of its members."""
        runs = [Run(dataset, model, member.name) for member, model in self.members(cascade)]
        return [self.layout.run_file(run, "batching.json") for run in runs]

    def bundles(self, cascade: str) -> list[str]:
        """The bundles of its members."""
        return [self.layout.bundle(model, member.name) for member, model in self.members(cascade)]

    def options(self, cascade: str) -> list[str]:
        """--member of each of its members (stages.run.time_cascade)."""
        return [f"--member={canonical(self._described(*member))}" for member in self.members(cascade)]

    def _described(self, member: Deployment, model: str) -> dict[str, Any]:
        reader = self.layout.reader(model, member.widths, member.name)
        return {
            "runtime": reader.runtime.name,
            "options": reader.options,
            "calls": reader.calls,
            "model": reader.files[0],
            "contract": self.layout.model(model, "contract.json"),
            "widths": self.layout.width_rule(member.widths),
            "batch": str(reader.batch),
        }

    def goal(self, cascade: str) -> dict[str, float]:
        """What its threshold has to keep."""
        entry = self.layout.deployments[cascade]
        if entry.accuracy is not None:
            return {"accuracy": entry.accuracy}
        return {"accuracy_drop": entry.accuracy_drop}
