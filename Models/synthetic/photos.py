"""The bank of people-free photographs: where they come from, how they are packed, how they are cut into backgrounds.

`photos.npz` holds JPEGs whose short side is 512 (`photo_0000` ...), their `names`, and `textures` (N, 128, 128, 3), cuts of the
training photos that serve as fabric and paint. SOURCES.md has the licences. A photo is held out by its name, for ever.
"""
from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from synthetic.body import asset

SHORT_SIDE, LONG_SIDE = 512, 1000
HELD_OUT_SHARE = 0.15
TEXTURES = 160


@dataclass(frozen=True)
class Source:
    package: str
    patterns: tuple[str, ...]
    wheel: bool = False
    panorama: bool = False


SOURCES = (
    Source("lomiri-wallpapers-16.04", ("usr/share/backgrounds/*.jpg",)),
    Source("lomiri-wallpapers-20.04", ("usr/share/backgrounds/*.jpg",)),
    Source("ukui-wallpapers", ("usr/share/backgrounds/*.png", "usr/share/backgrounds/*.jpg")),
    Source("gnome-backgrounds", ("usr/share/backgrounds/gnome/*-?.webp",)),
    Source("mate-backgrounds", ("usr/share/backgrounds/mate/nature/*",)),
    Source("blender-data", ("usr/share/blender/datafiles/studiolights/world/*.exr",), panorama=True),
    Source("python3-sklearn", ("usr/lib/python3/dist-packages/sklearn/datasets/images/*.jpg",)),
    Source("scikit-image", tuple(f"skimage/data/{n}" for n in (
        "coffee.png", "chelsea.png", "rocket.jpg", "brick.png", "grass.png", "gravel.png", "coins.png",
        "hubble_deep_field.jpg")), wheel=True),
)


def held_out(name: str) -> bool:
    """Whether photo `name` belongs to the held-out split."""
    return zlib.crc32(name.encode()) % 1000 < HELD_OUT_SHARE * 1000


def _perspective(panorama: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """A 75 degree view, 512 high, out of an equirectangular picture (linear light)."""
    height, width = SHORT_SIDE, 680
    x, y = np.meshgrid((np.arange(width) - width / 2) / (height / 2) * .75, (np.arange(height) / (height / 2) - 1) * .75)
    z = np.cos(pitch) + y * np.sin(pitch)
    y = y * np.cos(pitch) - np.sin(pitch)
    u = (np.arctan2(x, z) + yaw) / (2 * np.pi) % 1 * panorama.shape[1]
    v = (np.arctan2(y, np.hypot(x, z)) / np.pi + .5) * panorama.shape[0]
    return cv2.remap(panorama, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _views(path: Path, panorama: bool) -> Iterator[tuple[str, np.ndarray]]:
    """The pictures in a file, BGR uint8, each with a name."""
    if not panorama:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            yield path.stem, picture
        return
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, :, :3]
    for i in range(8):
        view = _perspective(picture, i * np.pi / 4, (-.1, .15)[i % 2])
        exposed = np.clip(view / (np.percentile(view, 80) + 1e-6) * .6, 0, 1) ** (1 / 2.2)
        yield f"{path.stem}-{i}", (exposed * 255).astype(np.uint8)


def build(fetch: Callable[[Source], Path], out: Path) -> int:
    """Pack every picture of SOURCES; `fetch` gives a source's unpacked folder. Returns how many there are."""
    names, pictures = [], []
    for source in SOURCES:
        folder = fetch(source)
        paths = sorted(p for pattern in source.patterns for p in folder.glob(pattern) if p.suffix != ".svg")
        if not paths:
            raise FileNotFoundError(f"{source.package}: nothing matches {source.patterns}")
        for path in paths:
            for name, picture in _views(path, source.panorama):
                scale = SHORT_SIDE / min(picture.shape[:2])
                size = (max(SHORT_SIDE, round(picture.shape[1] * scale)), max(SHORT_SIDE, round(picture.shape[0] * scale)))
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
                # all views of a panorama fall into one split
                names.append(f"{source.package}/{path.stem if source.panorama else name}")
                pictures.append(picture[:LONG_SIDE, :LONG_SIDE])
    rng = np.random.default_rng(0)
    usable = [p for n, p in zip(names, pictures) if not held_out(n)]
    textures: list[np.ndarray] = []
    while len(textures) < TEXTURES:
        picture = usable[rng.integers(len(usable))]
        side = int(rng.choice([96, 128, 200, 300]))
        y, x = (int(rng.integers(0, n - side)) for n in picture.shape[:2])
        cut = cv2.resize(picture[y:y + side, x:x + side], (128, 128), interpolation=cv2.INTER_AREA)
        if cut.std() > 12:
            textures.append(cut[:, :, ::-1])
    jpegs = {f"photo_{i:04d}": cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 90])[1] for i, p in enumerate(pictures)}
    np.savez(out, names=np.array(names), textures=np.array(textures), **jpegs)
    return len(pictures)


class Bank:
    """The photos of one split, decoded, RGB uint8; `textures` is shared by both."""

    def __init__(self, path: Path, split: str) -> None:
        with np.load(path) as data:
            names = [str(n) for n in data["names"]]
            self.textures = np.ascontiguousarray(data["textures"])
            self.pictures = [
                np.ascontiguousarray(cv2.imdecode(data[f"photo_{i:04d}"], cv2.IMREAD_COLOR)[:, :, ::-1])
                for i, name in enumerate(names) if held_out(name) == (split == "heldout")]
        if not self.pictures:
            raise ValueError(f"no {split} photo in {path}")

    def cut(self, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
        """A random piece (height, width, 3) uint8, perhaps mirrored."""
        picture = self.pictures[rng.integers(len(self.pictures))]
        size = np.array([height, width]) * min(picture.shape[0] / height, picture.shape[1] / width) * rng.uniform(.3, 1)
        h, w = np.maximum(size.astype(int), 8)
        y, x = int(rng.integers(0, picture.shape[0] - h + 1)), int(rng.integers(0, picture.shape[1] - w + 1))
        piece = cv2.resize(picture[y:y + h, x:x + w], (width, height), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(piece[:, ::-1]) if rng.random() < .5 else piece


@functools.cache
def bank(split: str, directory: Path | None = None) -> Bank:
    """The photos of "train" or "heldout"; raises `AssetsMissing` until `build_assets.py` has run."""
    return Bank(asset("photos.npz", directory), split)
