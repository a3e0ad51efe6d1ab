"""Batches for training from rendered shards: crops, mirroring, colour, points and targets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from synthetic.classes import CLASSES, Scene
from synthetic.shards import Shard

from .criterion import Targets

HUMAN = len(CLASSES)
CENTRE_STRIDE = 8
SMALLEST_TARGET = 12  # pixels: less than one cell of the mask map is noise
# Heights and widths, and how likely each is at the start and at the end of training: small images
# teach more a second, the product's sizes come last. A GPU's library plans anew for each.
SIZES = ((192, 192), (256, 192), (192, 256), (320, 256), (256, 320), (448, 320), (320, 448),
         (384, 384))
EARLY = np.array((4, 5, 5, 2, 2, 0.5, 0.5, 0.5))
LATE = np.array((0, 0.5, 0.5, 2, 2, 2.5, 2.5, 2.5))
RESCAN_EVERY = 30  # batches


class Batch(NamedTuple):
    """One step's input.

    images : (B, 3, H, W) uint8, RGB.
    points : (B, P, 2), x and y in [0, 1].
    targets : at the points.
    centres : (B, H/8, W/8) in [0, 1], 1 at the centre of a person's visible pixels.
    """

    images: Tensor
    points: Tensor
    targets: Targets
    centres: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device; the counts of persons stay in main memory."""

        def moved(values):
            return (
                x.to(device, non_blocking=True) if isinstance(x, Tensor) else x for x in values
            )

        return Batch(*moved(self._replace(targets=Targets(*moved(self.targets)))))


class Renders:
    """Every scene of the shards in some folders; shards that appear later join at ``rescan``."""

    def __init__(self, folders: list[Path]):
        self.folders = folders
        self.shards: dict[Path, Shard] = {}
        self.rescan()

    def rescan(self) -> None:
        for path in sorted(p for folder in self.folders for p in folder.glob("*.npz")):
            if path not in self.shards:
                self.shards[path] = Shard(path)
        self.ends = np.cumsum([len(shard) for shard in self.shards.values()])

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: int) -> Scene:
        place = int(np.searchsorted(self.ends, index, side="right"))
        shard = list(self.shards.values())[place]
        return shard[index - int(self.ends[place]) + len(shard)]

    def scenes(self) -> Iterator[Scene]:
        """Every scene, in order."""
        return (self[index] for index in range(len(self)))

    def batch(
        self, rng: np.random.Generator, pixels: int, points: int, progress: float = 1.0
    ) -> Batch:
        """A batch of one random size, with about ``pixels`` pixels in all."""
        chances = (1 - progress) * EARLY / EARLY.sum() + progress * LATE / LATE.sum()
        height, width = SIZES[rng.choice(len(SIZES), p=chances)]
        count = max(2, round(pixels / (height * width)))
        scenes = [augment(self[rng.integers(len(self))], height, width, rng) for _ in range(count)]
        places = np.stack([choose_points(scene, points, rng) for scene in scenes])
        rows, columns = np.divmod(places, width)
        images = np.stack([scene.rgb for scene in scenes])
        return Batch(
            # Channels stay last in memory.
            torch.from_numpy(images).permute(0, 3, 1, 2),
            torch.from_numpy(np.stack(((columns + 0.5) / width, (rows + 0.5) / height), 2)).float(),
            make_targets(scenes, places),
            torch.from_numpy(np.stack([centre_map(scene) for scene in scenes])),
        )


class Batches(IterableDataset):
    """Endless random batches of renders.

    Parameters
    ----------
    folders : list of Path
        Of shards.
    pixels, points : int
        Of a batch, and of an image.
    seed : tuple of int
        Each of a loader's processes has batches of its own.
    progress : Tensor
        (1,), in shared memory: the share of the training that is over.
    """

    def __init__(
        self, folders: list[Path], pixels: int, points: int, seed: tuple[int, ...], progress: Tensor
    ):
        self.folders, self.pixels, self.points = folders, pixels, points
        self.seed, self.progress = seed, progress

    def __iter__(self) -> Iterator[Batch]:
        process = get_worker_info()
        if process is not None:
            cv2.setNumThreads(1)
        rng = np.random.default_rng((*self.seed, process.id if process else 0))
        renders = Renders(self.folders)
        for number in itertools.count():
            if number % RESCAN_EVERY == 0:
                renders.rescan()
            yield renders.batch(rng, self.pixels, self.points, self.progress.item())


