"""Python face of `rasteriser.c`."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from m2fp import c_library

SOURCE = Path(__file__).with_name("rasteriser.c")
SHADOW_MAP_SIDE = 384

PLAIN, STRIPES, CHECKS, DOTS, BLOTCHES, TEXTURE, PRINT, STRANDS = range(8)
"""Values of `Material.pattern`."""

HIDDEN = 255
"""Triangle label that is not drawn."""


_F = ctypes.c_float
_POINTER = ctypes.c_void_p


class Material(ctypes.Structure):
    """Surface of a layer; colours are linear RGB, lengths decimetres in rest space. Zero switches a
    feature off."""

    _fields_ = [
        ("base", _F * 3),
        ("second", _F * 3),
        ("trim", _F * 3),
        ("pattern", _F),
        ("scale", _F),
        ("duty", _F),
        ("blend", _F),
        ("texture", _F),
        ("cosine", _F),
        ("sine", _F),
        ("offset", _F * 2),
        ("grain", _F),
        ("grain_scale", _F),
        ("fold", _F),
        ("fold_scale", _F),
        ("wrap", _F),
        ("specular", _F),
        ("shininess", _F),
        ("rim", _F),
        ("trim_width", _F),
        ("placket", _F),
        ("button_pitch", _F),
        ("lapel", _F),
        ("pocket", _F),
        ("belt", _F),
        ("tie", _F),
        ("fray", _F),
    ]

    def copy(self) -> "Material":
        return Material.from_buffer_copy(self)


class _Layer(ctypes.Structure):
    _fields_ = [
        ("vertices", ctypes.c_int),
        ("triangles", ctypes.c_int),
        ("person", ctypes.c_int),
        ("two_sided", ctypes.c_int),
        ("position", _POINTER),
        ("normal", _POINTER),
        ("rest", _POINTER),
        ("field", _POINTER),
        ("tint", _POINTER),
        ("triangle", _POINTER),
        ("label", _POINTER),
        ("bias", _F),
        ("material", Material),
    ]


class View(ctypes.Structure):
    """A camera: q = rotation @ p + translation, depth q.z; pixel = centre + focal * (q.x, -q.y) /
    q.z."""

    _fields_ = [
        ("rotation", _F * 9),
        ("translation", _F * 3),
        ("focal", _F),
        ("centre_x", _F),
        ("centre_y", _F),
        ("orthographic", _F),
    ]


class Light(ctypes.Structure):
    """Key light (casts shadows), fill light (does not) and a sky/ground gradient. `shadow` in [0,
    1] is its darkness."""

    _fields_ = [
        ("key_direction", _F * 3),
        ("key_colour", _F * 3),
        ("fill_direction", _F * 3),
        ("fill_colour", _F * 3),
        ("sky", _F * 3),
        ("ground", _F * 3),
        ("shadow", _F),
    ]


def library() -> ctypes.CDLL:
    return c_library.library(SOURCE)


def contiguous(array: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    return np.ascontiguousarray(array, dtype)


def _pointer(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3), area-weighted, of vertices (V, 3) float32 and triangles (T, 3) int32."""
    out = np.empty_like(vertices)
    library().vertex_normals(
        len(vertices),
        _POINTER(_pointer(vertices)),
        len(triangles),
        _POINTER(_pointer(triangles)),
        _POINTER(_pointer(out)),
    )
    return out


def skin(rest: np.ndarray, index: np.ndarray, weight: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Linear-blend skinning of rest (V, 3) with index and weight (V, 4) and bones (B, 3, 4)."""
    rest = contiguous(rest)
    index, weight, bones = contiguous(index, np.int32), contiguous(weight), contiguous(bones)
    out = np.empty_like(rest)
    library().skin(len(rest), *(_POINTER(_pointer(a)) for a in (rest, index, weight, bones, out)))
    return out


def render(
    layers: list,
    width: int,
    height: int,
    oversample: int,
    view: View,
    light: Light,
    sun: View,
    textures: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw `layers` (pairs of person id and `mesh.Layer`).

    `view` is in oversampled pixels, `textures` (N, 128, 128, 3) uint8 sRGB. Returns premultiplied
    linear rgba (H, W, 4) float32, labels and persons (H, W) uint8, and the light that the ground
    keeps, (H, W) float32.
    """
    array = (_Layer * max(1, len(layers)))()
    for slot, (person, layer) in zip(array, layers):
        slot.vertices, slot.triangles, slot.person = (
            len(layer.position),
            len(layer.triangle),
            person,
        )
        slot.two_sided, slot.bias, slot.material = layer.two_sided, layer.bias, layer.material
        for name in ("position", "normal", "rest", "field", "tint", "triangle", "label"):
            setattr(slot, name, _pointer(getattr(layer, name)))
    rgba = np.empty((height, width, 4), np.float32)
    labels, persons = np.empty((2, height, width), np.uint8)
    shadow = np.empty((height, width), np.float32)
    failed = library().render(
        width,
        height,
        oversample,
        array,
        len(layers),
        ctypes.byref(view),
        ctypes.byref(light),
        ctypes.byref(sun),
        SHADOW_MAP_SIDE if layers else 1,
        _POINTER(_pointer(textures)),
        len(textures),
        *(_POINTER(_pointer(a)) for a in (rgba, labels, persons, shadow)),
    )
    if failed:
        raise MemoryError("renderer")
    return rgba, labels, persons, shadow
