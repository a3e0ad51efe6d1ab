"""Measures on street photos whose pixel labels name garments, not sides or parts of the skin.

A pixel counts in the set that its tag is measured in; tags that fit none, bystanders and what
nobody labelled count in no set. What was found is read in the same sets.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from m2fp.samples import UNKNOWN, kind_classes
from photos.street import StreetPhotos, read_image
from synthetic import classes
from synthetic.classes import CLASSES

from .intervals import interval
from .metrics import IGNORED, Confusion

LARGE = ("Background", "UpperClothes", "Dress", "Coat", "Pants", "Skirt", "Hair", "Skin", "Shoes")
SETS = (*LARGE, "Hat", "Gloves", "Sunglasses", "Socks", "Scarf")
SKIN = (
    classes.TORSO_SKIN, classes.FACE, classes.LEFT_ARM, classes.RIGHT_ARM, classes.LEFT_LEG,
    classes.RIGHT_LEG,
)  # fmt: skip
SHOES = (classes.LEFT_SHOE, classes.RIGHT_SHOE)
GARMENTS = ("UpperClothes", "Dress", "Coat", "Pants", "Skirt", "Scarf", "Socks", "Legwear")
PAIRS = {
    "arms": (classes.LEFT_ARM, classes.RIGHT_ARM),
    "legs": (classes.LEFT_LEG, classes.RIGHT_LEG),
    "shoes": SHOES,
}
# A pair is judged where it covers this share of the photo, and is one-sided where the lesser side
# has less than that share of it.
PAIR_AREA, LESSER_SIDE = 0.002, 0.05
# From which individual typology angle on skin is called what (Del Bino and Bernerd 2013).
TONES = {
    "very light": 55.0, "light": 41.0, "intermediate": 28.0, "tan": 10.0, "brown": -30.0,
    "dark": -180.0,
}  # fmt: skip


def set_of_class() -> np.ndarray:
    """(20,) the place in `SETS` of each class."""
    names = ["Skin" if c in SKIN else "Shoes" if c in SHOES else n for c, n in enumerate(CLASSES)]
    return np.array([SETS.index(name) for name in names], np.uint8)


class Truth(NamedTuple):
    """What a street photo shows, as far as it is labelled.

    sets : (H, W) uint8, places in `SETS`, or ``IGNORED``.
    person, garment : (H, W) uint8, 1 where one is, 0, or ``IGNORED``.
    held : (H, W) bool, bags.
    """

    sets: np.ndarray
    person: np.ndarray
    garment: np.ndarray
    held: np.ndarray


class Figures(NamedTuple):
    """What one photo adds: confusions of true and found sets, persons and garments, the pixels of
    bags and those of them labelled, whether each of `PAIRS` is one-sided (None where there is too
    little of it), the skin's tone and the photo's light, as `tone` and `light` give them."""

    sets: np.ndarray
    person: np.ndarray
    garment: np.ndarray
    held: np.ndarray
    one_sided: dict[str, bool | None]
    tone: float
    light: float


def truth(photos: StreetPhotos, path: Path) -> Truth:
    """Read the labels of a photo."""
    tags = photos.labels(path)
    measured = [SETS.index(m) if m in SETS else IGNORED for m in photos.tags.measured]
    is_garment = np.array([m in GARMENTS for m in photos.tags.measured], np.uint8)
    # Belts, straps and jewellery lie on garments and skin alike.
    is_garment[[not m for m in photos.tags.measured]] = IGNORED
    kinds = photos.tags.kinds
    is_person = (~kind_classes()[kinds, classes.BACKGROUND]).astype(np.uint8)
    is_person[kinds == UNKNOWN] = IGNORED
    maps = [np.array(table, np.uint8)[tags] for table in (measured, is_person, is_garment)]
    bystanders = photos.bystanders(path)
    for values in maps:
        values[bystanders] = IGNORED
    return Truth(*maps, photos.tags.held[tags] & ~bystanders)


def measure(rgb: np.ndarray, true: Truth, labels: np.ndarray) -> Figures:
    """Compare found labels (H, W) with the truth of a photo."""

    def confusion(wanted: np.ndarray, found: np.ndarray, count: int) -> np.ndarray:
        result = Confusion(count)
        result.add(wanted, found)
        return result.counts

    found = set_of_class()[labels]
    garment = np.isin(found, [SETS.index(g) for g in GARMENTS if g in SETS])
    person = labels > 0
    one_sided = {}
    for name, pair in PAIRS.items():
        areas = [np.count_nonzero(labels == c) for c in pair]
        enough = sum(areas) >= PAIR_AREA * labels.size
        one_sided[name] = bool(min(areas) < LESSER_SIDE * sum(areas)) if enough else None
    return Figures(
        confusion(true.sets, found, len(SETS)),
        confusion(true.person, person.view(np.uint8), 2),
        confusion(true.garment, garment.view(np.uint8), 2),
        np.array((true.held.sum(), (true.held & person).sum())),
        one_sided,
        tone(rgb, true.sets == SETS.index("Skin")),
        light(rgb),
    )


def tone(rgb: np.ndarray, skin: np.ndarray) -> float:
    """The individual typology angle of skin in degrees (Chardon et al. 1991): above 28 light, below
    -30 dark; median of the pixels' lightness and yellowness. NaN without skin."""
    if skin.sum() < 50:
        return float("nan")
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[skin]
    lightness, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def light(rgb: np.ndarray) -> float:
    """The mean lightness L* of a photo, 0...100."""
    return float(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0].mean())


