"""Batches for training from samples of several sources: views, points and targets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from synthetic.classes import CLASSES, Scene
from synthetic.shards import Shard

from . import criterion, samples
from .augmentation import Pictures, recolour, view
from .criterion import Targets
from .samples import UNKNOWN_PERSON, Sample

HUMAN = len(CLASSES)
CENTRE_STRIDE = 8
SMALLEST_TARGET = 12  # pixels: less than one cell of the mask map is noise
IGNORED_CENTRE = -1.0
RESCAN_EVERY = 30  # batches


class Batch(NamedTuple):
    """Pictures that go through the network together.

    images : (B, 3, H, W) uint8, RGB.
    points : (B, P, 2), x and y in [0, 1].
    targets : at the points.
    centres : (B, H/8, W/8) in [0, 1], 1 at the centre of a person's visible pixels;
        `IGNORED_CENTRE` where persons are not known.
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

    def draw(self, rng: np.random.Generator) -> Sample:
        return samples.from_scene(self[rng.integers(len(self))])


class Mixture(NamedTuple):
    """What a batch is made of.

    Attributes
    ----------
    sources : dict
        By name: how to draw a sample.
    shapes : list of (int, int)
        Heights and widths of batches, all alike in one. A GPU's library plans anew for each.
    shares : list of dict
        Of each shape, the expected share of each source in a batch; the whole numbers that fit are
        always there, the rest by chance.
    chances : callable
        How likely each shape is, when a share of the training in 0...1 is over.
    styles : callable or None
        Pictures to take colours from.
    rescan : callable
        Look for more of what sources draw from.
    """

    sources: dict[str, Callable[[np.random.Generator], Sample]]
    shapes: list[tuple[int, int]]
    shares: list[dict[str, float]]
    chances: Callable[[float], np.ndarray]
    styles: Pictures | None
    rescan: Callable[[], None]

    def batch(
        self, rng: np.random.Generator, pixels: int, points: int, progress: float = 1.0
    ) -> Batch:
        """A batch of one random size, with about ``pixels`` pixels in all."""
        shape = rng.choice(len(self.shapes), p=self.chances(progress))
        height, width = self.shapes[shape]
        count = max(2, round(pixels / (height * width)))
        views = []
        for source in divide(self.shares[shape], count, rng):
            sample = view(self.sources[source](rng), height, width, rng)
            views.append(sample._replace(rgb=recolour(sample.rgb, rng, self.styles)))
        return make_batch(views, points, rng)


def divide(shares: dict[str, float], count: int, rng: np.random.Generator) -> list[str]:
    """``count`` names in proportion to ``shares``: each as often as fits, and the rest by chance."""
    names = list(shares)
    wanted = np.array([shares[name] for name in names])
    wanted = count * wanted / wanted.sum()
    whole = np.floor(wanted + 1e-9).astype(int)
    chosen = np.repeat(names, whole).tolist()
    rest = (wanted - whole).clip(0)
    if missing := count - len(chosen):
        chosen += rng.choice(names, missing, p=rest / rest.sum()).tolist()
    return chosen


def make_batch(views: list[Sample], points: int, rng: np.random.Generator) -> Batch:
    """Samples of one size as a batch, judged at ``points`` points each."""
    height, width = views[0].kinds.shape
    places = np.stack([choose_points(sample, points, rng) for sample in views])
    rows, columns = np.divmod(places, width)
    return Batch(
        # Channels stay last in memory.
        torch.from_numpy(np.stack([sample.rgb for sample in views])).permute(0, 3, 1, 2),
        torch.from_numpy(np.stack(((columns + 0.5) / width, (rows + 0.5) / height), 2)).float(),
        make_targets(views, places),
        torch.from_numpy(np.stack([centre_map(sample) for sample in views])),
    )


class Batches(IterableDataset):
    """Endless random batches.

    Parameters
    ----------
    make_mixture : callable
        Opens the sources, in the process that draws from them.
    pixels, points : int
        Of a batch, and of an image.
    seed : tuple of int
        Each of a loader's processes has batches of its own.
    progress : Tensor
        (1,), in shared memory: the share of the training that is over.
    """

    def __init__(
        self,
        make_mixture: Callable[[], Mixture],
        pixels: int,
        points: int,
        seed: tuple[int, ...],
        progress: Tensor,
    ):
        self.make_mixture, self.pixels, self.points = make_mixture, pixels, points
        self.seed, self.progress = seed, progress

    def __iter__(self) -> Iterator[Batch]:
        process = get_worker_info()
        if process is not None:
            cv2.setNumThreads(1)
        rng = np.random.default_rng((*self.seed, process.id if process else 0))
        mixture = self.make_mixture()
        for number in itertools.count():
            if number % RESCAN_EVERY == 0:
                mixture.rescan()
            yield mixture.batch(rng, self.pixels, self.points, self.progress.item())


