"""What the rows of a report are: a deployment of a model, read over a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crnn.model.precision import QUANTISED
from crnn.runtimes.runtime import Runtime

# What stands for a runtime in the row of a cascade, which has none.
CASCADE = Runtime("cascade", "crnn.inference.cascade", ("cascade.json",), (), precisions={"mixed": "fp32"})
MODEL_FILES = {"checkpoint": "weights.safetensors", "raw": "raw.onnx", "fixed": "fixed.onnx"}


@dataclass(frozen=True)
class Deployment:
    """A row of the report: a model file, built for a runtime and fed with one kind of tensors."""

    name: str
    runtime: Runtime
    widths: str
    precision: str
    source: str
    batch: int
    options: Mapping[str, Any]
    models: tuple[str, ...]
    calls: int | None = None
    surgery: list[Any] | None = None
    skip: str | None = None
    cascade: tuple[str, ...] = ()  # the deployments that it is made of
    keep: str = "last"
    accuracy_drop: float = 0.005
    accuracy: float | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """The deployments that it is made of: itself, where it is no cascade."""
        return self.cascade or (self.name,)

    @property
    def variant(self) -> str:
        """The variant of the model file that the precision is made from; fp32 is the file as it is."""
        return self.runtime.precisions[self.precision]

    @property
    def repaired(self) -> str:
        """The stem of the repaired graph that it starts from."""
        return f"fixed.for-{self.name}" if self.surgery is not None else "fixed"

    @property
    def variant_stem(self) -> str:
        """The stem of its variant's file; a quantised one is calibrated for a width rule."""
        widths = f"-{self.widths}" if self.variant in QUANTISED else ""
        return f"{self.repaired}.{self.variant}{widths}"

    @property
    def model_file(self) -> str:
        """The file of a model's folder that its build starts from."""
        if self.variant != "fp32":
            return f"{self.variant_stem}.onnx"
        return MODEL_FILES[self.source] if self.surgery is None else f"{self.repaired}.onnx"

    @property
    def runtime_options(self) -> dict[str, Any]:
        """Its options; for a runtime that makes precisions by itself also which."""
        return {**self.options, **({"precision": self.precision} if self.runtime.makes_precisions else {})}


@dataclass(frozen=True)
class Run:
    """A dataset read with a model by a deployment: one row of the report."""

    dataset: str
    model: str
    deployment: str


@dataclass(frozen=True)
class Reader:
    """What reads words: a stage of a model, or a deployment's build. files: the first is the one that is loaded."""

    files: tuple[str, ...]
    runtime: Runtime
    options: Mapping[str, Any]
    batch: int | str | None = None  # most words in a call, or the plan that says it of every width
    calls: int | None = None

    def devices(self, cores: int) -> int:
        """How many devices a job takes: one for each call under way, as far as its options name `devices`."""
        named = self.options.get("devices")
        return max(1, min(len(named), self.calls or cores)) if isinstance(named, list) else 1