def iou(counts: np.ndarray) -> np.ndarray:
    """IoU of each class from the counts of a confusion; NaN where it is nowhere."""
    confusion = Confusion(len(counts))
    confusion.counts = counts
    return confusion.iou()


def set_iou(photos: list[Figures]) -> np.ndarray:
    return iou(sum(photo.sets for photo in photos))


def mean_iou(photos: list[Figures], names: tuple[str, ...]) -> float:
    """Mean over sets, pixels of all photos together."""
    return float(np.nanmean(set_iou(photos)[[SETS.index(n) for n in names]]))


def pooled(photos: list[Figures], field: str) -> float:
    return float(iou(sum(getattr(photo, field) for photo in photos))[1])


def share_one_sided(photos: list[Figures], pair: str) -> float:
    said = [photo.one_sided[pair] for photo in photos if photo.one_sided[pair] is not None]
    return float(np.sum(said) / len(photos)) if photos else float("nan")


def thirds(values: list[float]) -> list[np.ndarray]:
    """The places of the lowest, middle and highest third of the values that are not NaN."""
    values = np.array(values)
    known = np.flatnonzero(~np.isnan(values))
    return np.array_split(known[np.argsort(values[known], kind="stable")], 3)


def by_tone(photos: list[Figures]) -> dict[str, list[Figures]]:
    """The photos whose skin has each of `TONES`; those without skin are left out."""
    result: dict[str, list[Figures]] = {name: [] for name in TONES}
    for photo in photos:
        name = next((name for name, least in TONES.items() if photo.tone >= least), None)
        if name is not None:
            result[name].append(photo)
    return result


def skin_iou(photos: list[Figures]) -> float:
    return float(set_iou(photos)[SETS.index("Skin")])


def tone_gap(darkest: list[Figures], lightest: list[Figures]) -> dict:
    """By how much skin is found better on some photos than on others, and the interval of that."""
    photos = [(True, photo) for photo in darkest] + [(False, photo) for photo in lightest]

    def gap(drawn: list[tuple[bool, Figures]]) -> float:
        parts = [[photo for dark, photo in drawn if dark == wanted] for wanted in (True, False)]
        return skin_iou(parts[0]) - skin_iou(parts[1]) if all(parts) else float("nan")

    return {"iou": gap(photos), "interval": interval(photos, gap)}


def evaluate(parser, data: Path) -> dict:
    """All figures on the validation photos below ``data``; ``parser`` as in ``commands.evaluate``."""
    source = StreetPhotos(data, "validation")
    photos: list[Figures] = []
    for path in source.paths:
        rgb = read_image(path)
        found = parser(f"street/{path.stem}", rgb)
        photos.append(measure(rgb, truth(source, path), found.labels))
    main = {
        "miou_14": lambda p: mean_iou(p, SETS),
        "miou_9": lambda p: mean_iou(p, LARGE),
        "person_iou": lambda p: pooled(p, "person"),
        "garment_iou": lambda p: pooled(p, "garment"),
    }
    tone_thirds = [[photos[i] for i in part] for part in thirds([p.tone for p in photos])]
    by_light = [[photos[i] for i in part] for part in thirds([p.light for p in photos])]
    counts = sum(photo.sets for photo in photos)
    held, labelled = sum(photo.held for photo in photos)
    return {
        "photos": len(photos),
        **{name: figure(photos) for name, figure in main.items()},
        "intervals": {name: interval(photos, figure) for name, figure in main.items()},
        "set_iou": dict(zip(SETS, iou(counts).tolist())),
        "held_as_person": float(labelled / max(held, 1)),
        "one_sided": {name: share_one_sided(photos, name) for name in PAIRS},
        "confusion": {
            name: dict(zip(SETS, (row / max(row.sum(), 1)).round(4).tolist()))
            for name, row in zip(SETS, counts)
        },
        "skin_iou_by_tone": {
            name: {
                "angle": [min(p.tone for p in part), max(p.tone for p in part)],
                "iou": skin_iou(part),
                "interval": interval(part, skin_iou),
                "person_iou": pooled(part, "person"),
            }
            for name, part in zip(("darkest", "middle", "lightest"), tone_thirds)
            if part
        },
        "skin_gap": tone_gap(tone_thirds[0], tone_thirds[2]),
        "skin_iou_by_group": {
            name: {
                "photos": len(part),
                "iou": skin_iou(part),
                "interval": interval(part, skin_iou),
            }
            for name, part in by_tone(photos).items()
            if part
        },
        "person_iou_by_light": {
            name: pooled(part, "person")
            for name, part in zip(("dark", "middle", "bright"), by_light)
            if part
        },
    }
