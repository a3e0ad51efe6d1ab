"""Persons cut out of labelled street photos, in groups in front of people-free pictures.

Real cloth and skin with what the photos alone lack: several persons over each other, small ones,
ones cut off at an edge, and backgrounds that are not streets.
"""

from __future__ import annotations

import cv2
import numpy as np

from m2fp.augmentation import Pictures
from m2fp.samples import FAR, HELD, UNKNOWN, UNKNOWN_SIDE, Sample, kind_classes
from synthetic.classes import BACKGROUND

from .street import StreetPhotos

MOST_PERSONS = 5
SMALLEST = 0.12  # of the height of the picture
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

    def __init__(self, photos: StreetPhotos, backgrounds: Pictures):
        self.photos, self.backgrounds = photos, backgrounds

    def draw(self, rng: np.random.Generator) -> Sample:
        """A picture of one to `MOST_PERSONS` persons, upright or wide."""
        height, width = ((512, 384), (384, 512), (448, 448), (352, 608))[rng.integers(4)]
        rgb = self.backgrounds(rng, height, width).copy()
        kinds, persons = (np.zeros((height, width), np.uint8) for _ in range(2))
        left = np.full((height, width), UNKNOWN_SIDE, np.uint8)
        count = 1 + rng.binomial(MOST_PERSONS - 1, 0.4)
        # Those who are large stand in front; most of a group are about as large as each other.
        common = np.exp(rng.uniform(np.log(0.35), np.log(1.3)))
        scales = np.sort(common * np.exp(rng.normal(0, 0.25, count)))
        for number, scale in enumerate(scales, 1):
            person = cut_out(self.photos[rng.choice(len(self.photos), p=self.photos.chances)])
            if person is None:
                continue
            if rng.random() < 0.5:
                person = person.mirrored()
            tall = max(SMALLEST, scale) * height
            factor = tall / person.kinds.shape[0]
            wide = factor * person.kinds.shape[1]
            # Feet stand low in the picture or below it.
            x = rng.uniform(-0.3 * wide, width - 0.7 * wide)
            bottom = height * rng.uniform(0.8, 1.05) if tall < height else tall + rng.uniform(
                -0.05, 0.08
            ) * height
            matrix = np.array(((factor, 0, x), (0, factor, bottom - tall)))
            paste(Sample(rgb, kinds, persons, left), person, matrix, number, rng)
        distance = cv2.distanceTransform((persons == 0).view(np.uint8), cv2.DIST_L2, 3)
        kinds[(kinds == BACKGROUND) & (distance > NEAR)] = FAR
        return Sample(rgb, kinds, persons, left)


def cut_out(photo: Sample) -> Sample | None:
    """The person of a photo and what is held, cropped; persons is 1 where it is opaque.

    None if it is not certain who that is. Pixels of unknown class inside the person stay unknown.
    """
    own = photo.persons == 1
    if own.sum() < 2000:
        return None
    held = photo.kinds == HELD
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
