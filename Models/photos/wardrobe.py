"""Street photos in which people wear other things: colours, and what few photos show.

Cloth changes its colour; hats, glasses and scarves come from other photos, placed by the joints of
both; bare hands get gloves and bare shins socks, with the shading of the skin they cover. All of it
keeps a real picture around what is changed.
"""

from __future__ import annotations

import cv2
import numpy as np

from m2fp.samples import UNKNOWN_SIDE, Sample, kind_classes
from synthetic import classes

from . import poses
from .limbs import SKIN
from .street import StreetPhotos

RECOLOURED = 0.4  # of the photos, and
EACH_GARMENT = 0.6  # of their garments
BORROWED = 0.3  # of the photos
GLOVED, SOCKED = 0.08, 0.12  # of the photos, where hands or shins are bare
# What is borrowed, how often beside each other, and the joints that it is placed by.
ANCHORS = {
    classes.HAT: (0.4, (poses.EAR, poses.EAR + 1)),
    classes.SUNGLASSES: (0.15, (poses.EYE, poses.EYE + 3)),
    classes.SCARF: (0.45, (poses.SHOULDER, poses.SHOULDER + 1)),
}
LEAST_AREA = 150  # pixels of what is borrowed
CLOTH = (
    classes.HAT, classes.UPPER_CLOTHES, classes.DRESS, classes.COAT, classes.PANTS, classes.SCARF,
    classes.SKIRT, classes.SOCKS,
)  # fmt: skip
SOFT = 0.7  # pixels by which what is changed melts into what stays


class Wardrobe:
    """Endless street photos, some of them dressed otherwise; ``photos`` know their poses."""

    def __init__(self, photos: StreetPhotos):
        self.photos = photos
        self.owners = {
            label: [i for i in range(len(photos)) if photos.areas[i, label] >= LEAST_AREA]
            for label in ANCHORS
        }

    def pose(self, index: int) -> np.ndarray | None:
        pose = self.photos.poses.get(self.photos.paths[index].stem)
        return None if pose is None else np.array(pose)

    def draw(self, rng: np.random.Generator) -> Sample:
        index = rng.choice(len(self.photos), p=self.photos.chances)
        sample, pose = self.photos[index], self.pose(index)
        if rng.random() < RECOLOURED:
            sample = recolour_cloth(sample, rng)
        if pose is None:
            return sample
        if rng.random() < BORROWED:
            sample = self._borrow(sample, index, pose, rng)
        for side in (0, 1):
            if rng.random() < GLOVED:
                sample = put_on(sample, hand(sample, pose, side, rng), classes.GLOVES, rng)
        if rng.random() < SOCKED:
            height = rng.uniform(0.1, 0.9)
            colour = sock_colour(rng)
            for side in (0, 1):
                where = shin(sample, pose, side, height)
                sample = put_on(sample, where, classes.SOCKS, rng, colour)
        return sample

    def _borrow(
        self, sample: Sample, index: int, pose: np.ndarray, rng: np.random.Generator
    ) -> Sample:
        """The sample with a hat, glasses or a scarf of another photo, if it has none."""
        shares = np.array([share for share, _ in ANCHORS.values()])
        label = rng.choice(list(ANCHORS), p=shares / shares.sum())
        owners = self.owners[label]
        if not owners or self.photos.areas[index, label] > 0:
            return sample
        other = owners[rng.integers(len(owners))]
        its_pose = self.pose(other)
        if its_pose is None:
            return sample
        matrix = similarity(*(p[list(ANCHORS[label][1]), :2] for p in (its_pose, pose)))
        scale = np.sqrt(np.linalg.det(matrix[:, :2]))
        if not 0.5 < scale < 2 or matrix[0, 0] / scale < 0.8:
            return sample
        donor = self.photos[other]
        size = sample.kinds.shape[::-1]
        there = (donor.kinds == label).astype(np.float32)
        alpha = cv2.warpAffine(there, matrix, size, flags=cv2.INTER_LINEAR)
        rgb = cv2.warpAffine(
            donor.rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if rng.random() < 0.5:
            rgb = recolour(rgb, rng)
        return wear(sample, rgb, cv2.GaussianBlur(alpha, (0, 0), SOFT), label)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3): the map of two points (2, 2) onto two others that keeps shapes."""
    (a, b), (c, d) = (points @ (1, 1j) for points in (source, target))
    turn = (d - c) / (b - a) if a != b else 0
    shift = c - turn * a
    return np.array(((turn.real, -turn.imag, shift.real), (turn.imag, turn.real, shift.imag)))


def wear(sample: Sample, rgb: np.ndarray, alpha: np.ndarray, label: int) -> Sample:
    """The sample with a picture of something laid over it where ``alpha`` (H, W) says."""
    seen = alpha > 0.5
    soft = alpha[..., None]
    mixed = (soft * rgb + (1 - soft) * sample.rgb).astype(np.uint8)
    kinds, persons, left = (x.copy() for x in sample[1:])
    kinds[seen] = label
    left[seen] = UNKNOWN_SIDE
    # Somebody wears it; who stands where persons are not known stays unknown.
    persons[seen & (persons == 0)] = 1
    return Sample(mixed, kinds, persons, left)


def recolour(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture in another hue, lightness and saturation."""
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    if rng.random() < 0.6:
        turned = (hsv[..., 0].astype(np.int16) + int(rng.integers(180))) % 180
        hsv[..., 0] = turned.astype(np.uint8)
        gain = np.arange(256) * np.exp(rng.normal(0, 0.4))
        hsv[..., 1] = cv2.LUT(hsv[..., 1], gain.clip(0, 255).astype(np.uint8))
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    tone = (np.arange(256)[:, None] / 255) ** np.exp(rng.normal(0, 0.4))
    tone = tone * np.exp(rng.normal(0, 0.25, 3) + rng.normal(0, 0.25))
    return cv2.LUT(rgb, (255 * tone.clip(0, 1)).astype(np.uint8)[None])


