"""What lies between a scene and a file of it: resolution, blur, tone, sensor noise, sharpening, compression."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from crnn.data.render.chance import happens, log_uniform, one_of
from crnn.data.render.scene.grounds import Image, blurred, noise
from crnn.data.render.scene.painting import Scene

Pixels = npt.NDArray[np.uint8]

LEAST_HEIGHT = 10  # px, of the smallest crops of scene-text sets
LEAST_LETTER = (3.5, 7.5)  # px, width and height of a letter that can still be told from others
FAR = 0.58  # share of words of fewer pixels than they are drawn with
FAR_HEIGHT = (LEAST_HEIGHT, 40)  # px; four in ten of all crops end up at 32 px or less
ENLARGED = 0.3  # share of the distant ones that were enlarged again
NARROWEST = 4  # px
BLURS = {"none": 0.47, "gaussian": 0.29, "defocus": 0.10, "motion": 0.14}
NOISES = {"none": 0.48, "sensor": 0.38, "coarse": 0.14}
DEVIATION = (0.8, 18)  # gray levels of noise
SHARPENED = 0.12
TONED = 0.25
JPEG = 0.55
QUALITY = (12, 95)


@dataclass(frozen=True)
class Shot:
    """pixels: uint8 [H, W]. quality: of the JPEG file it becomes, or None for a PNG file."""

    pixels: Pixels
    quality: int | None


def step_back(scene: Scene, text: tuple[float, float], rng: np.random.Generator) -> Scene:
    """Shrink a scene to a distant word's few pixels, at times to enlarge it again as web images are.

    text: width of a character and height of the text, in px of the scene.
    """
    height, width = scene.word.shape
    least = height * max(LEAST_LETTER[0] / text[0], LEAST_LETTER[1] / text[1])
    target = max(round(log_uniform(rng, *FAR_HEIGHT)), round(least)) if happens(rng, FAR) else height
    if target >= height:
        return scene
    small = max(NARROWEST, round(width * target / height)), target
    shrink = one_of(rng, {cv2.INTER_AREA: 8, cv2.INTER_LINEAR: 1, cv2.INTER_CUBIC: 1})
    scene = scene.mapped(lambda image: cv2.resize(image, small, interpolation=shrink))
    if happens(rng, ENLARGED):
        factor = rng.uniform(1.2, 3)
        enlarge = one_of(rng, {cv2.INTER_CUBIC: 3, cv2.INTER_LANCZOS4: 2, cv2.INTER_LINEAR: 2, cv2.INTER_NEAREST: 0.3})
        large = round(small[0] * factor), round(small[1] * factor)
        return scene.mapped(lambda image: cv2.resize(image, large, interpolation=enlarge))
    return scene


def focus(scene: Scene, height: float, rng: np.random.Generator) -> Scene:
    """Blur a scene or not, at most as far as letters of `height` px remain readable."""
    blur = one_of(rng, BLURS)
    if blur == "none":
        return scene
    if blur == "gaussian":
        sigma = log_uniform(rng, 0.012, 0.05) * height
        return scene.mapped(lambda image: blurred(image, sigma))
    if blur == "defocus":
        kernel = _disc(rng.uniform(0.02, 0.06) * height)
    else:
        kernel = _streak(rng.uniform(0.05, 0.15) * height, rng)
    return scene.mapped(lambda image: cv2.filter2D(image, -1, kernel))


def _disc(radius: float) -> Image:
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)


def _streak(length: float, rng: np.random.Generator) -> Image:
    """The path of a shaken camera, straight, more often sideways than not."""
    angle = rng.normal(0, 0.5) if happens(rng, 0.6) else rng.uniform(0, np.pi)
    reach = int(np.ceil(length / 2))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, aside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    streak = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(aside), 0, 1)
    return np.asarray(streak / streak.sum(), np.float32)


def expose(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Return the scene with the camera's tone curve, sharpening and noise, and the deviation of that noise."""
    if happens(rng, TONED):
        gamma = np.float32(log_uniform(rng, 0.6, 1.7))
        scene = scene.mapped(lambda image: 255 * (np.clip(image, 0, 255) / 255) ** gamma)
    if happens(rng, SHARPENED):
        sigma, amount = rng.uniform(0.6, 1.8), np.float32(rng.uniform(0.5, 2.0))
        scene = scene.mapped(lambda image: image + amount * (image - blurred(image, sigma)))
    kind, deviation = one_of(rng, NOISES), log_uniform(rng, *DEVIATION)
    if kind == "none":
        return scene, 0.0
    grain = noise(scene.word.shape, "white", 1.0 if kind == "sensor" else rng.uniform(1.3, 2.5), rng)
    return replace(scene, word=scene.word + np.float32(deviation) * grain), deviation


def shoot(image: Image, rng: np.random.Generator) -> Shot:
    """Return 8-bit pixels, a little more than half of them to be a JPEG file."""
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return Shot(pixels, int(rng.integers(*QUALITY, endpoint=True)) if happens(rng, JPEG) else None)


def encode(shot: Shot) -> bytes:
    """Return a gray PNG or JPEG file."""
    if shot.quality is None:
        return cv2.imencode(".png", shot.pixels)[1].tobytes()
    return cv2.imencode(".jpg", shot.pixels, [cv2.IMWRITE_JPEG_QUALITY, shot.quality])[1].tobytes()


def developed(shot: Shot) -> Pixels:
    """Return the pixels that decoding the file gives, without a file where it changes none."""
    if shot.quality is None:
        return shot.pixels
    decoded = cv2.imdecode(np.frombuffer(encode(shot), np.uint8), cv2.IMREAD_GRAYSCALE)
    if decoded is None:
        raise RuntimeError("OpenCV does not read the JPEG file it wrote")
    return np.asarray(decoded, np.uint8)
