"""The CRNN of Shi et al., "An End-to-End Trainable Neural Network for Image-based Sequence Recognition"
(TPAMI 2017, arXiv:1507.05717): seven convolutions, two bidirectional LSTM layers, log-softmax over classes.

Module names give the state-dict keys that public CRNN ports share (`cnn.conv0.weight`, `rnn.0.rnn.weight_ih_l0`,
`rnn.1.embedding.bias`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from crnn.core.errors import UserError

KERNELS = (3, 3, 3, 3, 3, 3, 2)
BATCH_NORM_AFTER = frozenset({2, 4, 6})
Pooling = Literal["padded", "plain"]
Window = tuple[int | tuple[int, int], int | tuple[int, int], int | tuple[int, int]]  # kernel, stride, padding
HALF: Window = (2, 2, 0)
# The later two poolings halve height only, so narrow characters keep their time steps: the paper's 1×2 windows, as
# most ports implement them, or without neighbours and padding.
HALF_HEIGHT: dict[Pooling, Window] = {"padded": (2, (2, 1), (0, 1)), "plain": ((2, 1), (2, 1), 0)}
Activation = Literal["relu", "leaky-relu"]
LEAK = 0.2  # slope below zero of the ports that have one


@dataclass(frozen=True)
class NetworkSize:
    """What a CRNN is made of; the defaults are the paper's.

    channels: outputs of the seven convolutions; hidden: LSTM units per direction; classes: with the blank; inputs,
    height: channels of an image, and its pixels; mean, std: of pixels from 0 to 1 in training, one number or one per
    channel; between: features between the two LSTM layers, by default `hidden`.
    """

    channels: tuple[int, ...] = (64, 128, 256, 256, 512, 512, 512)
    hidden: int = 256
    classes: int = 37
    inputs: int = 1
    height: int = 32
    activation: Activation = "relu"
    pooling: Pooling = "padded"
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    between: int | None = None

    def __post_init__(self) -> None:
        if len(self.channels) != len(KERNELS) or min(*self.channels, self.hidden, self.classes - 1) < 1:
            raise UserError(f"network {self}: needs {len(KERNELS)} positive channel counts, hidden >= 1, classes >= 2")
        if self.height < 32:
            raise UserError(f"network {self}: needs a height of at least 32; the convolutions leave nothing of less")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "NetworkSize":
        """The size that JSON describes, which has lists for tuples."""
        values: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in fields.items()}
        return cls(**values)

    def steps(self, width: int) -> int:
        """How many time steps an image of a width gives."""
        return width // 4 + (1 if self.pooling == "padded" else -1)


class RecurrentLayer(nn.Module):
    """One bidirectional LSTM and the linear layer that joins its two directions. [T, N, C] to [T, N, outputs]."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(inputs, hidden, bidirectional=True)
        self.embedding = nn.Linear(2 * hidden, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        recurrent, _ = self.rnn(sequence)
        output: Tensor = self.embedding(recurrent)
        return output


def _convolutions(size: NetworkSize) -> nn.Sequential:
    stack = nn.Sequential()
    later = HALF_HEIGHT[size.pooling]
    windows = {0: HALF, 1: HALF, 3: later, 5: later}
    channels = pairwise((size.inputs, *size.channels))
    for i, (kernel, (inputs, outputs)) in enumerate(zip(KERNELS, channels, strict=True)):
        stack.add_module(f"conv{i}", nn.Conv2d(inputs, outputs, kernel, padding=1 if kernel == 3 else 0))
        if i in BATCH_NORM_AFTER:
            stack.add_module(f"batchnorm{i}", nn.BatchNorm2d(outputs))
        leaky = size.activation == "leaky-relu"
        stack.add_module(f"relu{i}", nn.LeakyReLU(LEAK, inplace=True) if leaky else nn.ReLU(inplace=True))
        if i in windows:
            stack.add_module(f"pooling{i}", nn.MaxPool2d(*windows[i]))
    return stack


class Rescale(nn.Module):
    """Images in [-1, 1] to the values that a network was trained on: (p - mean) / std of pixels p in [0, 1]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        means, deviations = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (mean, std))
        self.register_buffer("scale", 0.5 / deviations, persistent=False)
        self.register_buffer("shift", (0.5 - means) / deviations, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return images * self.scale + self.shift


class CRNN(nn.Module):
    """Images float32 [N, inputs, height, W] in [-1, 1] to log-probabilities float32 [T, N, classes].

    T is `size.steps`(W). Where more than one row of features is left of the height, their mean is taken.
    """

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.size = size
        self.rescale = nn.Identity() if {*size.mean, *size.std} == {0.5} else Rescale(size.mean, size.std)
        self.cnn = _convolutions(size)
        between = size.between or size.hidden
        self.rnn = nn.Sequential(
            RecurrentLayer(size.channels[-1], size.hidden, between),
            RecurrentLayer(between, size.hidden, size.classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.cnn(self.rescale(images)))

    def classify(self, features: Tensor) -> Tensor:
        """The recurrent layers: what the convolutions see, [N, channels, rows, T], to log-probabilities [T, N, C]."""
        row = features.squeeze(2) if self.size.height < 48 else features.mean(2)
        logits: Tensor = self.rnn(row.permute(2, 0, 1))
        return logits.log_softmax(2)
