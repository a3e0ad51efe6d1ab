"""Things in front of the people: they hide labels too."""
from __future__ import annotations

import cv2
import numpy as np

from synthetic import background
from synthetic.photos import Bank

KEY = (255, 0, 254)
"""A colour no painter draws, marks what stays untouched."""


def add(rng: np.random.Generator, bank: Bank, image: np.ndarray, labels: np.ndarray, persons: np.ndarray) -> None:
    """Draw one or two occluders over `image` (H, W, 3) uint8 in place, clearing the maps under them."""
    height, width = labels.shape
    layer = np.empty_like(image)
    layer[:] = KEY
    for _ in range(int(rng.integers(1, 3))):
        x = rng.uniform(0, 1) * width
        match rng.integers(7):
            case 0:
                background.pole(rng, layer, x, height * rng.uniform(.7, 1.1), height * rng.uniform(.3, 1.1))
            case 1:
                background.box3d(rng, bank, layer, x - .2 * width, height * rng.uniform(.9, 1.1), width * rng.uniform(.1, .5),
                                 height * rng.uniform(.08, .4))
            case 2:
                background.leaves(rng, layer, x, height * rng.choice([0, 1]), height * rng.uniform(.15, .45),
                                  int(rng.integers(30, 150)))
            case 3:  # a table or railing across the frame
                y = int(height * rng.uniform(.65, .97))
                layer[y:y + int(height * rng.uniform(.02, .2)) + 1] = background.paint(rng)
            case 4 if rng.random() < .5:
                background.car(rng, layer, x - .3 * width, height * rng.uniform(.85, 1.1), width * rng.uniform(.3, .8))
            case 4 | 5:
                background.cutout(rng, bank, layer, x, height * rng.uniform(.3, 1), height * rng.uniform(.1, .5))
            case _:
                background.stickers(rng, bank, layer, 1)
    drawn = (layer != np.array(KEY, np.uint8)).any(2)
    if drawn.mean() > .35:
        return
    # antialiased rims are mixed with the key colour: take only what lies inside, and blend that softly
    inside = cv2.erode(drawn.astype(np.uint8), np.ones((3, 3), np.uint8))
    alpha = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), .6)[..., None]
    alpha[~drawn] = 0
    image[:] = (image * (1 - alpha) + layer * alpha).astype(np.uint8)
    hidden = alpha[..., 0] > .5
    labels[hidden], persons[hidden] = 0, 0
