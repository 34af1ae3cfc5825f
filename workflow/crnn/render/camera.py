"""What lies between a scene and a file of it: resolution, blur, sensor noise, the file's compression.

Not here: the scene; the decoder (`crnn.tensors`).
"""

import cv2
import numpy as np

from crnn.render.chance import happens, log_uniform
from crnn.render.glyphs import Mask
from crnn.render.scene import Image

FAR_HEIGHT = (14, 32)  # px; from the fewest that hold readable letters to the input height of the network
NARROWEST = 4  # px


def step_back(scene: Image, mask: Mask, rng: np.random.Generator) -> tuple[Image, Mask]:
    """Shrink scene and mask together to a distant word's few pixels, two times in five; never enlarge."""
    height, width = scene.shape
    target = round(log_uniform(rng, *FAR_HEIGHT)) if happens(rng, 0.4) else height
    if target >= height:
        return scene, mask
    size = (max(NARROWEST, round(width * target / height)), target)
    return (
        np.asarray(cv2.resize(scene, size, interpolation=cv2.INTER_AREA), np.float32),
        np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.float32),
    )


def expose(scene: Image, rng: np.random.Generator) -> Image:
    """Blur by up to 3.5 % of the height, then add Gaussian noise of up to 12 gray levels."""
    if happens(rng, 0.5):
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.01, 0.035) * scene.shape[0]), np.float32)
    if happens(rng, 0.6):
        scene = scene + rng.normal(0, rng.uniform(1, 12), scene.shape).astype(np.float32)
    return np.clip(scene, 0, 255)


def encode(image: Image, rng: np.random.Generator) -> bytes:
    """Return the image as an 8-bit gray file: PNG or, half of the time, JPEG of quality 40 … 95."""
    pixels = np.rint(image).astype(np.uint8)
    if happens(rng, 0.5):
        _, file = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95, endpoint=True))])
    else:
        _, file = cv2.imencode(".png", pixels)
    return file.tobytes()
