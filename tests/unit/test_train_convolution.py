"""Convolutions by Winograd against PyTorch's own, in values and in gradients."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crnn.model.network import CRNN, NetworkSize
from crnn.train.convolution import FEWEST_INPUTS, convolution, convolved


def close(ours: Tensor, theirs: Tensor) -> bool:
    """Equal up to what Winograd's sums lose of single precision."""
    return bool((ours - theirs).abs().max() < 1e-4 * theirs.abs().max())


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 25), (4, 26), (1, 1), (3, 6), (5, 9)])
def test_a_convolution_and_its_gradients_are_pytorchs(height: int, width: int) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 5, height, width).to(memory_format=torch.channels_last).requires_grad_()
    weight, bias = torch.randn(7, 5, 3, 3, requires_grad=True), torch.randn(7, requires_grad=True)
    ours, theirs = convolution(images, weight, bias), F.conv2d(images, weight, bias, padding=1)
    assert close(ours, theirs)
    arrives = torch.randn_like(theirs)
    for mine, other in zip(
        torch.autograd.grad(ours, (images, weight, bias), arrives),
        torch.autograd.grad(theirs, (images, weight, bias), arrives),
        strict=True,
    ):
        assert mine.shape == other.shape
        assert close(mine, other)


def test_images_may_lie_in_memory_in_any_order() -> None:
    images, weight, bias = torch.randn(2, 5, 8, 9), torch.randn(7, 5, 3, 3), torch.randn(7)
    ours = convolution(images.to(memory_format=torch.channels_last), weight, bias)
    assert torch.equal(ours, convolution(images, weight, bias))


def test_a_network_sees_the_same() -> None:
    torch.manual_seed(0)
    network, images = CRNN(NetworkSize()), torch.randn(2, 1, 32, 100)
    wide = [layer for layer in network.cnn if isinstance(layer, nn.Conv2d) and layer.in_channels >= FEWEST_INPUTS]
    assert len(wide) > 1
    network.eval()
    with torch.inference_mode():
        assert close(convolved(network.cnn, images), network.cnn(images))
