"""Which shapes a deployment will ask for, and a model takes: what a runtime that compiles shapes builds for."""

from dataclasses import asdict, dataclass, field
from typing import Any

from crnn.data.widths import OF_PIXELS, width_rule
from crnn.model.contract import Contract, Steps


def asked_widths(settings: dict[str, Any]) -> tuple[int, ...]:
    """Every width, ascending, that the width rule of a deployment's `widths` entry gives a word."""
    return tuple(width_rule({key: value for key, value in settings.items() if key not in OF_PIXELS}).possible())


@dataclass(frozen=True)
class Form:
    """What a model's tensors have besides batch size and width: channels and rows of images, and time steps.

    steps is None where no formula says them. What is here stands in the facts of a build.
    """

    channels: int = 1
    height: int = 32
    steps: Steps | None = field(default_factory=Steps)

    @classmethod
    def of(cls, contract: Contract) -> "Form":
        return cls(contract.input.tensor_channels, contract.input.height, contract.steps)

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Form":
        """The form in the facts of a build, or in its options; a CRNN's where they name none."""
        named = facts.get("form", asdict(cls()))
        return cls(**{**named, "steps": Steps(**named["steps"]) if named["steps"] else None})

    def images(self, batch: int, width: int) -> tuple[int, int, int, int]:
        """The shape of images."""
        return batch, self.channels, self.height, width

    def most_steps(self, width: int) -> int:
        """Time steps of a width; where no formula says them, as many as there may be."""
        return self.steps(width) if self.steps else width


def awaits_plan(options: dict[str, Any]) -> bool:
    """Whether the shapes follow from a plan that is not made yet, as when a runtime is asked before a run."""
    return "plan" not in options and options.get("width_rule", {}).get("rule") == "planned"
