"""What a runtime is: its facts, its two verbs, and the session that it loads. Imports no toolchain."""

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.runtimes.probe import Probe

Options = dict[str, Any]
Device = Literal["gpu", "npu"]


class Session(Protocol):
    """A model loaded on a device.

    `calls` is how many calls of `infer` it takes at a time, from different threads. One that copies to a device may
    also have `transfer_seconds() -> (in, out)`: seconds that copying took since it was asked last. The
    breakdown then shows them apart from `execute`.
    """

    calls: int

    def infer(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Images float32 [N, channels, height, W] to log-probabilities float32 [T, N, classes], both in host memory.

        The images are the caller's again when the call returns.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Facts for the report: `device`, `simulated` (True for a contract double), tool versions.

        Where the toolchain tells, `device_mib`: the device's memory that the session holds, MiB.
        """
        ...

    def close(self) -> None:
        """Release the device."""
        ...


@dataclass(frozen=True)
class Runtime:
    """A way to run a model: the facts that rules and the config check read, and where its verbs are.

    `module` has `build(source, directory, options) -> list[Path]`, which writes `files` into a folder, and
    `load(model, options, threads, calls=1) -> Session`, which gets the first of them and finds the others beside it.
    It may have `check(options, building)`, which raises UserError where this machine cannot build or, if not
    `building`, cannot run; it is asked before a run begins.

    files: what `build` writes. tools: distributions whose versions belong into records. precisions: those that a
    deployment may ask for, each with the variant of the model file that it is made from (`fp32` as it is, or one of
    `crnn.model.precision.VARIANTS`). Where two share a variant, the runtime makes one of them itself, and the options
    name the `precision`. source: what it builds from. device, build_device: what running and building occupy; None is
    the processor. compiles_shapes: its build depends on the shapes that will be asked for; the options then hold
    `width_rule` and `batch` of the deployment or, where its widths are planned, `plan`: width → batch size; and `form`
    (`crnn.runtimes.shapes.Form`). probes: toolkit or driver that is no Python package → where it says its version.
    comparison: the vendor's command that compares the tensors of `{onnx}` and of what was built from it, `{build}`.
    """

    name: str
    module: str
    files: tuple[str, ...]
    tools: tuple[str, ...]
    precisions: Mapping[str, str] = field(default_factory=lambda: {"fp32": "fp32"})
    source: Literal["onnx", "checkpoint"] = "onnx"
    device: Device | None = None
    build_device: Device | None = None
    compiles_shapes: bool = False
    probes: Mapping[str, Probe] = field(default_factory=dict)
    comparison: str | None = None

    @property
    def makes_precisions(self) -> bool:
        """Whether it makes precisions by itself, and so must be told which: two come from the same file."""
        return len(set(self.precisions.values())) < len(self.precisions)

    def build(self, source: Path, directory: Path, options: Options) -> list[Path]:
        """Turn a model file into what the device loads: write `files` into `directory` and return them."""
        return cast(list[Path], self._verbs().build(source, directory, options))

    def load(self, model: Path, options: Options, threads: int, calls: int = 1) -> Session:
        """Load a model file: the first of what `build` wrote, or one of that kind.

        threads: CPU cores that the session may use. calls: how many will be under way at a time; on the CPU they share
        the cores. Where the device takes another number of calls, the session's `calls` says so.
        """
        return cast(Session, self._verbs().load(model, options, threads, calls))

    def check(self, options: Options, building: bool) -> None:
        """Raise UserError where this machine cannot build, or run, as far as the runtime can tell."""
        check = getattr(self._verbs(), "check", None)
        if check is not None:
            check(options, building)

    def _verbs(self) -> ModuleType:
        try:
            return importlib.import_module(self.module)
        except ImportError as error:
            absent = isinstance(error, ModuleNotFoundError)
            fault = (
                f"the Python package {error.name!r} is not installed here" if absent else f"cannot be loaded ({error})"
            )
            raise UserError(
                f"runtime {self.name}: {fault}; run with `--sdm conda` to get it from envs/{self.name}.yaml, "
                f"or install it into this environment"
            ) from error


def checked_flag(options: Options, name: str) -> bool:
    """An option that is on or off, off where it is not given. Raises UserError where it is neither."""
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise UserError(f"options.{name} is {value!r}; expected true or false")
    return value


def checked_whole(options: Options, name: str, low: int, high: int | None = None, default: int = 0) -> int:
    """An option that is a whole number from `low` to `high`. Raises UserError where it is none."""
    value = options.get(name, default)
    if type(value) is not int or value < low or (high is not None and value > high):
        allowed = f"from {low}" if high is None else f"from {low} to {high}"
        raise UserError(f"options.{name} is {value!r}; expected a whole number {allowed}")
    return value


def checked_choice(options: Options, name: str, allowed: Collection[str], default: str | None = None) -> str:
    """An option that names one of `allowed`, by default the first. Raises UserError where it names none."""
    value = options.get(name, default or next(iter(allowed)))
    if value not in allowed:
        raise UserError(f"options.{name} is {value!r}; expected one of {', '.join(allowed)}")
    return str(value)


def check_options(options: Options, *known: str) -> None:
    """Raise UserError where a deployment's `options` hold a key that its runtime does not know."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UserError(f"options: unknown key {', '.join(map(repr, unknown))}; allowed: {', '.join(known) or 'none'}")
