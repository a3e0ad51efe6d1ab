"""MakeHuman's items by what they are: which part of which mesh is a jacket, trousers, a sock.

Empty where `build_assets` ran without MakeHuman's folder.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from synthetic import makehuman
from synthetic.body import Body, load
from synthetic.makehuman import Item

OUTFITS: dict[str, dict[str, dict[str, tuple[int, ...]]]] = {
    "female_casualsuit01": {"shell": {"tee": (0,), "trousers": (1,)}},
    "female_casualsuit02": {"shell": {"tee": (1,), "shorts": (0, 2)}},
    "female_elegantsuit01": {"shell": {"jacket": (0,), "skirt": (1,)}},
    "female_sportsuit01": {"shell": {"tee": (0,), "trousers": (1,)}},
    "male_casualsuit01": {"island": {"shirt": (1, 3, 4, 5), "trousers": (0, 2)}},
    "male_casualsuit02": {"shell": {"sweater": (0,), "trousers": (1,)}},
    "male_casualsuit03": {"shell": {"shirt": (0,), "trousers": (1,)}},
    "male_casualsuit04": {"shell": {"tee": (1,), "trousers": (0,)}},
    "male_casualsuit05": {"shell": {"open jacket": (0, 3), "shirt front": (2,), "trousers": (1,)}},
    "male_casualsuit06": {"shell": {"tee": (0,), "trousers": (1,)}},
    "male_elegantsuit01": {
        "shell": {"suit jacket": (0,), "trousers": (1,)},
        "island": {"shirt front": (6,)},
    },
    "male_worksuit01": {"shell": {"tee": (1,), "dungarees": (0, 2, 3, 4)}},
    "shoes01": {"shell": {"shoes": (0, 1), "socks": (2, 3)}},
    "shoes02": {"shell": {"shoes": (0, 1), "socks": (2, 3)}},
    "shoes03": {"shell": {"socks": (2, 3)}, "rest": {"shoes": ()}},
    "fedora": {"rest": {"hat": ()}},
    "fedora_cocked": {"rest": {"hat": ()}},
    **{
        name: {"rest": {"hair": ()}}
        for name in (
            *("afro01", "bob01", "bob02", "braid01", "long01"),
            *("ponytail01", "short01", "short02", "short03", "short04"),
        )
    },
}
"""What the pieces of each item are: parts of its mesh by their number among its `shell`s or
`island`s (an island goes before a shell), or the rest. shoes04 to 06 are shoes01 and 02 in other
colours."""


MARGIN = 0.1  # decimetres below its upper edge and above its lower one where a piece covers nothing


@dataclass(frozen=True)
class Piece:
    item: Item
    rest: np.ndarray  # (V, 3) float32, on the body at rest
    bone: np.ndarray  # (V, 4) int32
    bone_weight: np.ndarray  # (V, 4) float32
    covers: np.ndarray  # (B,) float32, 1 at the body's vertices beneath it, else -1


def roles(item: Item, parts: dict[str, dict[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """The triangles (T,) bool of each piece; no triangle is in two."""
    left = np.ones(len(item.triangle), bool)
    out = {}
    for division in ("island", "shell", "rest"):
        for role, numbers in parts.get(division, {}).items():
            inside = True if division == "rest" else np.isin(getattr(item, division), numbers)
            out[role] = left & inside
            left = left & ~out[role]
    return out


def split(item: Item, parts: dict[str, dict[str, tuple[int, ...]]], body: Body) -> dict[str, Piece]:
    """The pieces of an item; what it hides of the body goes to the piece that lies nearest, unless
    that ends below or above."""
    rest = item.fit(body.vertices)
    nearest = np.zeros(0, int)
    masks = roles(item, parts)
    owner = np.full(len(rest), -1)
    for number, mask in enumerate(masks.values()):
        owner[item.triangle[mask]] = number
    if len(item.hides):
        owned = np.flatnonzero(owner >= 0)
        nearest = owner[owned[cKDTree(rest[owned]).query(body.vertices[item.hides])[1]]]
    out = {}
    for number, (role, mask) in enumerate(masks.items()):
        piece = item.part(mask)
        at = piece.fit(body.vertices)
        covers = np.full(len(body.vertices), -1, np.float32)
        if len(item.hides):
            hides = item.hides[nearest == number]
            height = body.vertices[hides, 1]
            within = (height > at[:, 1].min() + MARGIN) & (height < at[:, 1].max() - MARGIN)
            covers[hides[within]] = 1
        bone, weight = piece.skin(body.weight_index, body.weight)
        out[role] = Piece(piece, at, bone, weight, covers)
    return out


@functools.cache
def catalogue() -> dict[str, dict[str, Piece]]:
    """By role and item's name."""
    items = makehuman.items()
    out: dict[str, dict[str, Piece]] = {}
    for name, parts in OUTFITS.items():
        if name in items:
            for role, piece in split(items[name], parts, load()).items():
                out.setdefault(role, {})[name] = piece
    return out


def pick(rng: np.random.Generator, *wanted: str) -> Piece | None:
    """A random piece of any of these roles; None where there is none."""
    found = [piece for role in wanted for piece in catalogue().get(role, {}).values()]
    return found[rng.integers(len(found))] if found else None
