"""The recogniser's contract: what stands between an image and a text, as data.

Import brings every model to one form, `imgs` float32 [N, channels, height, W] in [-1, 1] → `output1` float32
[T, N, classes], log-probabilities with the blank first. What is left to know of a model is here: written to
contract.json and into the metadata of its ONNX files, and read by every later stage.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from crnn.core.errors import UserError
from crnn.core.files import read_json, write_json
from crnn.model.charset import Charset

INPUT, OUTPUT = "imgs", "output1"
# Three different symbols: a shared one would claim that batch, width and steps are equal.
SYMBOLS = {INPUT: {0: "N", 3: "W"}, OUTPUT: {0: "T", 1: "N"}}

# ATC reads opsets 9 to 13 in every release that is still in use; IR version 8 belongs to opset 15 and is read by all.
OPSETS = (11, 12, 13)
NEWEST_IR = 8

METADATA = "contract"  # key of an ONNX file's metadata

SAMPLED_WIDTHS = (*range(64, 80), 101, 160, 200, 320)  # at which time steps are counted

Colour = Literal["gray", "rgb", "bgr"]
Axes = Literal["TNC", "NTC"]
Values = Literal["logits", "log-probabilities", "probabilities"]
Blank = Literal["first", "last"]


@dataclass(frozen=True)
class Input:
    """Images as the network was trained on them: `channels` of `colour`, (pixel / 255 - mean) / std.

    mean, std: one for all channels, or one for each. Gray in three channels is the same image three times.
    """

    height: int = 32
    channels: int = 1
    colour: Colour = "gray"
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "Input":
        """Build from a model's `input`. Raises UserError naming the key that is wrong."""
        given = dict(settings)
        for key in {"mean", "std"} & given.keys():
            given[key] = tuple(given[key]) if isinstance(given[key], list) else (given[key],)
        if given.get("channels", 1) > 1 and "colour" not in given:
            raise UserError("input.colour is missing; of three channels expected gray, rgb or bgr")
        try:
            return cls(**given)
        except TypeError as error:
            raise UserError(f"input: {error}") from error

    def __post_init__(self) -> None:
        if self.colour not in get_args(Colour) or (self.channels == 1 and self.colour != "gray"):
            raise UserError(f"input.colour is {self.colour!r}; with channels: {self.channels} expected gray")
        for key in ("mean", "std"):
            values = getattr(self, key)
            if len(values) not in (1, self.channels) or (key == "std" and min(values) <= 0):
                raise UserError(f"input.{key} is {list(values)}; expected one number, or one for each channel")

    @property
    def tensor_channels(self) -> int:
        """Channels of the tensors that words are prepared as: gray is one, whatever the network takes."""
        return 1 if self.colour == "gray" else self.channels

    @property
    def affine(self) -> list[tuple[float, float]]:
        """(scale, shift) of each channel that turn (p - .5) / .5 into (p - mean) / std, p from 0 to 1."""
        means, stds = (each * (self.channels // len(each)) for each in (self.mean, self.std))
        return [(0.5 / std, (0.5 - mean) / std) for mean, std in zip(means, stds, strict=True)]


@dataclass(frozen=True)
class Output:
    """What the network gave before it was brought to the one form."""

    axes: Axes = "TNC"
    values: Values = "logits"
    blank: Blank = "first"


@dataclass(frozen=True)
class Steps:
    """How many time steps T an image of a width gives: (W + shift) // stride."""

    stride: int = 4
    shift: int = 4

    @classmethod
    def of(cls, counted: Callable[[int], int], widths: Iterable[int] = SAMPLED_WIDTHS) -> "Steps | None":
        """The formula of the steps that were counted for some widths; None where there is none."""
        found = {width: counted(width) for width in widths}
        first, last = min(found), max(found)
        stride = 1 if first == last else round((last - first) / max(found[last] - found[first], 1))
        shifts = range(stride * found[first] - first, stride * (found[first] + 1) - first)
        formulas = (cls(stride, shift) for shift in shifts)
        return next((f for f in formulas if all(f(width) == steps for width, steps in found.items())), None)

    def __call__(self, width: int) -> int:
        return (width + self.shift) // self.stride

    def narrowest(self, steps: int) -> int:
        """The smallest width that gives so many time steps."""
        return self.stride * steps - self.shift


@dataclass(frozen=True)
class Contract:
    """A recogniser's contract. batch, width: the only ones that its graph takes; None where that axis is free.

    `steps` is None where no formula of `Steps` was found.
    """

    charset: Charset
    input: Input = field(default_factory=Input)
    output: Output = field(default_factory=Output)
    steps: Steps | None = field(default_factory=Steps)
    batch: int | None = None
    width: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"charset": list(self.charset.characters)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Contract":
        steps = value["steps"]
        told = Charset(value["charset"]), Input.from_settings(value["input"]), Output(**value["output"])
        return cls(*told, Steps(**steps) if steps else None, value["batch"], value["width"])

    def write(self, path: Path) -> None:
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> "Contract":
        """Raises UserError where an import did not write the file."""
        value = read_json(path)
        try:
            return cls.from_json(value)
        except (KeyError, TypeError, UserError) as error:
            raise UserError(f"{path}: is no contract of a recogniser ({error!r}); delete it and run again") from error

    def metadata(self) -> dict[str, str]:
        """What an ONNX file carries."""
        return {METADATA: json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))}

    def most(self, batch: int) -> int:
        """Words in a call: `batch`, or the one size that the graph takes."""
        return batch if self.batch is None else self.batch

    def batch_of(self, batch_of: Callable[[int], int]) -> Callable[[int], int]:
        """Most words in a call by width, as far as the graph takes them."""
        return lambda width: self.most(batch_of(width))

    def check_tensors(self, height: int, channels: int, widths: Sequence[int]) -> None:
        """Raise UserError where tensors of this form, and of any of these widths, are none for the model."""
        wanted = (self.input.height, self.input.tensor_channels)
        if (height, channels) != wanted:
            raise UserError(
                f"the width rule makes tensors of height {height} and {channels} channels, the model takes height "
                f"{wanted[0]} and {wanted[1]}; give the deployment's widths those"
            )
        if self.width is not None and list(widths) != [self.width]:
            raise UserError(
                f"the model takes tensors of width {self.width} alone, the width rule makes other ones; use "
                f"{{rule: fixed, width: {self.width}}}, or export the model with a free width"
            )