def recolour_cloth(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample with some garments and shoes in other colours."""
    rgb = sample.rgb
    both = kind_classes()
    shoes = both[:, [classes.LEFT_SHOE, classes.RIGHT_SHOE]].any(1) & (both.sum(1) <= 2)
    for where in (*(sample.kinds == label for label in CLOTH), shoes[sample.kinds]):
        if rng.random() < EACH_GARMENT and where.any():
            alpha = cv2.GaussianBlur(where.astype(np.float32), (0, 0), SOFT)[..., None]
            rgb = (alpha * recolour(rgb, rng) + (1 - alpha) * rgb).astype(np.uint8)
    return sample._replace(rgb=rgb)


def bare(sample: Sample) -> np.ndarray:
    """(H, W) bool: skin of the person whose pose is known."""
    is_skin = ~np.delete(kind_classes(), list(SKIN), axis=1).any(1)
    return is_skin[sample.kinds] & (sample.persons == 1)


def along(shape: tuple[int, int], start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, ...]:
    """(H, W): how far along from one point to another each pixel lies (0...1 between them), and how
    far from that line as a share of its length."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    way = end - start
    length = max(float(way @ way), 1.0)
    x, y = columns - start[0], rows - start[1]
    return (x * way[0] + y * way[1]) / length, np.abs(x * way[1] - y * way[0]) / length


def hand(sample: Sample, pose: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool: a bare hand, and some of the forearm."""
    elbow, wrist = pose[poses.ELBOW + side], pose[poses.WRIST + side]
    if min(elbow[2], wrist[2]) < poses.SEEN:
        return np.zeros(sample.kinds.shape, bool)
    part, aside = along(sample.kinds.shape, elbow[:2], wrist[:2])
    cuff = rng.choice((1.0, 0.95, 0.8, 0.5), p=(0.4, 0.3, 0.2, 0.1))
    return bare(sample) & (part > cuff) & (part < 2.0) & (aside < 0.6)


def shin(sample: Sample, pose: np.ndarray, side: int, height: float) -> np.ndarray:
    """(H, W) bool: the bare shin up to a share of it."""
    knee, ankle = pose[poses.KNEE + side], pose[poses.ANKLE + side]
    if min(knee[2], ankle[2]) < poses.SEEN:
        return np.zeros(sample.kinds.shape, bool)
    part, aside = along(sample.kinds.shape, ankle[:2], knee[:2])
    return bare(sample) & (part > -0.4) & (part < height) & (aside < 0.3)


def sock_colour(rng: np.random.Generator) -> np.ndarray:
    """(3,) RGB: mostly black, white or grey."""
    grey = np.full(3, rng.choice((rng.uniform(15, 60), rng.uniform(60, 200), rng.uniform(190, 250))))
    return grey if rng.random() < 0.6 else rng.uniform(20, 230, 3)


def glove_colour(rng: np.random.Generator) -> np.ndarray:
    """(3,) RGB: mostly black or brown."""
    which = rng.random()
    if which < 0.45:
        return np.full(3, rng.uniform(15, 55))
    if which < 0.65:
        return np.array((1.0, 0.65, 0.4)) * rng.uniform(50, 160)
    return rng.uniform(20, 230, 3)


def put_on(
    sample: Sample,
    where: np.ndarray,
    label: int,
    rng: np.random.Generator,
    colour: np.ndarray | None = None,
) -> Sample:
    """The sample with skin (H, W) bool covered by cloth that is shaded as the skin was."""
    where = cv2.morphologyEx(where.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    if where.sum() < LEAST_AREA // 2:
        return sample
    colour = glove_colour(rng) if colour is None else colour
    grey = cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    shade = (grey / max(grey[where].mean(), 1)).clip(0.2, 2) ** rng.uniform(0.6, 1.3)
    weave = rng.standard_normal(grey.shape, np.float32) * np.float32(rng.uniform(0.01, 0.1))
    cloth = (colour * (shade * (1 + weave))[..., None]).clip(0, 255)
    alpha = cv2.GaussianBlur(where.astype(np.float32), (0, 0), SOFT)
    return wear(sample, cloth, alpha, label)