def augment(scene: Scene, height: int, width: int, rng: np.random.Generator) -> Scene:
    """A mirrored, scaled, turned and cut view of a scene, in other light."""
    if rng.random() < 0.5:
        scene = scene.mirrored()
    own_height, own_width = scene.labels.shape
    cover = max(height / own_height, width / own_width)
    contain = min(height / own_height, width / own_width)
    if rng.random() < 0.25:  # whole, with padding right and below as at inference
        scale, angle = contain * rng.uniform(0.8, 1.0), 0.0
        shift_x = shift_y = 0.0
        turn = np.eye(2)
    else:
        scale = cover * np.exp(rng.uniform(np.log(0.75), np.log(1.7)))
        angle = np.deg2rad(rng.normal(0, 6)) if rng.random() < 0.4 else 0.0
        turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
        shift_x = rng.uniform(*sorted((0.0, width - scale * own_width)))
        shift_y = rng.uniform(*sorted((0.0, height - scale * own_height)))
    middle = np.array((own_width, own_height)) / 2
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * turn
    matrix[:, 2] = np.array((shift_x, shift_y)) + scale * middle - matrix[:, :2] @ middle
    size = (width, height)
    rgb = scene.rgb
    if scale < 0.6:  # bilinear reading alone would alias
        rgb = cv2.blur(rgb, (int(round(1 / scale)),) * 2)
    rgb = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR)
    labels, persons = (
        cv2.warpAffine(x, matrix, size, flags=cv2.INTER_NEAREST)
        for x in (scene.labels, scene.persons)
    )
    return Scene(recolour(rgb, rng), labels, persons)


def recolour(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure, colour cast, saturation, focus, noise and compression."""
    if rng.random() < 0.8:
        tone = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.25))
        tone = (tone - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.07)
        tone = tone * np.exp(rng.normal(0, 0.08, 3))
        rgb = cv2.LUT(rgb, (tone.clip(0, 1) * 255).astype(np.uint8)[None])
    if rng.random() < 0.4:
        grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        share = 1.0 if rng.random() < 0.2 else rng.uniform(-0.5, 0.7)
        rgb = cv2.addWeighted(rgb, 1 - share, grey, share, 0)
    if rng.random() < 0.2:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:
        noise = rng.standard_normal(rgb.shape, np.float32) * np.float32(rng.uniform(2, 14))
        rgb = cv2.add(rgb, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.2:
        quality = int(rng.integers(25, 80))
        _, code = cv2.imencode(".jpg", rgb, (cv2.IMWRITE_JPEG_QUALITY, quality))
        rgb = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return rgb


def choose_points(scene: Scene, count: int, rng: np.random.Generator) -> np.ndarray:
    """Flat pixel indices (count,): half anywhere, the rest on edges and shared among classes.

    Uniform points alone would hardly ever meet a pair of glasses or the rim of a sleeve.
    """
    height, width = scene.labels.shape
    key = scene.labels.astype(np.int16) + 32 * scene.persons.astype(np.int16)
    edge = np.zeros((height, width), bool)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = key[here] != key[there]
        edge[here] |= differs
        edge[there] |= differs
    chosen = []
    edges = np.flatnonzero(edge)
    if len(edges):
        chosen.append(rng.choice(edges, count // 4))
    flat = scene.labels.ravel()
    present = np.flatnonzero(np.bincount(flat, minlength=HUMAN)[1:]) + 1
    for label in present:
        chosen.append(rng.choice(np.flatnonzero(flat == label), count // 4 // len(present)))
    rest = count - sum(len(x) for x in chosen)
    return np.concatenate([*chosen, rng.integers(0, flat.size, rest)])


def make_targets(scenes: list[Scene], places: np.ndarray) -> Targets:
    """Targets of a batch, at flat pixel indices (B, P) of each scene."""
    areas = np.stack([np.bincount(s.labels.ravel(), minlength=HUMAN) for s in scenes])
    people = [person_ids(scene) for scene in scenes]
    persons = np.zeros(places.shape, np.int64)
    for image, (scene, ids) in enumerate(zip(scenes, people)):
        number = np.zeros(256, np.int64)
        number[ids] = np.arange(1, len(ids) + 1)
        persons[image] = number[scene.persons.ravel()[places[image]]]
    labels = np.stack([s.labels.ravel()[p] for s, p in zip(scenes, places)])
    return Targets(
        torch.from_numpy(areas[:, 1:] >= SMALLEST_TARGET),
        torch.from_numpy(labels.astype(np.int64)),
        [len(ids) for ids in people],
        torch.from_numpy(persons),
    )


def person_ids(scene: Scene) -> list[int]:
    areas = np.bincount(scene.persons.ravel())
    return [i for i in range(1, len(areas)) if areas[i] >= SMALLEST_TARGET]


def centre_map(scene: Scene) -> np.ndarray:
    """A Gaussian at each person's centre, as wide as the person is big (Zhou et al. 2019)."""
    height, width = (side // CENTRE_STRIDE for side in scene.labels.shape)
    result = np.zeros((height, width), np.float32)
    rows, columns = np.mgrid[:height, :width]
    for person in person_ids(scene):
        moments = cv2.moments((scene.persons == person).view(np.uint8), binaryImage=True)
        area = moments["m00"]
        row, column = (int(moments[name] / area // CENTRE_STRIDE) for name in ("m01", "m10"))
        spread = np.clip(0.12 * np.sqrt(area) / CENTRE_STRIDE, 0.6, 4.0)
        distance = (rows - row) ** 2 + (columns - column) ** 2
        result = np.maximum(result, np.exp(-distance / (2 * spread**2)))
    return result.astype(np.float32)
