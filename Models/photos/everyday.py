"""Everyday photos with outlined persons, their joints, things, and photos of nobody."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np

from m2fp.samples import FAR, HELD, PERSON, UNKNOWN, UNKNOWN_PERSON, Sample, kind
from synthetic import classes
from synthetic.classes import MIRRORED

from .split import photo_paths
from .street import FAR_DISTANCE, read_image, read_map, read_side

BAND = 2  # pixels to either side of an outline, which is a coarse polygon
DISC = 3  # pixels, radius of a joint
VISIBLE = 2
JOINT_WEIGHT = 25.0
NOSE = 0
# The order of the joints: nose, then left and right eye, ear, shoulder, elbow, wrist, hip, knee,
# ankle. Hips tell nothing: any garment, arm or leg may be in front of them.
LEFT_EYE, LEFT_EAR, LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST = range(1, 10, 2)
LEFT_KNEE, LEFT_ANKLE = 13, 15
TIE = 32  # COCO's category that belongs to a person
_TOPS = {classes.UPPER_CLOTHES, classes.DRESS, classes.COAT}
# What may be right at a visible joint of the left side; of the right side with sides exchanged.
LEFT_JOINTS = {
    LEFT_EYE: {classes.FACE, classes.SUNGLASSES},
    LEFT_EAR: {classes.FACE, classes.HAIR, classes.HAT},
    LEFT_SHOULDER: _TOPS
    | {classes.TORSO_SKIN, classes.SCARF, classes.HAIR, classes.LEFT_ARM},
    LEFT_ELBOW: _TOPS | {classes.LEFT_ARM},
    LEFT_WRIST: _TOPS | {classes.LEFT_ARM, classes.GLOVES},
    LEFT_KNEE: {
        classes.PANTS, classes.SKIRT, classes.DRESS, classes.COAT, classes.SOCKS,
        classes.LEFT_LEG, classes.LEFT_SHOE,
    },
    LEFT_ANKLE: {classes.PANTS, classes.SOCKS, classes.LEFT_LEG, classes.LEFT_SHOE, classes.DRESS},
}  # fmt: skip


def joint_classes() -> dict[int, frozenset[int]]:
    """What may be right at each joint, by its number; joints that tell nothing are not in it."""
    allowed = {NOSE: frozenset((classes.FACE,))}
    for joint, members in LEFT_JOINTS.items():
        allowed[joint] = frozenset(members)
        allowed[joint + 1] = frozenset(MIRRORED[list(members)].tolist())
    return allowed


class EverydayPhotos:
    """The everyday photos of a split, as samples; parameters as of `StreetPhotos`.

    Photos without people are among them: background everywhere.
    """

    def __init__(self, data: Path, split: str, sides: Path | None = None):
        self.folder = data / "coco"
        self.paths = photo_paths(data, "coco", split)
        self.sides = sides
        self.joints = json.loads((self.folder / "keypoints.json").read_text())
        with open(self.folder / "sources.tsv") as file:
            self.sources = {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}
        self.joint_kinds = {j: kind(c, JOINT_WEIGHT) for j, c in joint_classes().items()}
        often = {"persons": 2.0, "one": 1.5, "small": 1.0, "free": 1.0}
        weights = np.array([often[self.sources[path.stem]["kind"]] for path in self.paths])
        self.chances = weights / weights.sum()

    def __len__(self) -> int:
        return len(self.paths)

    def persons(self, path: Path) -> np.ndarray:
        """(H, W) uint8, 0 for nobody, then 1...; `UNKNOWN_PERSON` where it is not known."""
        return read_map(self.folder / "persons" / f"{path.stem}.png")

    def things(self, path: Path) -> np.ndarray | None:
        """(H, W) uint8, COCO's categories of objects, 0 for none; None where nobody drew any."""
        file = self.folder / "things" / f"{path.stem}.png"
        return read_map(file) if file.exists() else None

    def joints_of(self, path: Path) -> list[tuple[int, int, int, int]]:
        """Visible joints: person 1..., number of the joint, x and y in whole pixels."""
        return [
            (person, joint, round(x), round(y))
            for person, joints in enumerate(self.joints.get(path.stem, ()), 1)
            for joint, (x, y, seen) in enumerate(joints or ())
            if seen == VISIBLE
        ]

    def __getitem__(self, index: int) -> Sample:
        path = self.paths[index]
        persons = self.persons(path)
        somebody = persons > 0
        distance = cv2.distanceTransform((~somebody).view(np.uint8), cv2.DIST_L2, 3)
        kinds = np.where(somebody, PERSON, np.where(distance > FAR_DISTANCE, FAR, 0))
        things = self.things(path)
        if things is not None:
            thing = (things > 0) & (things != TIE)
            kinds[thing & ~somebody & (distance <= FAR_DISTANCE)] = HELD
            kinds[thing & somebody] = UNKNOWN
        unknown = (persons == UNKNOWN_PERSON) | outlines(persons, BAND)
        kinds = np.where(unknown, UNKNOWN, kinds).astype(np.uint8)
        for person, joint, x, y in self.joints_of(path):
            if joint in self.joint_kinds:
                disc = np.zeros(persons.shape, np.uint8)
                cv2.circle(disc, (x, y), DISC, 1, -1)
                kinds[(disc > 0) & (persons == person)] = self.joint_kinds[joint]
        persons = np.where(unknown, UNKNOWN_PERSON, persons)
        return Sample(read_image(path), kinds, persons, read_side(self.sides, path, kinds.shape))


def outlines(persons: np.ndarray, radius: int) -> np.ndarray:
    """(H, W) bool: within ``radius`` pixels of another value of a map (H, W) uint8."""
    square = np.ones((2 * radius + 1,) * 2, np.uint8)
    return cv2.dilate(persons, square) != cv2.erode(persons, square)
