"""Lights, and the sun's view for the shadow map."""

from __future__ import annotations

import math

import numpy as np

from synthetic.rasteriser import SHADOW_MAP_SIDE, Light, View


def _direction(azimuth: float, elevation: float) -> np.ndarray:
    return np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )


def _tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Warm to cool, with a little green or magenta."""
    warm = rng.normal(0, strength)
    return np.clip(np.array([1 + warm, 1 + rng.normal(0, strength / 3), 1 - warm]), 0.3, 2)


def sample(rng: np.random.Generator, surroundings: np.ndarray) -> Light:
    """Sun, overcast, back-light, flash or lamps; the ambient light takes up the colour of the
    background (3,) linear."""
    kind = rng.choice(
        ["sun", "overcast", "back", "flash", "lamps"], p=[0.38, 0.24, 0.12, 0.1, 0.16]
    )
    azimuth, elevation = rng.uniform(-1.9, 1.9), rng.uniform(0.2, 1.35)
    key, ambient, shadow = rng.uniform(0.5, 1.8), rng.uniform(0.35, 1.0), rng.uniform(0.4, 1)
    if kind == "overcast":
        key, ambient, shadow = rng.uniform(0.05, 0.5), rng.uniform(0.7, 1.2), rng.uniform(0, 0.5)
    elif kind == "back":
        azimuth, key, ambient = (
            math.pi + rng.normal(0, 0.5),
            rng.uniform(0.8, 2.5),
            rng.uniform(0.2, 0.7),
        )
    elif kind == "flash":
        azimuth, elevation, ambient = (
            rng.normal(0, 0.2),
            rng.normal(0.1, 0.1),
            rng.uniform(0.1, 0.5),
        )
    level = np.clip(surroundings.mean() / 0.2, 0.35, 1.7) ** rng.uniform(
        0, 0.9
    )  # dark places have dark people
    key, ambient = key * level**0.5, ambient * level
    light = Light()
    light.key_direction[:] = _direction(azimuth, elevation)
    light.key_colour[:] = key * _tint(rng, 0.1)
    light.fill_direction[:] = _direction(rng.uniform(-3.1, 3.1), rng.uniform(-0.2, 0.9))
    light.fill_colour[:] = _tint(rng, 0.2) * (
        rng.uniform(0.2, 0.9) if kind == "lamps" else rng.uniform(0, 0.25)
    )
    hue = surroundings / (surroundings.mean() + 1e-3)
    hue = 1 + (np.clip(hue, 0.5, 1.6) - 1) * rng.uniform(0, 0.6)
    sky = ambient * hue * _tint(rng, 0.06)
    light.sky[:] = sky
    light.ground[:] = sky * rng.uniform(0.35, 0.9) * _tint(rng, 0.04)
    light.shadow = shadow
    return light


def sun_view(light: Light, low: np.ndarray, high: np.ndarray) -> View:
    """An orthographic view along the key light that holds the box from `low` to `high` (3,)."""
    ahead = -np.array(light.key_direction)
    right = np.cross([0, 1, 0], ahead)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    radius = np.linalg.norm(high - low) / 2 * 1.05
    view = View()
    view.rotation[:] = rotation.ravel()
    view.translation[:] = -rotation @ ((low + high) / 2 - ahead * radius * 3)
    view.focal, view.centre_x, view.centre_y, view.orthographic = (
        SHADOW_MAP_SIDE / 2 / radius,
        SHADOW_MAP_SIDE / 2,
        SHADOW_MAP_SIDE / 2,
        1,
    )
    return view
