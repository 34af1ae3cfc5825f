"""Another look for words that are learned from again: moved, lit, blurred, noisy, coarse or compressed anew.

Everything happens to a whole batch at once on the device where it lies; each word draws its own amounts. Three words
in ten are no more than stretched, and each property of the others changes as often as not.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

AS_BEFORE = 0.3  # share of words that are stretched alone
WIDER = (0.9, 1.25)  # factors of a batch's width
NARROWEST, STEP = 40, 8  # px, of a width
BLUR = 7  # px, side of a blur's kernel
BLOCK = 8  # px, side of JPEG's blocks
# Of JPEG's luminance table (ITU-T T.81, K.1): the steps grow with the frequency from 16 to about 100.
COARSENESS = 12.0


def another_look(pixels: Tensor) -> Tensor:
    """uint8 [N, 32, W], a batch of words, to float32 [N, 32, W'] in [-1, 1], W' a multiple of 8."""
    images = pixels[:, None].float() / 255
    wide = max(NARROWEST, STEP * round(images.shape[3] * float(torch.empty(1).uniform_(*WIDER)) / STEP))
    stretched = F.interpolate(images, (images.shape[2], wide), mode="bilinear", align_corners=False)
    changed = _moved(images, wide)
    for change in (_lit, _toned, _blurred, _coarse, _noisy, _compressed):
        changed = change(changed)
    return torch.where(_some(images, AS_BEFORE), stretched, changed.clamp(0, 1))[:, 0] * 2 - 1


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    """A number for each word, [N, 1, 1, 1]."""
    return torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(low, high)


def _normal(images: Tensor, deviation: float) -> Tensor:
    return torch.randn(len(images), 1, 1, 1, device=images.device) * deviation


def _some(images: Tensor, share: float) -> Tensor:
    """True for that share of the words, [N, 1, 1, 1]."""
    return _uniform(images, 0, 1) < share


def _moved(images: Tensor, wide: int) -> Tensor:
    """`wide` px wide; each cropped otherwise, slanted, turned, tapered and bent."""
    height, width = images.shape[2:]
    y = torch.linspace(-1 + 1 / height, 1 - 1 / height, height, device=images.device).view(1, 1, -1, 1)
    x = torch.linspace(-1 + 1 / wide, 1 - 1 / wide, wide, device=images.device).view(1, 1, 1, -1)
    some = _some(images, 0.7)
    slope, bend, taper = (_normal(images, deviation) * some for deviation in (0.08, 0.06, 0.07))
    slant = _normal(images, 0.12) * some * height / width
    down = y * _uniform(images, 0.9, 1.1) * (1 + taper * x) + slope * x + bend * (x * x - 1 / 3) + _normal(images, 0.03)
    across = (x + slant * y) * _uniform(images, 0.96, 1.04) + _normal(images, 0.02) * height / width
    grid = torch.stack([across.expand_as(down), down], dim=-1)[:, 0]
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _field(images: Tensor, rows: int, columns: int) -> Tensor:
    """Smooth random values about 0 with so many bumps down and across."""
    bumps = torch.randn(len(images), 1, rows, columns, device=images.device)
    return F.interpolate(bumps, images.shape[2:], mode="bilinear", align_corners=True)


def _lit(images: Tensor) -> Tensor:
    """Light that is uneven, and grounds with a grain."""
    light = 1 + _field(images, 2, 4) * _uniform(images, 0.05, 0.3) * _some(images, 0.3)
    grain = _field(images, 8, images.shape[3] // 4) * _uniform(images, 0.02, 0.1) * _some(images, 0.25)
    return (images * light + grain).clamp(0, 1)


def _toned(images: Tensor) -> Tensor:
    """Other contrast, brightness and gamma; dark on light for light on dark."""
    images = images + _some(images, 0.3) * (1 - 2 * images)
    some = _some(images, 0.6)
    images = images.clamp_min(1e-4) ** torch.exp(_normal(images, 0.3) * some)
    middle = images.mean(dim=(2, 3), keepdim=True)
    contrast = 1 + (_uniform(images, 0.55, 1.3) - 1) * some
    return ((images - middle) * contrast + middle + _uniform(images, -0.1, 0.1) * some).clamp(0, 1)


def _blurred(images: Tensor) -> Tensor:
    """Out of focus, shaken along a line, or sharpened."""
    angle, side = _uniform(images, 0, math.pi), torch.arange(BLUR, device=images.device) - BLUR // 2
    y, x = side.view(1, 1, -1, 1), side.view(1, 1, 1, -1)
    along, aside = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    kernel = torch.exp(-((along / _uniform(images, 0.3, 1.9)) ** 2 + (aside / _uniform(images, 0.3, 1.0)) ** 2) / 2)
    kernel = kernel / kernel.sum(dim=(2, 3), keepdim=True)
    kind = _uniform(images, 0, 1)
    amount = torch.where(kind < 0.4, 1.0, torch.where(kind < 0.5, -0.7, 0.0))  # blurred, sharpened, neither
    around = F.pad(images.transpose(0, 1), (BLUR // 2,) * 4, mode="replicate")
    return images + amount * (F.conv2d(around, kernel, groups=len(images)).transpose(0, 1) - images)


def _coarse(images: Tensor) -> Tensor:
    """Of so few pixels as a distant word has."""
    height, width = images.shape[2:]
    factor = float(torch.empty(1).uniform_(1.3, 2.6))
    small = F.interpolate(images, (round(height / factor), round(width / factor)), mode="bilinear", antialias=True)
    again = F.interpolate(small, (height, width), mode="bicubic", align_corners=False)
    return torch.where(_some(images, 0.15), again, images)


def _noisy(images: Tensor) -> Tensor:
    return images + torch.randn_like(images) * _uniform(images, 0, 0.09) * _some(images, 0.4)


def _compressed(images: Tensor) -> Tensor:
    """Rounded in frequency, block by block, as JPEG does it."""
    n, _, height, width = images.shape
    side = torch.arange(BLOCK, device=images.device, dtype=torch.float32)
    waves = torch.cos(math.pi / BLOCK * (side + 0.5) * side[:, None]) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    steps = (16 + COARSENESS * (side + side[:, None]).clamp_max(7)) / 255
    quantum = steps.view(1, 1, BLOCK, 1, BLOCK) * _uniform(images, 0.3, 2.2).view(n, 1, 1, 1, 1)
    blocks = images.view(n, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    there = torch.einsum("fy,nryqx,gx->nrfqg", waves, blocks, waves)
    back = torch.einsum("fy,nrfqg,gx->nryqx", waves, torch.round(there / quantum) * quantum, waves)
    return torch.where(_some(images, 0.2), back.reshape(images.shape), images)
