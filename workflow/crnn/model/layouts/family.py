"""What a family of checkpoints is, and the arithmetic that brings one network into the form of another.

All of it is exact: for every image the outputs are the same but for rounding. State dicts are float64 here.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from crnn.model.contract import Blank
from crnn.model.network import BATCH_NORM_AFTER, Pooling

StateDict = dict[str, Tensor]
GateOrder = Literal["ifgo", "igfo"]
Linear = tuple[Tensor, Tensor]  # weight [outputs, inputs], bias [outputs]

EPSILON = 1e-5  # of nn.BatchNorm2d


@dataclass(frozen=True)
class Family:
    """Checkpoints of one code base.

    landmarks: keys that together no other family has; convert: its state dict, which may be changed, to that of
    `CRNN`, gates and classes in the file's order, raising KeyError for a key that is missing; pooling, gate_order,
    blank: what its networks usually have, for no key tells them.
    """

    name: str
    landmarks: tuple[str, ...]
    convert: Callable[[StateDict], StateDict]
    pooling: Pooling = "padded"
    gate_order: GateOrder = "ifgo"
    blank: Blank = "first"

    def prefixes(self, keys: Collection[str]) -> list[str]:
        """What stands before the keys of this family, such as `module.`: once for each network among `keys`."""
        first, *others = self.landmarks
        ends = (key.removesuffix(first) for key in keys if f".{key}".endswith(f".{first}"))
        return [prefix for prefix in ends if all(prefix + other in keys for other in others)]


def renamed(state: StateDict, beginnings: Mapping[str, str]) -> StateDict:
    """`state` with the beginnings of its keys replaced; what begins otherwise stays, and is then refused by name."""
    names = {}
    for name in state:
        old = next((old for old in beginnings if name.startswith(old)), "")
        names[name] = beginnings.get(old, "") + name.removeprefix(old)
    return {names[name]: tensor for name, tensor in state.items()}


def fold_batch_norm(state: StateDict, convolution: str, norm: str) -> None:
    """Let `convolution` do what the batch norm behind it did."""
    gain, shift, mean, variance = (
        state.pop(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
    )
    state.pop(f"{norm}.num_batches_tracked", None)
    factor = gain / (variance + EPSILON).sqrt()
    bias = state.get(f"{convolution}.bias", torch.zeros_like(mean))
    state[f"{convolution}.weight"] = state[f"{convolution}.weight"] * factor.view(-1, 1, 1, 1)
    state[f"{convolution}.bias"] = (bias - mean) * factor + shift


def add_neutral_batch_norms(state: StateDict) -> None:
    """Add the batch norms of `CRNN` to a network that has none; they change nothing."""
    for i in BATCH_NORM_AFTER:
        ones = torch.ones_like(state[f"cnn.conv{i}.bias"])
        state[f"cnn.batchnorm{i}.weight"] = ones * (1 + EPSILON) ** 0.5
        state[f"cnn.batchnorm{i}.bias"] = state[f"cnn.batchnorm{i}.running_mean"] = 0 * ones
        state[f"cnn.batchnorm{i}.running_var"] = ones


def in_a_row(first: Linear, second: Linear) -> Linear:
    """Two linear layers, one behind the other, as one."""
    return second[0] @ first[0], second[0] @ first[1] + second[1]
