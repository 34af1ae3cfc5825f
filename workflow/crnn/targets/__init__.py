"""Devices and their toolchains, one module each: `build` files from a model, `load` them as a `Runtime`.

Adding a device is adding a module here (and an env and a config entry): the module's name is the `runtime` of a
deployment. Its toolchain is imported when it is used, never before, so that each stage's env holds one toolchain.

Not here: clocks (`crnn.measure` times a runtime from outside), texts.
"""

import importlib
import pkgutil
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from crnn.errors import UserError

Options = dict[str, Any]


class Runtime(Protocol):
    """A model loaded on a device.

    `lanes` is how many calls of `infer` it takes at a time, from different threads. One that copies to a device of its
    own may also have `transfer_seconds() -> (in, out)`: seconds that copying took since the last time it was asked,
    which the breakdown then shows apart from `execute`.
    """

    lanes: int

    def infer(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Images float32 [N, 1, 32, W] to log-probabilities float32 [T, N, classes], both in host memory.

        The images are the caller's again when the call returns.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Facts for the report: `device`, `simulated` (True for a contract double), tool versions."""
        ...

    def close(self) -> None:
        """Release the device."""
        ...


class Target(Protocol):
    """What a module of this package provides.

    `FILES` names what `build` writes. The rules read it from the module's source, so it is a literal tuple.
    `TOOLS` names the distributions whose versions belong into the records of what was built and run.
    A module that builds from the imported weights and from no ONNX file says `SOURCE = "checkpoint"`.
    A module that computes in more than fp32 says `PRECISIONS = {"fp32": "fp32", "bf16": "fp32"}` or the like: the
    precisions that a deployment may ask for, each with the form of the model file that it is made from, which is `fp32`
    as it is or one of `crnn.precision.FORMS`. Where two share a form, one is the target's own making, and its options
    then hold the deployment's `precision`, too.
    A module of a device also says `DEVICE = "npu"` or `"gpu"`, and `BUILD_DEVICE` where building takes one too. The
    rules read these from the source and ask for the device; nothing in the library does.
    A module whose build depends on the shapes that will be asked for says `COMPILES_SHAPES = True`; its options then
    hold `batch` and `width_rule` of the deployment, too. Where its widths are planned, `build` finds `plan` instead of
    `batch`, each width and its batch size as whole numbers; `check` is asked before there is a plan.
    It may have `check(options, building)`, which raises UserError where this machine cannot build or, if not
    `building`, cannot run; it is asked before a run begins.
    """

    FILES: tuple[str, ...]
    TOOLS: tuple[str, ...]

    def build(self, source: Path, directory: Path, options: Options) -> list[Path]:
        """Turn a model file into what the device loads: write FILES into `directory` and return them."""
        ...

    def load(self, directory: Path, options: Options, threads: int, lanes: int = 1) -> Runtime:
        """Load what `build` wrote.

        threads: CPU cores that the runtime may use. lanes: calls that will be under way at a time; on the CPU they
        share the cores. A target whose device takes another number of calls says so in the runtime's `lanes`.
        """
        ...


def known_targets() -> list[str]:
    """Names of the target modules, whether or not their toolchains are installed."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def target(name: str) -> Target:
    """Import a target by name. Raises UserError where it is unknown or its toolchain is not installed."""
    if name not in known_targets():
        raise UserError(f"runtime {name!r}: expected one of {', '.join(known_targets())}")
    try:
        return cast(Target, importlib.import_module(f"crnn.targets.{name}"))
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError)
        fault = f"the Python package {error.name!r} is not installed here" if absent else f"cannot be loaded ({error})"
        raise UserError(
            f"runtime {name}: {fault}; run with `--sdm conda` to get it from envs/{name}.yaml, "
            f"or install it into this environment"
        ) from error


def check_target(name: str, options: Options, building: bool) -> None:
    """Raise UserError where this machine cannot build for a target, or run on it, as far as its module can tell."""
    check = getattr(target(name), "check", None)
    if check is not None:
        check(options, building)


def check_options(options: Options, *known: str) -> None:
    """Raise UserError where a deployment's `options` hold a key that its target does not know."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UserError(f"options: unknown key {', '.join(map(repr, unknown))}; allowed: {', '.join(known) or 'none'}")
