"""What training sees: street and everyday photos, renders, pasted groups and empty scenes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from m2fp.augmentation import make_hard
from m2fp.samples import Sample, without_people
from m2fp.training_data import Mixture, Renders
from synthetic.photos import bank

from .cutouts import Groups
from .empty import Clothes
from .everyday import EverydayPhotos
from .street import StreetPhotos
from .wardrobe import Wardrobe

# The last shape is the product's own for an upright photo; small images teach more a second.
SHAPES = [(384, 256), (448, 304), (320, 320), (256, 384), (384, 384), (576, 384)]
EARLY = np.array((5.0, 2.0, 3.0, 1.5, 0.0, 0.0))
LATE = np.array((2.5, 2.5, 1.5, 1.0, 1.5, 2.0))
# Street photos are upright, the others mostly not.
UPRIGHT = {"street": 2.5, "everyday": 0.8, "renders": 1.6, "groups": 0.7, "empty": 0.4}
WIDE = {"street": 0.9, "everyday": 2.1, "renders": 1.7, "groups": 0.9, "empty": 0.4}
CLOTHES = 0.6  # of the empty scenes
CLOTHES_BEHIND = 0.2  # of the pasted groups: look-alikes beside people


def chances(progress: float) -> np.ndarray:
    """How likely each of `SHAPES` is."""
    mixed = (1 - progress) * EARLY / EARLY.sum() + progress * LATE / LATE.sum()
    return mixed / mixed.sum()


def shares(everyday_factor: float) -> list[dict[str, float]]:
    """Of each of `SHAPES`, how much of a batch each source is; everyday photos as often as said."""
    own = [UPRIGHT if height > width else WIDE for height, width in SHAPES]
    return [share | {"everyday": everyday_factor * share["everyday"]} for share in own]


def make_mixture(
    data: Path,
    renders: list[Path],
    sides: Path | None,
    poses: Path | None,
    everyday_factor: float = 1.0,
    hard_views: float = 0.0,
) -> Mixture:
    """Open the training photos below ``data`` and the shards of some folders of renders.

    ``sides`` is the folder that `sides.teach` wrote, ``poses`` the file of `commands/poses.py`.
    Everyday photos are ``everyday_factor`` times as likely beside the others, and ``hard_views`` of
    them are made hard.
    """
    street = StreetPhotos(data, "train", sides, poses)
    everyday = EverydayPhotos(data, "train", sides)
    clothes = Clothes(data, "train")
    pictures = bank("train")
    shards = Renders(renders)

    def cut(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        return pictures.cut(rng, width, height)

    def cut_or_clothes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        if rng.random() >= CLOTHES_BEHIND:
            return cut(rng, height, width)
        rgb = clothes[rng.integers(len(clothes))].rgb
        return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)

    def empty(rng: np.random.Generator) -> Sample:
        if rng.random() < CLOTHES:
            return clothes[rng.integers(len(clothes))]
        return without_people(pictures.cut(rng, 384, 384))

    def draw_everyday(rng: np.random.Generator) -> Sample:
        sample = everyday.draw(rng)
        return make_hard(sample, rng) if rng.random() < hard_views else sample

    sources = {
        "street": Wardrobe(street).draw,
        "everyday": draw_everyday,
        "renders": shards.draw,
        "groups": Groups(street, everyday, cut_or_clothes).draw,
        "empty": empty,
    }
    return Mixture(sources, SHAPES, shares(everyday_factor), chances, cut, shards.rescan)
