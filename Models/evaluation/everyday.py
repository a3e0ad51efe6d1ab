"""Measures on everyday photos: persons, sides and faces at joints, and photos of nobody."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from m2fp.samples import UNKNOWN_PERSON
from photos.everyday import LEFT_ANKLE, LEFT_ELBOW, LEFT_KNEE, LEFT_WRIST, NOSE, EverydayPhotos
from photos.street import read_image
from synthetic import classes

from .intervals import interval
from .metrics import average_precision
from .street import light, thirds

LIMBS = (LEFT_ELBOW, LEFT_WRIST, LEFT_KNEE, LEFT_ANKLE)
LEFT = (classes.LEFT_ARM, classes.LEFT_LEG, classes.LEFT_SHOE)
RIGHT = (classes.RIGHT_ARM, classes.RIGHT_LEG, classes.RIGHT_SHOE)
COUNTED = 0.015  # share of the photo from which on a person has to be found
SIZES = {"small": (0.002, 0.015), "middle": (0.015, 0.1), "large": (0.1, 1.0)}
WITH_PEOPLE = ("persons", "one")


class Figures(NamedTuple):
    """What one photo adds.

    overlap, union : pixels of persons found and there, and of either; missed = there - overlap.
    there, found : pixels of each.
    outside : share of the photo that shows nobody and is labelled.
    persons : (score, IoU, number of the true person) of each found person, as
        ``metrics.Instances`` has them; those where nobody knows are left out.
    sizes : (share of the photo, best IoU of a found person) of each true one.
    sides : (joints whose side is said, those where it is right).
    noses : (visible noses, those that are face).
    """

    kind: str
    overlap: int
    there: int
    found: int
    outside: float
    persons: list[tuple[float, float, int]]
    sizes: list[tuple[float, float]]
    sides: tuple[int, int]
    noses: tuple[int, int]
    light: float

    def iou(self) -> float:
        return self.overlap / max(self.there + self.found - self.overlap, 1)


def measure(
    kind: str,
    rgb: np.ndarray,
    truth: np.ndarray,
    joints: list[tuple[int, int, int, int]],
    labels: np.ndarray,
    persons: np.ndarray | None,
    scores: np.ndarray | None,
) -> Figures:
    """Compare what was found in a photo with its persons (H, W) and joints, as
    ``EverydayPhotos`` gives them."""
    known = truth != UNKNOWN_PERSON
    there, found = (truth > 0) & known, (labels > 0) & known
    sides, noses = np.zeros(2, int), np.zeros(2, int)
    height, width = truth.shape
    for _, joint, x, y in joints:
        label = labels[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
        if joint == NOSE:
            noses += (1, label == classes.FACE)
        is_left = joint % 2 == 1
        if joint - (not is_left) in LIMBS and label in LEFT + RIGHT:
            sides += (1, (label in LEFT) == is_left)
    instances, sizes = [], []
    if persons is not None:
        instances, sizes = match_persons(truth, persons, scores)
    return Figures(
        kind,
        int((there & found).sum()),
        int(there.sum()),
        int(found.sum()),
        float((found & ~there).sum() / max(known.sum(), 1)),
        instances,
        sizes,
        tuple(sides.tolist()),
        tuple(noses.tolist()),
        light(rgb),
    )


def match_persons(
    truth: np.ndarray, persons: np.ndarray, scores: np.ndarray
) -> tuple[list[tuple[float, float, int]], list[tuple[float, float]]]:
    """`Figures.persons` and `Figures.sizes` of a photo.

    Who is below `COUNTED`, or lies mostly where persons are not known, may be found and need not be.
    """
    area = np.bincount(truth.ravel(), minlength=256)
    found_area = np.bincount(persons.ravel(), minlength=len(scores) + 1)
    pairs = persons.astype(np.int64) * 256 + truth
    overlap = np.bincount(pairs.ravel(), minlength=256 * len(found_area)).reshape(-1, 256)
    unknown = overlap[:, UNKNOWN_PERSON]
    union = (found_area - unknown)[:, None] + area[None] - overlap
    iou = np.where(overlap > 0, overlap / np.maximum(union, 1), 0.0)
    true = [t for t in range(1, UNKNOWN_PERSON) if area[t] >= SIZES["small"][0] * truth.size]
    counted = [t for t in true if area[t] >= COUNTED * truth.size]
    instances = []
    for f in range(1, len(found_area)):
        if not found_area[f] or unknown[f] > 0.5 * found_area[f]:
            continue
        best = max(counted, key=lambda t: iou[f, t], default=None)
        value = 0.0 if best is None else float(iou[f, best])
        small = [t for t in range(1, UNKNOWN_PERSON) if area[t] and t not in counted]
        if value <= 0.5 and overlap[f, small].sum() > 0.5 * found_area[f]:
            continue
        instances.append((float(scores[f - 1]), value, -1 if best is None else best))
    best = iou[1:].max(0) if len(iou) > 1 else np.zeros(256)
    return instances, [(area[t] / truth.size, float(best[t])) for t in true]


def precision(photos: list[Figures], threshold: float) -> float:
    """AP of persons at an IoU."""
    found, truths = [], 0
    for photo in photos:
        found += [(s, i, truths + t if t >= 0 else -1) for s, i, t in photo.persons]
        truths += UNKNOWN_PERSON
    count = sum(size >= COUNTED for photo in photos for size, _ in photo.sizes)
    return average_precision(found, count, threshold)


def mean_person_iou(photos: list[Figures]) -> float:
    """Mean over the photos with people."""
    values = [photo.iou() for photo in photos if photo.kind in WITH_PEOPLE]
    return float(np.mean(values)) if values else float("nan")


def share(photos: list[Figures], field: str) -> float:
    said, right = np.sum([getattr(photo, field) for photo in photos], axis=0)
    return float(right / said) if said else float("nan")


def evaluate(parser, data: Path) -> dict:
    """All figures on the validation photos below ``data``; ``parser`` as in ``commands.evaluate``."""
    source = EverydayPhotos(data, "validation")
    photos = []
    for path in source.paths:
        rgb = read_image(path)
        found = parser(f"everyday/{path.stem}", rgb)
        kind = source.sources[path.stem]["kind"]
        photos.append(
            measure(kind, rgb, source.persons(path), source.joints_of(path), *found)
        )
    people = [photo for photo in photos if photo.kind in WITH_PEOPLE]
    nobody = [photo for photo in photos if photo.kind not in WITH_PEOPLE]
    there, overlap, found = (
        sum(getattr(photo, name) for photo in people) for name in ("there", "overlap", "found")
    )
    figures = {
        "photos": len(photos),
        "with_people": len(people),
        "person_iou": mean_person_iou(people),
        "person_iou_pooled": overlap / max(there + found - overlap, 1),
        "missed": 1 - overlap / max(there, 1),
        "labelled_outside": 1 - overlap / max(found, 1),
        "sides_right": share(people, "sides"),
        "sides_said": sum(photo.sides[0] for photo in people),
        "noses_face": share(people, "noses"),
        "noses": sum(photo.noses[0] for photo in people),
        "nobody_labelled": float(np.mean([photo.outside for photo in nobody] or [np.nan])),
        "person_iou_by_light": {
            name: mean_person_iou([people[i] for i in part])
            for name, part in zip(("dark", "middle", "bright"), thirds([p.light for p in people]))
            if len(part)
        },
    }
    main = {
        "person_iou": mean_person_iou,
        "sides_right": lambda p: share(p, "sides"),
        "noses_face": lambda p: share(p, "noses"),
    }
    if any(photo.sizes for photo in people):
        main["ap50"] = lambda p: precision(p, 0.5)
        figures["ap50"] = precision(people, 0.5)
        figures["person_iou_by_size"] = {
            name: float(np.mean(values))
            for name, (low, high) in SIZES.items()
            if (values := [i for p in people for size, i in p.sizes if low <= size < high])
        }
    figures["intervals"] = {name: interval(people, figure) for name, figure in main.items()}
    return figures
