"""Things in front of the people: they hide labels too."""

from __future__ import annotations

import numpy as np

from synthetic import background
from synthetic.photos import Bank


def _paint(rng: np.random.Generator, bank: Bank, canvas: np.ndarray) -> None:
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(1, 3))):
        x = rng.uniform(0, 1) * width
        match rng.integers(7):
            case 0:
                background.pole(
                    rng, canvas, x, height * rng.uniform(0.7, 1.1), height * rng.uniform(0.3, 1.1)
                )
            case 1:
                background.box3d(
                    rng,
                    bank,
                    canvas,
                    x - 0.2 * width,
                    height * rng.uniform(0.9, 1.1),
                    width * rng.uniform(0.1, 0.5),
                    height * rng.uniform(0.08, 0.4),
                )
            case 2:
                background.leaves(
                    rng,
                    canvas,
                    x,
                    height * rng.choice([0, 1]),
                    height * rng.uniform(0.15, 0.45),
                    int(rng.integers(30, 150)),
                )
            case 3:  # a table or railing across the frame
                y = int(height * rng.uniform(0.65, 0.97))
                canvas[y : y + int(height * rng.uniform(0.02, 0.2)) + 1] = background.paint(rng)
            case 4 if rng.random() < 0.5:
                background.car(
                    rng,
                    canvas,
                    x - 0.3 * width,
                    height * rng.uniform(0.85, 1.1),
                    width * rng.uniform(0.3, 0.8),
                )
            case 4 | 5:
                background.cutout(
                    rng,
                    bank,
                    canvas,
                    x,
                    height * rng.uniform(0.3, 1),
                    height * rng.uniform(0.1, 0.5),
                )
            case _:
                background.stickers(rng, bank, canvas, 1)


def add(
    rng: np.random.Generator, bank: Bank, image: np.ndarray, labels: np.ndarray, persons: np.ndarray
) -> None:
    """Draw one or two occluders over `image` (H, W, 3) uint8 in place, clearing the maps under
    them.

    The painters know no transparency, so they paint the same things on black and on white: the
    difference is it.
    """
    seed = rng.integers(2**63)
    black, white = np.zeros_like(image), np.full_like(image, 255)
    for canvas in (black, white):
        _paint(np.random.default_rng(seed), bank, canvas)
    through = (white.astype(np.float32) - black).mean(2, keepdims=True) / 255
    hidden = through[..., 0] < 0.5
    if hidden.mean() > 0.35:
        return
    image[:] = np.clip(image * through + black, 0, 255).astype(np.uint8)
    labels[hidden], persons[hidden] = 0, 0
