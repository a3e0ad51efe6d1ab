"""Everyday photos with outlined persons, their joints, things, and photos of nobody."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np

from m2fp.augmentation import warp
from m2fp.samples import (
    FAR, HELD, PERSON, UNKNOWN, UNKNOWN_PERSON, Sample, kind, without_people,
)
from synthetic import classes
from synthetic.classes import MIRRORED

from .limbs import Bone, Limbs, narrow
from .split import photo_paths
from .street import FAR_DISTANCE, read_image, read_map, read_side

BAND = 2  # pixels to either side of an outline, which is a coarse polygon
DISC = 3  # pixels, radius of a joint
VISIBLE = 2
JOINT_WEIGHT = 25.0
MOSAICS = 0.25  # of what is drawn
BONE = 3  # pixels, thickness
BONE_WEIGHT = 8.0
NOSE = 0
# The order of the joints: nose, then left and right eye, ear, shoulder, elbow, wrist, hip, knee,
# ankle. Hips tell nothing: any garment, arm or leg may be in front of them.
LEFT_EYE, LEFT_EAR, LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST = range(1, 10, 2)
LEFT_HIP, LEFT_KNEE, LEFT_ANKLE = 11, 13, 15
# Between these, what may be right at either end.
BONES = (
    (LEFT_EYE, NOSE), (LEFT_SHOULDER, LEFT_ELBOW), (LEFT_ELBOW, LEFT_WRIST),
    (LEFT_KNEE, LEFT_ANKLE),
)  # fmt: skip
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
        allowed = joint_classes()
        self.joint_kinds = {j: kind(c, JOINT_WEIGHT) for j, c in allowed.items()}
        self.bone_kinds = {
            (a + side, b + side * (b != NOSE)): kind(
                allowed[a + side] | allowed[b + side * (b != NOSE)], BONE_WEIGHT
            )
            for a, b in BONES
            for side in (0, 1)
        }
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
        for person, joints in enumerate(self.joints.get(path.stem, ()), 1):
            if joints:
                kinds = narrow(kinds, persons == person, limbs_of(joints))
                self._draw_joints(kinds, persons == person, joints)
        persons = np.where(unknown, UNKNOWN_PERSON, persons)
        return Sample(read_image(path), kinds, persons, read_side(self.sides, path, kinds.shape))

    def _draw_joints(
        self, kinds: np.ndarray, person: np.ndarray, joints: list[tuple[float, float, int]]
    ) -> None:
        """Mark what may be right at one person's visible joints and between them, in place."""
        seen = {j: (round(x), round(y)) for j, (x, y, s) in enumerate(joints) if s == VISIBLE}
        for (a, b), number in self.bone_kinds.items():
            if a in seen and b in seen:
                bone = np.zeros(kinds.shape, np.uint8)
                cv2.line(bone, seen[a], seen[b], 1, BONE)
                kinds[(bone > 0) & person] = number
        for joint, number in self.joint_kinds.items():
            if joint in seen:
                disc = np.zeros(kinds.shape, np.uint8)
                cv2.circle(disc, seen[joint], DISC, 1, -1)
                kinds[(disc > 0) & person] = number

    def draw(self, rng: np.random.Generator) -> Sample:
        """A photo, or four side by side: small persons are few."""
        if rng.random() >= MOSAICS:
            return self[rng.choice(len(self), p=self.chances)]
        height, width = ((512, 384), (384, 512), (448, 448))[rng.integers(3)]
        middle = [int(side * rng.uniform(0.35, 0.65)) for side in (height, width)]
        result = without_people(np.zeros((height, width, 3), np.uint8))
        count = 0
        for rows in (slice(0, middle[0]), slice(middle[0], height)):
            for columns in (slice(0, middle[1]), slice(middle[1], width)):
                part = rows, columns
                photo = self[rng.choice(len(self), p=self.chances)]
                own = np.array(photo.kinds.shape)
                size = np.array((rows.stop - rows.start, columns.stop - columns.start))
                factor = (size / own).max()
                top, left = (factor * own - size) * rng.random(2)
                photo = warp(photo, np.array(((factor, 0, -left), (0, factor, -top))), *size)
                known = (photo.persons > 0) & (photo.persons != UNKNOWN_PERSON)
                persons = np.where(known, photo.persons + count, photo.persons)
                count = max(count, persons[known].max(initial=0))
                for whole, piece in zip(result, photo._replace(persons=persons)):
                    whole[part] = piece
        return result


def limbs_of(joints: list[tuple[float, float, int]]) -> Limbs:
    """The bones of a person's joints as the data set has them."""

    def bones(left: int, chains: tuple[tuple[int, int], ...]) -> list[Bone]:
        known = [[joints[j + left] for j in chain] for chain in chains]
        return [
            Bone([joint[:2] for joint in chain], min(joint[2] for joint in chain) == VISIBLE)
            for chain in known
            if all(joint[2] for joint in chain)
        ]

    chains = {
        "arms": ((LEFT_SHOULDER, LEFT_ELBOW), (LEFT_ELBOW, LEFT_WRIST)),
        "legs": ((LEFT_HIP, LEFT_KNEE), (LEFT_KNEE, LEFT_ANKLE)),
        "feet": ((LEFT_ANKLE, LEFT_ANKLE),),
    }
    return Limbs({name: (bones(0, c), bones(1, c)) for name, c in chains.items()})


def outlines(persons: np.ndarray, radius: int) -> np.ndarray:
    """(H, W) bool: within ``radius`` pixels of another value of a map (H, W) uint8."""
    square = np.ones((2 * radius + 1,) * 2, np.uint8)
    return cv2.dilate(persons, square) != cv2.erode(persons, square)
