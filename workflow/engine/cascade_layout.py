"""What the jobs of a cascade read: lookups over those of its members."""

from dataclasses import dataclass
from typing import Any

from engine.layout import Deployment, Layout, canonical


@dataclass(frozen=True)
class CascadeLayout:
    """The lookups, by the name of a cascade."""

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
        folder = f"{self.layout.results}/runs/{dataset}"
        return [f"{folder}/{model}/{member.name}/batching.json" for member, model in self.members(cascade)]

    def bundles(self, cascade: str) -> list[str]:
        """The bundles of its members."""
        return [f"{self.layout.results}/bundles/{model}/{member.name}" for member, model in self.members(cascade)]

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
