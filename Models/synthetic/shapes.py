"""Small procedural meshes: vertices (V, 3) float32 and triangles (T, 3) int32."""

from __future__ import annotations

import numpy as np

from synthetic.geometry import waves

Mesh = tuple[np.ndarray, np.ndarray]


def grid(points: np.ndarray, close_rows: bool = False, close_columns: bool = False) -> Mesh:
    """Joins points (R, C, 3) into quads, optionally closing either direction."""
    rows, columns, _ = points.shape
    r = np.arange(rows if close_rows else rows - 1)[:, None]
    c = np.arange(columns if close_columns else columns - 1)[None]
    a, b = r * columns + c, (r + 1) % rows * columns + c
    d, e = r * columns + (c + 1) % columns, (r + 1) % rows * columns + (c + 1) % columns
    triangles = np.concatenate(
        [np.stack([a, b, d], -1).reshape(-1, 3), np.stack([d, b, e], -1).reshape(-1, 3)]
    )
    return points.reshape(-1, 3).astype(np.float32), triangles.astype(np.int32)


def ellipsoid(
    centre: np.ndarray, radii: np.ndarray, rough: float, rng: np.random.Generator
) -> Mesh:
    u, v = np.meshgrid(
        np.linspace(0, np.pi, 9), np.linspace(0, 2 * np.pi, 14, endpoint=False), indexing="ij"
    )
    unit = np.stack([np.sin(u) * np.cos(v), np.cos(u), np.sin(u) * np.sin(v)], -1)
    bump = 1 + rough * waves(unit.reshape(-1, 3), 3, rng.uniform(0, 9)).reshape(u.shape)
    return grid(centre + unit * radii * bump[..., None], close_columns=True)


def box(centre: np.ndarray, half: np.ndarray, turn: np.ndarray = np.eye(3)) -> Mesh:
    """A box with its own vertices on every face, so that its edges stay sharp."""
    vertices, triangles = [], []
    for axis in range(3):
        for sign in (-1, 1):
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
            face = np.insert(corners, axis, sign, axis=1)
            start = 4 * len(triangles)
            vertices.append(face)
            triangles.append([[start, start + 1, start + 2], [start, start + 2, start + 3]])
    v = np.concatenate(vertices) * half @ turn.T + centre
    return v.astype(np.float32), np.array(triangles, np.int32).reshape(-1, 3)


def tube(
    path: np.ndarray, radius: np.ndarray | float, sides: int = 8, closed: bool = False
) -> Mesh:
    """A tube round a path (N, 3)."""
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    helper = (
        np.array([0.0, 0.0, 1.0]) if abs(ahead[:, 2]).mean() < 0.8 else np.array([1.0, 0.0, 0.0])
    )
    side = np.cross(ahead, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    up = np.cross(ahead, side)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = side[:, None] * np.cos(angle)[None, :, None] + up[:, None] * np.sin(angle)[None, :, None]
    radius = np.broadcast_to(radius, len(path))[:, None, None]
    return grid(path[:, None] + ring * radius, close_rows=closed, close_columns=True)


def join(*meshes: Mesh) -> Mesh:
    offsets = np.cumsum([0] + [len(v) for v, _ in meshes])
    return (
        np.concatenate([v for v, _ in meshes]),
        np.concatenate([t + o for (_, t), o in zip(meshes, offsets)]).astype(np.int32),
    )
