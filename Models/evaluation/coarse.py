"""The coarse parts that real photos are annotated with, and the CIHP classes that make up each.

An arm is bare skin from the sleeve on, with hand and glove; a sleeve belongs to the upper body,
as in CIHP. Neck and ears: the neck is torso skin (upper body), ears belong to the face.
"""

from __future__ import annotations

import numpy as np

COARSE_PARTS = {
    "hair": ("Hat", "Hair"),
    "face": ("Face", "Sunglasses"),
    "upper": ("UpperClothes", "Dress", "Coat", "Scarf", "Torso-skin"),
    "arms": ("Left-arm", "Right-arm", "Gloves"),
    "legs": ("Pants", "Skirt", "Left-leg", "Right-leg", "Socks"),
    "shoes": ("Left-shoe", "Right-shoe"),
}
NAMES = ("background", *COARSE_PARTS)


def to_coarse(labels: np.ndarray, classes: list[str]) -> np.ndarray:
    """Map (H, W) class ids to indices into ``NAMES``.

    Raises
    ------
    KeyError
        A class other than the background, the first, belongs to no coarse part.
    """
    part_of = {name: k for k, names in enumerate(COARSE_PARTS.values(), 1) for name in names}
    return np.array([0, *(part_of[name] for name in classes[1:])], np.uint8)[labels]
