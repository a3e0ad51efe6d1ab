"""What lens, sensor and file do to a picture."""

from __future__ import annotations

import cv2
import numpy as np


def develop(rng: np.random.Generator, linear: np.ndarray) -> np.ndarray:
    """Linear light (H, W, 3) to sRGB uint8: exposure and a soft shoulder."""
    exposed = linear * rng.uniform(0.7, 1.4)
    exposed = exposed / (1 + 0.15 * exposed)
    return (np.sqrt(np.clip(exposed, 0, 1)) * 255).astype(np.uint8)


def linearised(srgb: np.ndarray) -> np.ndarray:
    """sRGB uint8 to linear float32, with `develop`'s gamma of 2."""
    return cv2.LUT(srgb, (np.arange(256, dtype=np.float32) / 255) ** 2)


def _motion(rng: np.random.Generator, size: int) -> np.ndarray:
    kernel = np.zeros((size, size), np.float32)
    angle, half = rng.uniform(0, np.pi), size / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * half
    cv2.line(kernel, tuple(int(v) for v in half - step), tuple(int(v) for v in half + step), 1.0)
    return kernel / max(kernel.sum(), 1e-6)


def capture(rng: np.random.Generator, image: np.ndarray, dim: bool = False) -> np.ndarray:
    """Blur, tone, cast, vignette, grey, noise, low resolution and JPEG, each sometimes; more of
    noise and motion where the light was `dim`. uint8 to uint8."""
    height, width = image.shape[:2]
    chance = rng.random(10)
    if chance[0] < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.3))
    elif chance[0] < (0.6 if dim else 0.44):
        longest = max(9, min(height, width) // 24)
        image = cv2.filter2D(image, -1, _motion(rng, int(rng.integers(3, longest))))
    if chance[1] < 0.12:  # enlarged from a smaller picture
        k = rng.uniform(0.4, 0.85)
        small = cv2.resize(image, (int(width * k), int(height * k)), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    if chance[2] < 0.15:
        image = cv2.addWeighted(
            image, 1.8, cv2.GaussianBlur(image, (0, 0), 1.2), -0.8, 0
        )  # over-sharpened
    curve = np.linspace(0, 1, 256, dtype=np.float32)[:, None].repeat(3, 1)
    if chance[3] < 0.55:
        lift = rng.normal(0, 0.06)
        curve = (curve - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + (abs(lift) + 0.1 if dim else lift)
    if chance[4] < 0.4:
        curve = curve * (1 + rng.normal(0, 0.08, 3)) + rng.normal(0, 0.015, 3)
    if chance[5] < 0.3:
        curve = np.clip(curve, 0, 1) ** rng.uniform(0.7, 1.4)
    image = cv2.LUT(image, (np.clip(curve, 0, 1) * 255).astype(np.uint8)[:, None])
    if chance[6] < 0.3 or chance[7] < 0.08:
        grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
        saturation = 0 if chance[7] < 0.08 else rng.uniform(0.3, 1.5)
        image = np.clip(grey[..., None] + (image - grey[..., None]) * saturation, 0, 255).astype(
            np.uint8
        )
        if saturation == 0 and rng.random() < 0.3:
            image = (image * np.array([1, 0.93, 0.8])).astype(np.uint8)  # sepia
    if chance[8] < 0.6:
        luma = rng.normal(
            0, rng.choice([2, 4, 16 if dim else 8]) * rng.random(), (height, width, 1)
        ).astype(np.float32)
        noisy = image + luma
        if rng.random() < 0.5:
            noisy = noisy + rng.standard_normal((height, width, 3), np.float32) * rng.uniform(0, 5)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
    if chance[9] < 0.6:
        quality = int(rng.uniform(30, 95))
        image = cv2.imdecode(
            cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
            cv2.IMREAD_COLOR,
        )[:, :, ::-1]
    return np.ascontiguousarray(image)
