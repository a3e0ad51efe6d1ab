"""Lights, and the sun's view for the shadow map."""

from __future__ import annotations

import colorsys
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


KINDS = {
    "sun": 0.3,
    "overcast": 0.2,
    "back": 0.11,
    "flash": 0.08,
    "lamps": 0.11,
    "side": 0.07,
    "low key": 0.05,
    "night": 0.05,
    "stage": 0.03,
}
DARK = ("low key", "night", "stage")


def darken(rng: np.random.Generator, kind: str, linear: np.ndarray) -> np.ndarray:
    """A background (H, W, 3), linear, in a dark place: dim, and at night and on stages with lamps
    or coloured beams."""
    height, width = linear.shape[:2]
    out = linear * rng.uniform(0.02, 0.25) * _tint(rng, 0.25).astype(np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(height, width)
    for _ in range(rng.poisson({"night": 4, "stage": 3}.get(kind, 0))):
        colour = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.9), 1), np.float32)
        u, v = x - rng.uniform(0, 1), y - rng.uniform(-0.1, 0.7)
        if kind == "night":
            glow = np.exp(-(u**2 + v**2) / rng.uniform(0.0002, 0.02)) * rng.uniform(0.2, 1.5)
        else:  # a beam from above
            across = u + v * rng.normal(0, 0.5)
            spread = 0.02 + np.clip(v, 0, 2) * rng.uniform(0.1, 0.4)
            glow = np.exp(-((across / spread) ** 2)) * (v > 0) * rng.uniform(0.02, 0.3)
        out += glow[..., None] * colour
    return out.astype(np.float32)


def sample(rng: np.random.Generator, kind: str, surroundings: np.ndarray) -> Light:
    """A light of one of KINDS; the ambient light takes up the colour of the background (3,)
    linear."""
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
    elif kind == "flash" or (kind == "night" and rng.random() < 0.4):
        azimuth, elevation, ambient = (
            rng.normal(0, 0.2),
            rng.normal(0.1, 0.1),
            rng.uniform(0.1, 0.5) * (0.4 if kind == "night" else 1),
        )
    elif kind == "night":
        key, ambient = rng.uniform(0.1, 0.8), rng.uniform(0.04, 0.2)
    elif kind in ("side", "low key", "stage"):
        azimuth = rng.choice([-1, 1]) * rng.uniform(0.9, 2.0)
        elevation = rng.uniform(-0.1, 0.9)
        key = rng.uniform(0.6, 2)
        ambient = rng.uniform(0.12, 0.3) if kind == "side" else rng.uniform(0.03, 0.12)
        shadow = rng.uniform(0.6, 1)
    coloured = {"stage": 0.5, "night": 0.25}.get(kind, 0.1)
    level = np.clip(surroundings.mean() / 0.2, 0.35, 1.7) ** rng.uniform(
        0, 0.9
    )  # dark places have dark people
    if kind not in DARK:
        key, ambient = key * level**0.5, ambient * level
    light = Light()
    light.key_direction[:] = _direction(azimuth, elevation)
    light.key_colour[:] = key * _tint(rng, coloured)
    light.fill_direction[:] = _direction(rng.uniform(-3.1, 3.1), rng.uniform(-0.2, 0.9))
    fill = {"lamps": (0.2, 0.9), "stage": (0, 0.7), "low key": (0, 0.1)}.get(kind, (0, 0.25))
    light.fill_colour[:] = _tint(rng, max(0.2, coloured)) * rng.uniform(*fill)
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
