"""Persons cut out of labelled street photos, in groups in front of people-free pictures.

Real cloth and skin with what the photos alone lack: several persons over each other, small ones,
ones cut off at an edge, and backgrounds that are not streets. Persons of everyday photos are pasted
as well, and onto everyday photos too (Ghiasi et al. 2021, "Simple copy-paste").
"""

from __future__ import annotations

import cv2
import numpy as np

from m2fp.augmentation import Pictures, warp
from m2fp.samples import (
    FAR, HELD, UNKNOWN, UNKNOWN_PERSON, Sample, kind_classes, without_people,
)
from synthetic.classes import BACKGROUND

from .everyday import EverydayPhotos
from .street import StreetPhotos

MOST_PERSONS = 5
SMALLEST = 0.08  # of the height of the picture
LEAST_AREA = 2000  # pixels of a person to cut out
EVERYDAY = 0.45  # of the pasted persons
ONTO_EVERYDAY = 0.35  # of the pictures
SMALL_GROUPS = 0.4  # of the pictures
NEAR = 40  # pixels within which background counts as near a person


class Groups:
    """Endless pictures of pasted persons.

    Parameters
    ----------
    photos : StreetPhotos
        Of the training split.
    backgrounds : callable
        A people-free picture of some size.
    """

    def __init__(self, photos: StreetPhotos, everyday: EverydayPhotos, backgrounds: Pictures):
        self.photos, self.everyday, self.backgrounds = photos, everyday, backgrounds

    def draw(self, rng: np.random.Generator) -> Sample:
        """A picture with one to `MOST_PERSONS` pasted persons, upright or wide."""
        height, width = ((512, 384), (384, 512), (448, 448), (352, 608))[rng.integers(4)]
        scene = self._scene(rng, height, width)
        count = 1 + rng.binomial(MOST_PERSONS - 1, 0.4)
        # Those who are large stand in front; most of a group are about as large as each other.
        low, high = (0.1, 0.45) if rng.random() < SMALL_GROUPS else (0.35, 1.3)
        common = np.exp(rng.uniform(np.log(low), np.log(high)))
        scales = np.sort(common * np.exp(rng.normal(0, 0.25, count)))
        first = 1 + max((p for p in np.unique(scene.persons) if p != UNKNOWN_PERSON), default=0)
        for number, scale in enumerate(scales, first):
            person = self._person(rng)
            if person is None:
                continue
            if rng.random() < 0.5:
                person = person.mirrored()
            tall = max(SMALLEST, scale) * height
            factor = tall / person.kinds.shape[0]
            wide = factor * person.kinds.shape[1]
            # Feet stand low in the picture or below it.
            # Someone who lies may be far wider than the picture.
            x = rng.uniform(*sorted((-0.3 * wide, width - 0.7 * wide)))
            bottom = height * rng.uniform(0.8, 1.05) if tall < height else tall + rng.uniform(
                -0.05, 0.08
            ) * height
            if tall < 0.5 * height:
                bottom = rng.uniform(tall, 1.05 * height)
            matrix = np.array(((factor, 0, x), (0, factor, bottom - tall)))
            paste(scene, person, matrix, number, rng)
        distance = cv2.distanceTransform((scene.persons == 0).view(np.uint8), cv2.DIST_L2, 3)
        scene.kinds[(scene.kinds == BACKGROUND) & (distance > NEAR)] = FAR
        return scene

    def _scene(self, rng: np.random.Generator, height: int, width: int) -> Sample:
        """A picture to paste onto: a people-free one, or an everyday photo."""
        if rng.random() >= ONTO_EVERYDAY:
            return without_people(self.backgrounds(rng, height, width).copy())
        sample = self.everyday[rng.integers(len(self.everyday))]
        own = np.array(sample.kinds.shape)
        factor = (np.array((height, width)) / own).max()
        top, left = ((factor * own - (height, width)) * rng.random(2)).clip(0)
        return warp(sample, np.array(((factor, 0, -left), (0, factor, -top))), height, width)

    def _person(self, rng: np.random.Generator) -> Sample | None:
        if rng.random() >= EVERYDAY:
            photos = self.photos
            return cut_out(photos[rng.choice(len(photos), p=photos.chances)], 1)
        photos = self.everyday
        sample = photos[rng.choice(len(photos), p=photos.chances)]
        areas = np.bincount(sample.persons.ravel(), minlength=256)[1:UNKNOWN_PERSON]
        large = 1 + np.flatnonzero(areas >= LEAST_AREA)
        return cut_out(sample, rng.choice(large)) if len(large) else None


def cut_out(photo: Sample, number: int) -> Sample | None:
    """Person ``number`` of a photo and what is held, cropped; persons is 1 where it is opaque.

    None if it is not certain who that is. Pixels of unknown class inside the person stay unknown.
    """
    own = photo.persons == number
    if own.sum() < LEAST_AREA:
        return None
    own = cv2.morphologyEx(own.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    held = photo.kinds == HELD
    _, pieces = cv2.connectedComponents((own | held).view(np.uint8))
    held &= np.isin(pieces, np.unique(pieces[own]))
    # What is unknown is part of the person only where it is enclosed, as necklaces are.
    near = cv2.morphologyEx(own.view(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    opaque = own | held | (near & (photo.kinds == UNKNOWN))
    rows, columns = (np.flatnonzero(opaque.any(axis)) for axis in (1, 0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Sample(
        photo.rgb[part], photo.kinds[part], opaque[part].astype(np.uint8), photo.left[part]
    )


def paste(
    onto: Sample, person: Sample, matrix: np.ndarray, number: int, rng: np.random.Generator
) -> None:
    """Draw a cut-out over ``onto``, in place, as person ``number``, through an affine map."""
    height, width = onto.kinds.shape
    size = (width, height)
    factor = matrix[0, 0]
    rgb = person.rgb
    if factor < 0.6:
        rgb = cv2.blur(rgb, (int(round(1 / factor)),) * 2)
    rgb = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # A seam of the old background would give the outline away.
    inner = cv2.erode(person.persons, np.ones((3, 3), np.uint8), borderValue=0).astype(np.float32)
    alpha = cv2.warpAffine(inner, matrix, size, flags=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.7)[..., None]
    if rng.random() < 0.7:  # the light of the new place
        gain = (onto.rgb.mean() / 128) ** 0.5 * np.exp(rng.normal(0, 0.12))
        rgb = (rgb * np.clip(gain, 0.5, 1.4)).clip(0, 255)
    onto.rgb[:] = (alpha * rgb + (1 - alpha) * onto.rgb).astype(np.uint8)
    maps = (
        cv2.warpAffine(x, matrix, size, flags=cv2.INTER_NEAREST)
        for x in (person.kinds, person.persons, person.left)
    )
    kinds, opaque, left = maps
    seen = (alpha[..., 0] > 0.5) & (opaque > 0)
    is_background = kind_classes()[:, BACKGROUND] & ~(np.arange(len(kind_classes())) == UNKNOWN)
    onto.kinds[seen] = kinds[seen]
    onto.persons[seen] = np.where(is_background[kinds[seen]], 0, number)
    onto.left[seen] = left[seen]
