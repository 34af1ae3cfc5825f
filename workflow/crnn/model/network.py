"""The CRNN of Shi et al., "An End-to-End Trainable Neural Network for Image-based Sequence Recognition"
(TPAMI 2017, arXiv:1507.05717): seven convolutions, two bidirectional LSTM layers, log-softmax over classes.

Module names give the state-dict keys that public CRNN ports share (`cnn.conv0.weight`, `rnn.0.rnn.weight_ih_l0`,
`rnn.1.embedding.bias`). Not here: other layouts of the same weights (`crnn.model.checkpoint`), exporting, training.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from crnn.core.errors import UserError

KERNELS = (3, 3, 3, 3, 3, 3, 2)
BATCH_NORM_AFTER = frozenset({2, 4, 6})
Pooling = tuple[int | tuple[int, int], int | tuple[int, int], int | tuple[int, int]]
# Pooling after a convolution: (kernel, stride, padding). The later two halve height only, so narrow characters
# keep their time steps (the paper's 1×2 windows, as the ports implement them).
POOL_AFTER: dict[int, Pooling] = {
    0: (2, 2, 0),
    1: (2, 2, 0),
    3: ((2, 2), (2, 1), (0, 1)),
    5: ((2, 2), (2, 1), (0, 1)),
}


@dataclass(frozen=True)
class NetworkSize:
    """Sizes of a CRNN: output channels of the seven convolutions, LSTM hidden units, classes with the blank."""

    channels: tuple[int, ...] = (64, 128, 256, 256, 512, 512, 512)
    hidden: int = 256
    classes: int = 37

    def __post_init__(self) -> None:
        if len(self.channels) != len(KERNELS) or min(*self.channels, self.hidden, self.classes - 1) < 1:
            raise UserError(f"network {self}: needs {len(KERNELS)} positive channel counts, hidden >= 1, classes >= 2")


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


def _convolutions(channels: tuple[int, ...]) -> nn.Sequential:
    stack = nn.Sequential()
    for i, (kernel, outputs) in enumerate(zip(KERNELS, channels, strict=True)):
        inputs = channels[i - 1] if i else 1
        stack.add_module(f"conv{i}", nn.Conv2d(inputs, outputs, kernel, padding=1 if kernel == 3 else 0))
        if i in BATCH_NORM_AFTER:
            stack.add_module(f"batchnorm{i}", nn.BatchNorm2d(outputs))
        stack.add_module(f"relu{i}", nn.ReLU(inplace=True))
        if i in POOL_AFTER:
            window, stride, padding = POOL_AFTER[i]
            stack.add_module(f"pooling{i}", nn.MaxPool2d(window, stride, padding))
    return stack


class CRNN(nn.Module):
    """Images float32 [N, 1, 32, W] in [-1, 1] to log-probabilities float32 [T, N, classes], T = W // 4 + 1."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.cnn = _convolutions(size.channels)
        self.rnn = nn.Sequential(
            RecurrentLayer(size.channels[-1], size.hidden, size.hidden),
            RecurrentLayer(size.hidden, size.hidden, size.classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.cnn(images))

    def classify(self, features: Tensor) -> Tensor:
        """The recurrent layers: what the convolutions see, [N, channels[-1], 1, T], to log-probabilities [T, N, C]."""
        logits: Tensor = self.rnn(features.squeeze(2).permute(2, 0, 1))
        return logits.log_softmax(2)
