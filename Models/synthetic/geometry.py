"""Rotations and smooth pseudo-random fields."""

from __future__ import annotations

import math

import numpy as np

X, Y, Z = np.eye(3)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of two vectors (3,): NumPy's own is ten times slower for so little."""
    return np.array(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )


def about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation (3, 3) by `angle` radians about `axis` (any length): Rodrigues' formula."""
    x, y, z = np.asarray(axis, float) / math.sqrt(float(np.dot(axis, axis)) + 1e-18)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotation (3, 3) that turns direction `a` to direction `b`."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    cosine = float(a @ b)
    if cosine < -0.999:  # opposite: any perpendicular axis will do
        return about(np.cross(a, X if abs(a[0]) < 0.9 else Y), math.pi)
    x, y, z = cross(a, b)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + k + k @ k / (1 + cosine)


def root(rotation: np.ndarray, n: int) -> np.ndarray:
    """The n-th part of a rotation, so that n joints in a row share it."""
    angle = math.acos(float(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    axis = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    return about(axis + 1e-9, angle / n)


def waves(points: np.ndarray, frequency: float, phase: float) -> np.ndarray:
    """A cheap smooth field over points (N, 3), about in [-2, 2]: folded sines."""
    x, y, z = (points * frequency + phase).T
    return np.sin(1.7 * x + 1.3 * np.sin(y)) + np.sin(2.1 * y + 1.3 * z + 1.1 * np.sin(1.9 * x))
