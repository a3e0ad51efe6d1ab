"""Scenes without people: clothes that nobody wears, and people-free photos from packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from m2fp.samples import Sample, without_people

from .split import photo_paths
from .street import read_image


class Clothes:
    """Clothes laid out or hung up; nobody wears them, so all is background."""

    def __init__(self, data: Path, split: str):
        self.paths = photo_paths(data, "clothes", split)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        return without_people(read_image(self.paths[index]))


class Pictures:
    """Pictures (H, W, 3) uint8 RGB in which nobody is."""

    def __init__(self, pictures: list[np.ndarray]):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        return without_people(self.pictures[index])
