"""The 20 CIHP parsing classes and the record that every generator function hands on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CLASSES = (
    "Background",
    "Hat",
    "Hair",
    "Gloves",
    "Sunglasses",
    "UpperClothes",
    "Dress",
    "Coat",
    "Socks",
    "Pants",
    "Torso-skin",
    "Scarf",
    "Skirt",
    "Face",
    "Left-arm",
    "Right-arm",
    "Left-leg",
    "Right-leg",
    "Left-shoe",
    "Right-shoe",
)
(
    BACKGROUND,
    HAT,
    HAIR,
    GLOVES,
    SUNGLASSES,
    UPPER_CLOTHES,
    DRESS,
    COAT,
    SOCKS,
    PANTS,
    TORSO_SKIN,
    SCARF,
    SKIRT,
    FACE,
    LEFT_ARM,
    RIGHT_ARM,
    LEFT_LEG,
    RIGHT_LEG,
    LEFT_SHOE,
    RIGHT_SHOE,
) = range(len(CLASSES))

PALETTE = np.array(
    [
        (0, 0, 0),
        (128, 0, 0),
        (255, 0, 0),
        (0, 85, 0),
        (170, 0, 51),
        (255, 85, 0),
        (0, 0, 85),
        (0, 119, 221),
        (85, 85, 0),
        (0, 85, 85),
        (85, 51, 0),
        (52, 86, 128),
        (0, 128, 0),
        (0, 0, 255),
        (51, 170, 221),
        (0, 255, 255),
        (85, 255, 170),
        (170, 255, 85),
        (255, 255, 0),
        (255, 170, 0),
    ],
    np.uint8,
)
"""The `cihp` palette, RGB."""

MIRRORED = np.arange(len(CLASSES), dtype=np.uint8)
MIRRORED[[LEFT_ARM, RIGHT_ARM, LEFT_LEG, RIGHT_LEG, LEFT_SHOE, RIGHT_SHOE]] = (
    RIGHT_ARM,
    LEFT_ARM,
    RIGHT_LEG,
    LEFT_LEG,
    RIGHT_SHOE,
    LEFT_SHOE,
)
"""MIRRORED[label] is the label after a left-right flip: left and right are the person's own."""


class Scene(NamedTuple):
    rgb: np.ndarray  # (H, W, 3) uint8
    labels: np.ndarray  # (H, W) uint8, index into CLASSES
    persons: np.ndarray  # (H, W) uint8, 0 none, 1.. person; positive exactly where labels is

    def mirrored(self) -> "Scene":
        return Scene(
            *(
                np.ascontiguousarray(a[:, ::-1])
                for a in (self.rgb, MIRRORED[self.labels], self.persons)
            )
        )
