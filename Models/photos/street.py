"""Street photos with pixel labels of garments, which are label sets of ours."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from m2fp.samples import (
    FAR, HELD, UNKNOWN, UNKNOWN_PERSON, Sample, kind, kind_classes, no_opinion,
)
from synthetic import classes
from synthetic.classes import CLASSES

from .limbs import narrow
from .poses import limbs_of
from .split import photo_paths

FAR_DISTANCE = 40  # pixels from the nearest labelled one
# A photo is drawn more often for each of these that it shows, up to MOST_OFTEN times.
RARE = {
    classes.HAT: 0.9, classes.GLOVES: 3.0, classes.SUNGLASSES: 0.7, classes.SOCKS: 1.2,
    classes.SCARF: 1.2, classes.SKIRT: 0.8, classes.DRESS: 0.8,
}  # fmt: skip
MOST_OFTEN = 4.0
RARE_AREA = 60  # pixels


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f"{path}: no picture that OpenCV reads")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_map(path: Path) -> np.ndarray:
    """(H, W) uint8: the indices of a PNG with a palette, as they are."""
    from PIL import Image  # OpenCV gives the colours of the palette

    with Image.open(path) as image:
        return np.array(image.convert("L") if image.mode == "1" else image)


class Tags:
    """What the tags of the data set mean: numbers of kinds, by tag.

    Attributes
    ----------
    kinds : (T,) uint8
        What may be right at a tag's pixels.
    kinds_of_skirts : (T,) uint8
        The same in photos where a "dress" may be a skirt.
    measured : (T,) list of str
        The name of the set that a tag is measured in, "" for none.
    """

    def __init__(self, folder: Path):
        table = json.loads((folder / "labels.json").read_text())
        if tuple(table["cihp"]) != CLASSES:
            raise ValueError(f"{folder}/labels.json: other classes than ours")
        held = table["held"]
        tags = sorted(table["tags"], key=lambda tag: tag["index"])

        def kind_of(tag: dict, or_skirt: bool) -> int:
            if tag["name"] in held:
                return HELD
            if tag["classes"] is None:
                return UNKNOWN
            members = [CLASSES.index(name) for name in tag["classes"]]
            if or_skirt and classes.DRESS in members:
                members.append(classes.SKIRT)
            return kind(members)

        self.kinds, self.kinds_of_skirts = (
            np.array([kind_of(tag, skirt) for tag in tags], np.uint8) for skirt in (False, True)
        )
        self.skirts = frozenset(table["dress may be skirt"])
        self.measured = [tag["measured in"] for tag in tags]
        self.held = np.array([tag["name"] in held for tag in tags])

    def of_photo(self, name: str) -> np.ndarray:
        return self.kinds_of_skirts if name in self.skirts else self.kinds


class StreetPhotos:
    """The labelled street photos of a split, as samples.

    Parameters
    ----------
    data : Path
        The folder of all data sets.
    sides : Path or None
        Folder of what a teacher says of left and right (`sides.teach`), if it was asked.
    poses : Path or None
        What `commands/poses.py` wrote, as JSON, if it was asked.

    Attributes
    ----------
    chances : (N,) float64
        How often to draw each photo; they add up to 1.
    areas : (N, 20) int64
        Pixels that are surely of each class.
    """

    def __init__(
        self, data: Path, split: str, sides: Path | None = None, poses: Path | None = None
    ):
        self.poses = json.loads(poses.read_text()) if poses else {}
        self.folder = data / "ccp"
        self.paths = photo_paths(data, "ccp", split)
        self.tags = Tags(self.folder)
        self.sides = sides
        self.known: dict[int, Sample] = {}  # a gigabyte holds all of them
        self.areas = np.array([self._areas(path) for path in self.paths])
        shown = self.areas[:, list(RARE)] >= RARE_AREA
        rare = (1 + shown @ np.array(list(RARE.values()))).clip(max=MOST_OFTEN)
        self.chances = rare / rare.sum()

    def _areas(self, path: Path) -> np.ndarray:
        kinds = self.tags.of_photo(path.stem)[self.labels(path)]
        return np.bincount(kinds.ravel(), minlength=256)[: len(CLASSES)]

    def __len__(self) -> int:
        return len(self.paths)

    def labels(self, path: Path) -> np.ndarray:
        """(H, W) uint8, the tags of a photo."""
        return read_map(self.folder / "labels" / f"{path.stem}.png")

    def bystanders(self, path: Path) -> np.ndarray:
        """(H, W) bool, where people probably are whom nobody labelled."""
        file = self.folder / "bystanders" / f"{path.stem}.png"
        return read_map(file) > 0 if file.exists() else np.zeros(self.labels(path).shape, bool)

    def __getitem__(self, index: int) -> Sample:
        if index not in self.known:
            self.known[index] = self._read(index)
        return self.known[index]

    def _read(self, index: int) -> Sample:
        path = self.paths[index]
        kinds = self.tags.of_photo(path.stem)[self.labels(path)]
        ignored = (kinds == UNKNOWN) | self.bystanders(path)
        person = ~kind_classes()[:, classes.BACKGROUND][kinds]
        distance = cv2.distanceTransform((~person).view(np.uint8), cv2.DIST_L2, 3)
        kinds = np.where((kinds == classes.BACKGROUND) & (distance > FAR_DISTANCE), FAR, kinds)
        kinds = np.where(ignored, UNKNOWN, kinds).astype(np.uint8)
        # Not more than one person is labelled in most photos; where there may be two, nobody knows
        # which pixels are whose.
        persons = np.where(person, UNKNOWN_PERSON if may_be_several(person) else 1, 0)
        persons = np.where(ignored, UNKNOWN_PERSON, persons).astype(np.uint8)
        if path.stem in self.poses:
            kinds = narrow(kinds, persons == 1, limbs_of(self.poses[path.stem]))
        return Sample(read_image(path), kinds, persons, read_side(self.sides, path, kinds.shape))


def read_side(sides: Path | None, photo: Path, shape: tuple[int, int]) -> np.ndarray:
    """`Sample.left` of a photo, (H, W) uint8."""
    if sides is None:
        return no_opinion(shape)
    return read_map(sides / f"{photo.stem}.png")


def may_be_several(person: np.ndarray) -> bool:
    """Whether the labelled pixels (H, W) bool stand side by side in two large pieces."""
    joined = cv2.morphologyEx(person.view(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined)
    large = [b for b in boxes[1:] if b[cv2.CC_STAT_AREA] > 0.12 * joined.sum()]
    for i, a in enumerate(large):
        for b in large[i + 1 :]:
            shared = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
            if shared < 0.3 * min(a[2], b[2]):
                return True
    return False
