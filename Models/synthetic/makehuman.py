"""MakeHuman's CC0 garments, shoes, hats and hair: read from `.obj` and `.mhclo` files, packed into
`makehuman.npz`, and fitted to any shape of the body mesh.

An `.mhclo` file ties each vertex of an item to three body vertices: their weighted sum plus an
offset, which grows with the body. A line of one number lies on that body vertex; no file that is
used here has one, but the format allows it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from m2fp.c_library import cache_directory

AXES = {"x_scale": 0, "y_scale": 1, "z_scale": 2}
FILE = "makehuman.npz"


@dataclass(frozen=True)
class Item:
    """One mesh of V vertices and T triangles."""

    reference: np.ndarray  # (V, 3) int32, vertices of the body
    weight: np.ndarray  # (V, 3) float32
    offset: np.ndarray  # (V, 3) float32, in units of the body's measures
    measure: np.ndarray  # (3, 2) int32, the body vertices whose distance along x, y, z is measured
    length: np.ndarray  # (3,) float32, that distance on the body the item was made on
    hides: np.ndarray  # (H,) int32, body vertices beneath the item
    triangle: np.ndarray  # (T, 3) int32
    island: np.ndarray  # (T,) int32, the piece of cloth in the texture; larger ones come first
    shell: np.ndarray  # (T,) int32, the connected part of the mesh; larger ones come first

    def fit(self, body: np.ndarray) -> np.ndarray:
        """The item's vertices (V, 3) on a body of vertices (B, 3)."""
        a, b = self.measure.T
        axes = np.arange(3)
        scale = abs(body[a, axes] - body[b, axes]) / self.length
        return (self.carry(body) + self.offset * scale).astype(np.float32)

    def part(self, keep: np.ndarray) -> "Item":
        """The item of the triangles `keep` (T,) bool and the vertices they need."""
        used, triangle = np.unique(self.triangle[keep], return_inverse=True)
        return replace(
            self,
            reference=self.reference[used],
            weight=self.weight[used],
            offset=self.offset[used],
            triangle=triangle.reshape(-1, 3).astype(np.int32),
            island=self.island[keep],
            shell=self.shell[keep],
        )

    def carry(self, values: np.ndarray) -> np.ndarray:
        """What a field on the body, (B,) or (B, C), is at the item's vertices."""
        return np.einsum("vk,vk...->v...", self.weight, values[self.reference])

    def skin(self, index: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bones and weights, each (V, 4), from those of the body, each (B, 4): the strongest four
        of the twelve that the three references have."""
        share = np.clip(self.weight, 0, None)
        share = share / np.maximum(share.sum(1, keepdims=True), 1e-6)
        bones = index[self.reference].reshape(len(share), -1)
        strength = (weight[self.reference] * share[:, :, None]).reshape(len(share), -1)
        order = np.argsort(bones, 1, kind="stable")
        bones, strength = (np.take_along_axis(a, order, 1) for a in (bones, strength))
        first = np.concatenate([np.ones((len(bones), 1), bool), np.diff(bones, axis=1) != 0], 1)
        total = np.zeros_like(strength)  # a bone's weight, at the first of its entries
        rows = np.arange(len(bones))[:, None]
        start = np.maximum.accumulate(np.where(first, np.arange(bones.shape[1]), 0), 1)
        np.add.at(total, (np.broadcast_to(rows, start.shape), start), strength)
        top = np.argsort(-total, 1, kind="stable")[:, :4]
        strongest = np.take_along_axis(total, top, 1)
        return (
            np.take_along_axis(bones, top, 1).astype(np.int32),
            (strongest / np.maximum(strongest.sum(1, keepdims=True), 1e-6)).astype(np.float32),
        )


def read_fit(path: Path) -> dict[str, np.ndarray]:
    """The fitting data of an `.mhclo` file: `reference`, `weight`, `offset`, `measure`, `length`
    and `hides` of an `Item`.

    Keywords may stand anywhere, also between `verts` and the vertices. A vertex is nine numbers, or
    one: the body vertex that it lies on. Raises `ValueError` for any other.
    """
    reference, weight, offset = [], [], []
    measure, length = np.zeros((3, 2), np.int32), np.ones(3, np.float32)
    hides: list[int] = []
    section = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] in AXES:
            axis = AXES[words[0]]
            measure[axis], length[axis] = [int(w) for w in words[1:3]], float(words[3])
        elif words[0] in ("verts", "delete_verts"):
            section = words[0]
            if section == "delete_verts":
                hides += _ranges(words[1:])
        elif words[0].lstrip("-").isdigit() and section == "delete_verts":
            hides += _ranges(words)
        elif words[0].lstrip("-").isdigit() and section == "verts":
            match len(words):
                case 1:
                    reference.append([int(words[0])] * 3)
                    weight.append([1.0, 0.0, 0.0])
                    offset.append([0.0, 0.0, 0.0])
                case 9:
                    reference.append([int(w) for w in words[:3]])
                    weight.append([float(w) for w in words[3:6]])
                    offset.append([float(w) for w in words[6:]])
                case _:
                    raise ValueError(f"{path.name}:{number}: a vertex of {len(words)} numbers")
    return {
        "reference": np.array(reference, np.int32).reshape(-1, 3),
        "weight": np.array(weight, np.float32).reshape(-1, 3),
        "offset": np.array(offset, np.float32).reshape(-1, 3),
        "measure": measure,
        "length": length,
        "hides": np.array(hides, np.int32),
    }


def _ranges(words: list[str]) -> list[int]:
    """`4 - 6 9` is 4, 5, 6 and 9."""
    out: list[int] = []
    words = list(words)
    while words:
        first = last = int(words.pop(0))
        if words and words[0] == "-":
            last = int(words[1])
            del words[:2]
        out += range(first, last + 1)
    return out


def read_faces(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A Wavefront file's triangles (T, 3), twice: as vertices and as points of the texture.
    Without texture points both are vertices."""
    corners: list[tuple[int, int]] = []
    for line in path.read_text().splitlines():
        if not line.startswith("f "):
            continue
        face = []
        for corner in line.split()[1:]:
            vertex, _, texture = corner.partition("/")
            texture = texture.partition("/")[0] or vertex
            face.append((int(vertex) - 1, int(texture) - 1))
        for b, c in zip(face[1:], face[2:]):
            corners += [face[0], b, c]
    both = np.array(corners, np.int32).reshape(-1, 3, 2)
    return np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])