def choose_points(sample: Sample, count: int, rng: np.random.Generator) -> np.ndarray:
    """Flat pixel indices (count,): half by the weights of their kinds, a quarter on edges, and a
    quarter shared among kinds.

    Uniform points alone would hardly ever meet a pair of glasses or the rim of a sleeve.
    """
    weights = samples.kind_weights()
    kinds = sample.kinds.ravel()
    areas = np.bincount(kinds, minlength=len(weights))
    present = np.flatnonzero(areas * weights)
    if not len(present):
        raise ValueError("a sample of which nothing is known")
    known = weights[sample.kinds] > 0
    key = sample.kinds.astype(np.int16) + 256 * (sample.persons % UNKNOWN_PERSON).astype(np.int16)
    edge = np.zeros(known.shape, bool)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = key[here] != key[there]
        edge[here] |= differs
        edge[there] |= differs
    chosen = []
    edges = np.flatnonzero(edge & known)
    if len(edges):
        chosen.append(rng.choice(edges, count // 4))
    # A stable sort brings the pixels of each kind together.
    order = np.argsort(kinds, kind="stable")
    starts = np.cumsum(areas) - areas

    def draw(kind: int, number: int) -> np.ndarray:
        return order[starts[kind] + rng.integers(areas[kind], size=number)]

    foreground = [k for k in present if k not in (0, samples.FAR)]
    chosen += [draw(k, count // 4 // len(foreground)) for k in foreground]
    rest = count - sum(map(len, chosen))
    mass = (areas * weights)[present]
    numbers = rng.multinomial(rest, mass / mass.sum())
    chosen += [draw(k, n) for k, n in zip(present, numbers)]
    return np.concatenate(chosen)


def make_targets(views: list[Sample], places: np.ndarray) -> Targets:
    """Targets of a batch, at flat pixel indices (B, P) of each sample."""
    # Kinds differ in how often they are drawn, too; here only their classes matter.
    sets, set_of = np.unique(samples.kind_classes(), axis=0, return_inverse=True)
    set_of = set_of.reshape(-1)
    areas = np.stack([np.bincount(set_of[s.kinds.ravel()], minlength=len(sets)) for s in views])
    alone = sets & (sets.sum(1, keepdims=True) == 1)
    shown = areas @ alone >= SMALLEST_TARGET
    absent = areas @ sets == 0
    people = [person_ids(sample) for sample in views]
    persons = np.zeros(places.shape, np.int64)
    for image, (sample, ids) in enumerate(zip(views, people)):
        number = np.zeros(256, np.int64)
        number[ids] = np.arange(1, len(ids) + 1)
        number[UNKNOWN_PERSON] = criterion.UNKNOWN
        persons[image] = number[sample.persons.ravel()[places[image]]]
    labels, left = (
        np.stack([values.ravel()[p] for values, p in zip(maps, places)])
        for maps in ([s.kinds for s in views], [s.left for s in views])
    )
    return Targets(
        torch.from_numpy(sets),
        torch.from_numpy(set_of[labels].astype(np.int64)),
        torch.from_numpy(shown[:, 1:]),
        torch.from_numpy(absent[:, 1:]),
        [len(ids) for ids in people],
        torch.from_numpy(persons),
        torch.from_numpy(np.where(left == samples.UNKNOWN_SIDE, 0.5, left / 255)).float(),
    )


def person_ids(sample: Sample) -> list[int]:
    """The persons of a sample who are large enough to be found."""
    areas = np.bincount(sample.persons.ravel(), minlength=UNKNOWN_PERSON)
    return [i for i in range(1, UNKNOWN_PERSON) if areas[i] >= SMALLEST_TARGET]


def centre_map(sample: Sample) -> np.ndarray:
    """A Gaussian at each person's centre, as wide as the person is big (Zhou et al. 2019)."""
    height, width = (side // CENTRE_STRIDE for side in sample.kinds.shape)
    result = np.zeros((height, width), np.float32)
    rows, columns = np.mgrid[:height, :width]
    for person in person_ids(sample):
        moments = cv2.moments((sample.persons == person).view(np.uint8), binaryImage=True)
        area = moments["m00"]
        row, column = (int(moments[name] / area // CENTRE_STRIDE) for name in ("m01", "m10"))
        spread = np.clip(0.12 * np.sqrt(area) / CENTRE_STRIDE, 0.6, 4.0)
        distance = (rows - row) ** 2 + (columns - column) ** 2
        result = np.maximum(result, np.exp(-distance / (2 * spread**2)))
    unknown = (sample.persons == UNKNOWN_PERSON).astype(np.float32)
    unknown = cv2.resize(unknown, (width, height), interpolation=cv2.INTER_AREA)
    result[(unknown > 0.5) & (result < 1)] = IGNORED_CENTRE
    return result.astype(np.float32)
