"""From light to a JPEG file, with what cameras and people do to pictures on the way."""

import io

import numpy as np
from PIL import Image, ImageFilter

from lightning_modules.faces.colour import draw_cast, luminance


def exposed(rng: np.random.Generator, image: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Linear light (H, W, 3) -> sRGB from 0 to 1, exposed for the skin (n, 3) in it: light skin a little above the middle."""
    middle = float(np.median(luminance(skin))) if len(skin) else 0.2
    wanted = np.exp(rng.normal(np.log(0.38), 0.32))
    gain = (wanted / (middle + 1e-3)) ** rng.uniform(0.75, 1.0) * 0.8
    bright = image * gain * draw_cast(rng, 0.05)
    shoulder = rng.uniform(0.55, 0.8)  # film and sensors' curves bend before they saturate
    over = np.maximum(bright - shoulder, 0)
    bright = np.minimum(bright, shoulder) + (1 - shoulder) * over / (over + (1 - shoulder))
    return np.clip(bright, 0, 1) ** np.float32(1 / 2.2)


def photograph(rng: np.random.Generator, image: np.ndarray, size: int) -> bytes:
    """A JPEG file of ``size`` pixels from sRGB (H, W, 3) of more: optics, sensor, processing, compression."""
    picture = Image.fromarray((image * 255 + 0.5).astype(np.uint8))
    lens = rng.choice([0.0, rng.uniform(0.3, 0.8), rng.uniform(0.8, 2.2)], p=[0.55, 0.33, 0.12])
    if lens:
        picture = picture.filter(ImageFilter.GaussianBlur(float(lens) * len(image) / size / 1.5))
    if rng.random() < 0.08:
        picture = _moved(rng, picture)
    small = int(size * rng.uniform(0.3, 0.75)) if rng.random() < 0.15 else size  # enlarged from a small picture
    picture = picture.resize((small, small), Image.Resampling.BOX)
    noisy = _developed(rng, np.asarray(picture, np.float32) / 255)
    picture = Image.fromarray((np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8))
    if small != size:
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    quality = int(rng.integers(30, 75)) if rng.random() < 0.3 else int(rng.integers(75, 96))
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _moved(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Smeared along a line, as by a hand that was not still."""
    length, angle = rng.uniform(2, 7) * picture.width / 256, rng.uniform(0, np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * length
    total = np.zeros((picture.height, picture.width, 3), np.float32)
    for share in np.linspace(-0.5, 0.5, 5):
        dx, dy = step * share
        total += np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy)), np.float32)
    return Image.fromarray((total / 5).astype(np.uint8))


def _developed(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Noise of the sensor, contrast, saturation, vignette; some pictures grey or faded."""
    strength = rng.exponential(0.006)
    grainy = rng.normal(0, 1, image.shape).astype(np.float32)
    grainy = 0.5 * grainy + 0.5 * grainy.mean(2, keepdims=True) * 1.7
    image = image + grainy * strength * np.sqrt(0.2 + image)
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    style = rng.random()
    if style < 0.10:
        image = np.repeat(grey[..., None], 3, axis=2) * (draw_cast(rng, 0.05) if rng.random() < 0.3 else 1)
    else:
        image = grey[..., None] + (image - grey[..., None]) * rng.uniform(0.8, 1.5)
    if style > 0.93:
        image = 0.1 + 0.8 * image * draw_cast(rng, 0.1)
    contrast, pivot = rng.uniform(0.8, 1.25), float(grey.mean())
    image = (image - pivot) * contrast + pivot
    if rng.random() < 0.25:
        y, x = np.mgrid[-1 : 1 : len(image) * 1j, -1 : 1 : len(image) * 1j].astype(np.float32)
        image = image * (1 - rng.uniform(0.05, 0.25) * (x * x + y * y))[..., None]
    return image
