"""The convolutions of a training step in float32 on a processor, by fewer multiplications.

PyTorch 2.13 computes a convolution directly, and the gradient of its weights at half the rate of a matrix product.
By Winograd's F(4 × 4, 3 × 3) a convolution and both of its gradients are 36 matrix products each, with a quarter of the
multiplications: a step of the full network takes three quarters of the time (two cores with AVX2, 64 words 100 wide).
Results differ by rounding.
"""

from itertools import product
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn.model.winograd import FILTER, INPUT, INPUTS, OUTPUT, OUTPUTS

FEWEST_INPUTS = 128  # channels; with fewer, moving tiles about costs what the multiplications spare
WHOLE = slice(0, INPUTS)
PARTS = (slice(0, OUTPUTS), slice(OUTPUTS, INPUTS))


def convolved(layers: nn.Sequential, images: Tensor) -> Tensor:
    """What `layers` make of images float32 [N, C, H, W]: `layers(images)`, with wide convolutions by Winograd."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and _is_suited(layer) and layer.bias is not None:
            images = convolution(images, layer.weight, layer.bias)
        else:
            images = layer(images)
    return images


def convolution(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.conv2d` with a padding of 1: images [N, C, H, W], weight [O, C, 3, 3], bias [O]. Channels-last is fast."""
    return cast(Tensor, _Winograd.apply(images, weight)) + bias.view(1, -1, 1, 1)  # type: ignore[no-untyped-call]


def _is_suited(layer: nn.Conv2d) -> bool:
    return layer.kernel_size == (3, 3) and layer.padding == (1, 1) and layer.in_channels >= FEWEST_INPUTS


def _both_ways(matrix: np.ndarray[Any, Any]) -> Tensor:
    """The matrix that applies `matrix` along rows and columns of a tile at once."""
    return torch.from_numpy(np.kron(matrix, matrix)).float()


class _Winograd(torch.autograd.Function):
    """Tiles are [row in the tile, column in the tile, N, tiles down, tiles across, channel] throughout.

    So the sums over a tile are one matrix product, and leave the 36 matrices of the channels' products in order.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor) -> Tensor:
        (n, inputs, height, width), outputs = images.shape, weight.shape[0]
        down, across = -(-height // OUTPUTS), -(-width // OUTPUTS)
        padding = (0, 0, 1, OUTPUTS * across + 1 - width, 1, OUTPUTS * down + 1 - height)
        padded = F.pad(images.permute(0, 2, 3, 1), padding)
        tiles = _cut(padded, WHOLE, WHOLE, down, across).reshape(INPUTS**2, -1)
        tiles = (_both_ways(INPUT) @ tiles).view(INPUTS**2, -1, inputs)
        taps = weight.permute(2, 3, 1, 0).reshape(9, -1)
        factors = (_both_ways(FILTER) @ taps).view(INPUTS**2, inputs, outputs)
        ctx.save_for_backward(tiles, factors)
        ctx.shape = (n, height, width, down, across)
        products = torch.bmm(tiles, factors).view(INPUTS**2, -1)
        columns = (_both_ways(OUTPUT) @ products).view(OUTPUTS, OUTPUTS, n, down, across, outputs)
        joined = columns.permute(2, 3, 0, 4, 1, 5).reshape(n, OUTPUTS * down, OUTPUTS * across, outputs)
        return joined[:, :height, :width].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        tiles, factors = ctx.saved_tensors
        n, height, width, down, across = ctx.shape
        inputs, outputs = factors.shape[1:]
        padding = (0, 0, 0, OUTPUTS * across - width, 0, OUTPUTS * down - height)
        gradient = F.pad(gradients[0].permute(0, 2, 3, 1), padding)
        gradient = gradient.view(n, down, OUTPUTS, across, OUTPUTS, outputs).permute(2, 4, 0, 1, 3, 5)
        gradient = (_both_ways(OUTPUT).T @ gradient.reshape(OUTPUTS**2, -1)).view(INPUTS**2, -1, outputs)
        of_factors = torch.bmm(tiles.transpose(1, 2), gradient).view(INPUTS**2, -1)
        of_weight = (_both_ways(FILTER).T @ of_factors).view(3, 3, inputs, outputs).permute(3, 2, 0, 1)
        of_tiles = torch.bmm(gradient, factors.transpose(1, 2)).view(INPUTS**2, -1)
        of_tiles = (_both_ways(INPUT).T @ of_tiles).view(INPUTS, INPUTS, n, down, across, inputs)
        of_padded = gradient.new_zeros(n, OUTPUTS * down + 2, OUTPUTS * across + 2, inputs)
        _add_tiles(of_padded, of_tiles)
        return of_padded[:, 1 : height + 1, 1 : width + 1].permute(0, 3, 1, 2), of_weight


def _cut(padded: Tensor, rows: slice, columns: slice, down: int, across: int) -> Tensor:
    """These rows and columns of every tile of [N, H, W, C], as a view; tiles begin OUTPUTS apart and so overlap."""
    image, row, column, channel = padded.stride()
    return padded.as_strided(
        (rows.stop - rows.start, columns.stop - columns.start, padded.shape[0], down, across, padded.shape[3]),
        (row, column, image, OUTPUTS * row, OUTPUTS * column, channel),
        rows.start * row + columns.start * column,
    )


def _add_tiles(padded: Tensor, tiles: Tensor) -> None:
    """Add tiles to where they are cut from, in parts that do not overlap: of those that do, some would be lost."""
    down, across = tiles.shape[3:5]
    for rows, columns in product(PARTS, repeat=2):
        _cut(padded, rows, columns, down, across).add_(tiles[rows, columns])
