"""What a target module declares, read from its source: the rules need it, and its toolchain need not be installed."""

import ast
from pathlib import Path
from typing import Any

DEVICES = ("gpu", "npu")  # the resources that rules ask for


def built_files(module: Path) -> tuple[str, ...]:
    """The value of the module's `FILES`: names of the files its `build` writes.

    Raises ValueError where the module does not assign FILES a literal tuple of names.
    """
    files = _literal(module, "FILES")
    if isinstance(files, tuple) and files and all(isinstance(name, str) for name in files):
        return files
    raise ValueError(f'{module}: expected FILES = ("…",), a literal tuple with the names of the files it builds')


def occupied_device(module: Path, name: str) -> str | None:
    """The device of `DEVICES` that a job occupies, None for the processor alone: the value of the module's `name`.

    `DEVICE` is what loading its build takes, `BUILD_DEVICE` what building takes. Either may be left out. Raises
    ValueError for a device that no rule asks for.
    """
    value: str | None = _literal(module, name)
    if value is None or value in DEVICES:
        return value
    raise ValueError(f"{module}: {name} is {value!r}; expected one of {', '.join(map(repr, DEVICES))}, or no {name}")


def offered_precisions(module: Path) -> dict[str, str]:
    """Precision → form of the model file that it is built from: the value of the module's `PRECISIONS`.

    fp32 alone where it has none. Raises ValueError where the value is not a literal dict of names.
    """
    offered = _literal(module, "PRECISIONS")
    if offered is None:
        return {"fp32": "fp32"}
    named = isinstance(offered, dict) and all(isinstance(name, str) for pair in offered.items() for name in pair)
    if named and offered:
        return dict(offered)
    raise ValueError(f'{module}: expected PRECISIONS = {{"fp32": "fp32", …}}, a literal dict: precision, form of file')


def makes_precisions(offered: dict[str, str]) -> bool:
    """Whether a target makes precisions by itself, and so must be told which: two come from the same file."""
    return len(set(offered.values())) < len(offered)


def _literal(module: Path, name: str) -> Any:
    """The literal that the module assigns to `name`, None where it assigns none."""
    for node in ast.parse(module.read_bytes()).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            return ast.literal_eval(node.value)
    return None


def compiles_shapes(module: Path) -> bool:
    """Whether the module says `COMPILES_SHAPES = True`: its build depends on the shapes that will be asked for."""
    return any(ast.unparse(node) == "COMPILES_SHAPES = True" for node in ast.parse(module.read_bytes()).body)


def occupied_cards(options: dict[str, Any], lanes: int) -> int:
    """How many cards a job takes with `lanes` calls under way: one for each, as far as its options name `devices`."""
    devices = options.get("devices")
    return max(1, min(len(devices), lanes)) if isinstance(devices, list) else 1


def takes_weights(module: Path) -> bool:
    """Whether the module says `SOURCE = "checkpoint"`: it builds from the imported weights, and from no ONNX file."""
    return bool(_literal(module, "SOURCE") == "checkpoint")


def declared_targets(folder: Path) -> dict[str, tuple[str, ...]]:
    """Every target module of a folder with the files it builds, by name."""
    return {path.stem: built_files(path) for path in sorted(folder.glob("[!_]*.py"))}
