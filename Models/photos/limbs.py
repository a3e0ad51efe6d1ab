"""Which limb a person's pixel belongs to, from where the joints lie.

Labels say "skin", "shoes" or "person"; joints say where whose left forearm runs. Near a bone, and
clearly nearer to it than to another, a pixel's label set loses the classes that cannot be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from m2fp.samples import PERSON, UNKNOWN, kind, kind_classes
from synthetic import classes

# In units of the root of the person's area, 260 pixels for one of 580 pixels' height.
REACH = {"arms": 0.10, "legs": 0.12, "feet": 0.10, "face": 0.05}
MARGIN = 0.035  # by which one side's or one part's bones have to be nearer than another's
PAIRS = {
    "arms": (classes.LEFT_ARM, classes.RIGHT_ARM),
    "legs": (classes.LEFT_LEG, classes.RIGHT_LEG),
    "feet": (classes.LEFT_SHOE, classes.RIGHT_SHOE),
}
SKIN = frozenset((
    classes.TORSO_SKIN, classes.FACE, classes.LEFT_ARM, classes.RIGHT_ARM, classes.LEFT_LEG,
    classes.RIGHT_LEG,
))  # fmt: skip
PARTS = {
    "arms": frozenset(PAIRS["arms"]),
    "legs": frozenset(PAIRS["legs"]),
    "face": frozenset((classes.FACE,)),
}
EITHER, LEFT, RIGHT = range(3)
PART_CODES = 1 + len(PARTS)
CODES = PART_CODES * 3 ** len(PAIRS)
FAR_AWAY = 1e6
PERSON_WEIGHT = 2.0  # of a pixel of which only one side is excluded
Line = Sequence[tuple[float, float]]  # x, y


class Bone(NamedTuple):
    """A polyline through joints, and whether all of them are seen: others are guessed."""

    line: Line
    seen: bool = True


class Limbs(NamedTuple):
    """Bones of one person, in pixels.

    sides : by name as of `PAIRS`, the bones of the left and of the right limb.
    face, torso : outlines; empty where unknown.
    """

    sides: dict[str, tuple[list[Bone], list[Bone]]]
    face: Line = ()
    torso: Line = ()


def distance(shape: tuple[int, int], lines: list[np.ndarray], filled: bool = False) -> np.ndarray:
    """(H, W) float32: pixels to the nearest of some polylines, or of what they enclose."""
    lines = [np.round(line).astype(np.int32) for line in lines if len(line)]
    if not lines:
        return np.full(shape, FAR_AWAY, np.float32)
    free = np.ones(shape, np.uint8)
    if filled:
        for line in lines:
            cv2.fillConvexPoly(free, cv2.convexHull(line), 0)
    cv2.polylines(free, lines, False, 0)
    if free.all():  # all of it lies outside the picture
        return np.full(shape, FAR_AWAY, np.float32)
    return cv2.distanceTransform(free, cv2.DIST_L2, 3)


def narrow(kinds: np.ndarray, person: np.ndarray, limbs: Limbs) -> np.ndarray:
    """The kinds (H, W) uint8 of a picture without what cannot be right on one person.

    Parameters
    ----------
    person : (H, W) bool
        The pixels of that person.
    """
    rows, columns = (np.flatnonzero(person.any(axis)) for axis in (1, 0))
    if not len(rows):
        return kinds
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    corner = np.array((columns[0], rows[0]))
    own, person = kinds[window], person[window]
    unit = np.sqrt(person.sum())
    far, side = {}, {}
    for name, both in limbs.sides.items():
        seen, anywhere = (
            [
                distance(own.shape, [np.array(b.line) - corner for b in bones if b.seen or guessed])
                for bones in both
            ]
            for guessed in (False, True)
        )
        far[name] = anywhere
        left, right = (
            (mine < REACH[name] * unit) & (other - mine > MARGIN * unit)
            for mine, other in zip(seen, anywhere[::-1])
        )
        side[name] = np.select((left, right), (LEFT, RIGHT), EITHER)
    part = skin_part(own.shape, far, limbs, corner, unit)
    code = part + PART_CODES * sum(3**i * side[name] for i, name in enumerate(PAIRS))
    pairs = own.astype(np.int64) * CODES + code
    narrowed = np.zeros(256 * CODES, np.uint8)
    for pair in np.flatnonzero(np.bincount(pairs[person])):
        narrowed[pair] = _narrowed(*divmod(int(pair), CODES))
    result = kinds.copy()
    result[window] = np.where(person, narrowed[pairs], own)
    return result


def skin_part(
    shape: tuple[int, int],
    far: dict[str, list[np.ndarray]],
    limbs: Limbs,
    corner: np.ndarray,
    unit: float,
) -> np.ndarray:
    """(H, W): 1 + the place in `PARTS` to which bare skin there belongs, 0 where that is not sure."""
    names = list(PARTS)
    if not len(limbs.face):
        return np.zeros(shape, np.int64)
    apart = {
        name: np.minimum(*far[name]) if name in far else np.full(shape, FAR_AWAY) for name in names
    }
    apart["face"] = distance(shape, [np.array(limbs.face) - corner], filled=True)
    torso = [np.array(limbs.torso) - corner] if len(limbs.torso) else []
    apart["torso"] = distance(shape, torso, filled=True)
    result = np.zeros(shape, np.int64)
    for number, name in enumerate(names, 1):
        others = np.minimum.reduce([d for other, d in apart.items() if other != name])
        near = apart[name] < REACH[name] * unit
        result[near & (others - apart[name] > MARGIN * unit)] = number
    return result


def _narrowed(number: int, code: int) -> int:
    """The number of a kind without what a code of `narrow` excludes."""
    if number == UNKNOWN:
        return number
    members = frozenset(np.flatnonzero(kind_classes()[number]).tolist())
    sides, part = divmod(code, PART_CODES)
    kept = set(members)
    if part and members <= SKIN:
        kept &= list(PARTS.values())[part - 1]
    for left, right in PAIRS.values():
        sides, side = divmod(sides, 3)
        if side and left in kept and right in kept:
            kept.discard(right if side == LEFT else left)
    if not kept or kept == members:
        return number
    return kind(kept, PERSON_WEIGHT if number == PERSON else None)