def components(triangle: np.ndarray) -> np.ndarray:
    """The connected part (T,) that each triangle (T, 3) belongs to, numbered from the one of most
    triangles down."""
    count = int(triangle.max(initial=-1)) + 1
    ends = triangle[:, [0, 1, 0, 2]].reshape(-1, 2).T
    edges = coo_matrix((np.ones(ends.shape[1], np.int8), tuple(ends)), (count, count))
    _, part, count = np.unique(
        connected_components(edges, directed=False)[1][triangle[:, 0]],
        return_inverse=True,
        return_counts=True,
    )
    rank = np.empty_like(count)
    rank[np.argsort(-count, kind="stable")] = np.arange(len(count))
    return rank[part].astype(np.int32)


def read(path: Path) -> Item:
    """An item from its `.mhclo` file and the `.obj` file beside it. Raises `ValueError` when the
    two do not agree."""
    fit = read_fit(path)
    triangle, texture = read_faces(path.with_suffix(".obj"))
    if triangle.max(initial=-1) >= len(fit["reference"]):
        raise ValueError(f"{path.name}: {len(fit['reference'])} vertices for more in the mesh")
    return Item(**fit, triangle=triangle, island=components(texture), shell=components(triangle))


def build(folder: Path, out: Path, vertices: int) -> int:
    """Pack every item under `folder`, for a body of so many vertices. Returns how many there are;
    raises `FileNotFoundError` when there is none and `ValueError` for one of another body."""
    packed: dict[str, np.ndarray] = {}
    paths = sorted(folder.rglob("*.mhclo"))
    if not paths:
        raise FileNotFoundError(f"{folder}: no .mhclo file")
    for path in paths:
        item = read(path)
        if max(item.reference.max(), item.measure.max()) >= vertices:
            raise ValueError(f"{path.name}: fits another body")
        for field in fields(Item):
            packed[f"{path.stem}/{field.name}"] = getattr(item, field.name)
    np.savez_compressed(out, **packed)
    return len(paths)


@functools.cache
def items() -> dict[str, Item]:
    """The packed items by name; none where `build_assets` ran without MakeHuman's folder."""
    path = cache_directory() / FILE
    if not path.exists():
        return {}
    with np.load(path) as data:
        names = dict.fromkeys(key.partition("/")[0] for key in data.files)
        return {
            name: Item(**{f.name: data[f"{name}/{f.name}"] for f in fields(Item)}) for name in names
        }
