"""From an encoded image to the network's input: resize what is decoded, and normalise.

This module is the preprocessing contract: training, calibration, accuracy runs and the end-to-end clock all prepare
images here. `Preprocess.describe` holds the hash of a canonical image's tensor; a stage that would prepare words
differently (another OpenCV, another rule) stops instead of scoring garbage.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from crnn.core.errors import UserError
from crnn.data.decode import Pixels, decode
from crnn.data.widths import WidthRule, width_rule

Tensor = npt.NDArray[np.float32]

NORMALISATION = "(pixel / 255 - 0.5) / 0.5"
CHANNELS = (1, 3)
PAD = 127  # the gray level that is nearest to 0 once it is normalised, which PaddleOCR pads with


def _opencv_resize(image: Pixels, width: int, height: int) -> Pixels:
    method = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=method).astype(np.uint8, copy=False)


def _opencv_cubic(image: Pixels, width: int, height: int) -> Pixels:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def _pillow_resize(image: Pixels, width: int, height: int) -> Pixels:
    whole = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(whole.resize((width, height), Image.Resampling.BICUBIC))


RESAMPLERS: dict[str, Callable[[Pixels, int, int], Pixels]] = {
    # Area averaging when shrinking keeps strokes, cubic when growing keeps edges.
    "opencv-area-cubic": _opencv_resize,
    # What much recognition code does; skips pixels when shrinking.
    "opencv-cubic": _opencv_cubic,
    # What the CRNN_Dynamic recipe does; Pillow widens the kernel when shrinking, OpenCV's cubic does not.
    "pillow-bicubic": _pillow_resize,
}

# One table serves every pixel: bit-equal to the formula in float32, and faster than three passes over the image.
_NORMALISED: Tensor = (np.arange(256, dtype=np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)


def normalise(pixels: Pixels) -> Tensor:
    """uint8 of any shape to float32 of that shape, (pixel / 255 - 0.5) / 0.5, in [-1, 1]."""
    return _NORMALISED[pixels]


def normalise_into(pixels: Pixels, out: Tensor) -> None:
    """`normalise` into an existing array of the same shape."""
    np.take(_NORMALISED, pixels, out=out, mode="clip")  # without a mode, NumPy takes the detour of a copy


@dataclass(frozen=True)
class Preprocess:
    """One way of turning an encoded image into the network's input. channels: 1, gray, or 3, blue, green and red."""

    rule: WidthRule
    resampler: str
    channels: int = 1

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "Preprocess":
        """Build from a `widths` entry of the config: {"rule", …, "channels", "interpolation" (both optional)}."""
        fields = dict(settings)
        default = "pillow-bicubic" if fields.get("rule") == "recipe" else "opencv-area-cubic"
        name, channels = fields.pop("interpolation", None) or default, fields.pop("channels", 1)
        if name not in RESAMPLERS:
            raise UserError(f"interpolation {name!r}: expected one of {', '.join(RESAMPLERS)}")
        if channels not in CHANNELS:
            raise UserError(f"channels {channels!r}: expected one of {', '.join(map(str, CHANNELS))}")
        return cls(width_rule(fields), name, channels)

    def decode(self, data: bytes) -> Pixels | None:
        """Encoded image to uint8 [H, W], or [H, W, 3] in colour; None where the bytes are not a whole image."""
        recipe = self.resampler == "pillow-bicubic" and self.channels == 1
        image = decode(data, 3 if recipe else self.channels)
        if image is None or not image.size:
            return None
        # Pillow's gray, which the CRNN_Dynamic recipe makes of colours, is not rounded as OpenCV's is.
        return np.asarray(Image.fromarray(image[..., ::-1]).convert("L")) if recipe else image

    def resize(self, image: Pixels) -> Pixels:
        """What `decode` returns to uint8 [channels, height, tensor width]."""
        size = image.shape[1], image.shape[0]
        width, filled = self.rule(*size), self.rule.filled(*size)
        resized = RESAMPLERS[self.resampler](image, filled, self.rule.height)
        planes = resized[None] if self.channels == 1 else resized.transpose(2, 0, 1)
        return planes if filled == width else np.pad(planes, ((0, 0), (0, 0), (0, width - filled)), constant_values=PAD)

    def tensor(self, image: Pixels) -> Tensor:
        """What `decode` returns to the network's input, float32 [channels, height, tensor width]."""
        return np.ascontiguousarray(normalise(self.resize(image)))

    def describe(self) -> dict[str, Any]:
        """This way in the contract: the rule with its numbers, the resampler, a canonical tensor's hash."""
        numbers: dict[str, Any] = asdict(self.rule)  # type: ignore[call-overload]
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in numbers.items()}
        return {
            "rule": {"name": type(self.rule).__name__.lower(), **plain},
            "channels": self.channels,
            "interpolation": self.resampler,
            "canonical_sha256": self._canonical_hash(),
        }

    def _canonical_hash(self) -> str:
        # Two sizes pin both shrinking and growing; integer arithmetic is the same on every machine.
        digest = hashlib.sha256()
        for height, width in ((57, 171), (19, 64)):
            y, x = np.mgrid[:height, :width]
            gray = ((7 * x + 13 * y + x * y // 5) % 256).astype(np.uint8)
            image = gray if self.channels == 1 else np.stack([gray, gray[::-1], 255 - gray], axis=2)
            digest.update(normalise(self.resize(image)).tobytes())
        return digest.hexdigest()
