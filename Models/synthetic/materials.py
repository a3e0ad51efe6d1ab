"""Colours and surfaces, all linear RGB."""

from __future__ import annotations

import colorsys
import math

import numpy as np

from synthetic.rasteriser import (
    BLOTCHES,
    CHECKS,
    DOTS,
    PLAIN,
    PRINT,
    STRANDS,
    STRIPES,
    TEXTURE,
    Material,
)

SKIN_TONES = np.array(
    [
        (0.80, 0.56, 0.44),
        (0.70, 0.45, 0.33),
        (0.58, 0.36, 0.24),
        (0.42, 0.24, 0.15),
        (0.28, 0.15, 0.09),
        (0.16, 0.085, 0.055),
        (0.09, 0.05, 0.035),
    ]
)
HAIR_COLOURS = np.array(
    [
        (0.012, 0.009, 0.008),
        (0.03, 0.018, 0.012),
        (0.08, 0.045, 0.025),
        (0.2, 0.11, 0.05),
        (0.45, 0.3, 0.14),
        (0.35, 0.33, 0.31),
        (0.22, 0.05, 0.02),
        (0.62, 0.6, 0.57),
    ]
)

IRIS_COLOURS = np.array(
    [
        (0.04, 0.02, 0.012),
        (0.05, 0.03, 0.02),
        (0.09, 0.05, 0.025),
        (0.05, 0.09, 0.14),
        (0.07, 0.1, 0.05),
    ]
)


def colour(rng: np.random.Generator) -> np.ndarray:
    """A colour that clothes, paint and plastic come in: many neutrals, navy, then any hue."""
    kind = rng.random()
    if kind < 0.4:
        return np.clip(
            rng.choice([0.01, 0.02, 0.04, 0.1, 0.3, 0.6, 0.8]) * (1 + rng.normal(0, 0.05, 3)),
            0.005,
            0.9,
        )
    if kind < 0.55:
        return np.clip(
            np.array([0.02, 0.04, 0.12]) * rng.uniform(0.5, 3.5) * (1 + rng.normal(0, 0.15, 3)),
            0.004,
            0.9,
        )
    if kind < 0.68:  # earth: beige, brown, olive
        return np.clip(
            np.array([0.35, 0.24, 0.13]) * rng.uniform(0.15, 1.8) * (1 + rng.normal(0, 0.15, 3)),
            0.004,
            0.9,
        )
    hsv = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.95), rng.uniform(0.15, 0.95))
    return np.clip(np.array(hsv) ** 2.2, 0.004, 0.9)


def skin_tone(tone: float) -> np.ndarray:
    """Linear RGB of a tone from 0, the lightest, to 1, the darkest, between those of SKIN_TONES."""
    at = np.arange(len(SKIN_TONES)) / (len(SKIN_TONES) - 1)
    return np.exp([np.interp(tone, at, column) for column in np.log(SKIN_TONES).T])


def plain(rng: np.random.Generator, base: np.ndarray) -> Material:
    """An even surface of colour `base`."""
    m = Material()
    m.base[:] = base
    m.second[:] = colour(rng)
    m.trim[:] = colour(rng)
    m.cosine, m.grain_scale, m.shininess, m.scale = 1, rng.uniform(2, 8), 12, 1
    m.offset[:] = rng.uniform(0, 50, 2)
    return m


def cloth(rng: np.random.Generator, base: np.ndarray | None = None) -> Material:
    """Fabric: plain, striped, checked, dotted, camouflage, a photo's texture, or a print on the
    chest."""
    m = plain(rng, colour(rng) if base is None else base)
    m.pattern = rng.choice(
        [PLAIN, STRIPES, CHECKS, DOTS, BLOTCHES, TEXTURE, PRINT],
        p=[0.4, 0.09, 0.07, 0.03, 0.04, 0.28, 0.09],
    )
    m.scale, m.duty, m.texture, m.blend = (
        rng.uniform(0.8, 6),
        rng.uniform(0.2, 0.6),
        rng.integers(1000),
        rng.uniform(0.3, 1),
    )
    m.grain, m.fold, m.fold_scale = (
        rng.uniform(0.03, 0.3),
        rng.uniform(0.03, 0.28),
        rng.uniform(0.7, 2.5),
    )
    m.wrap, m.specular, m.rim = 0.15, rng.choice([0, 0.02, 0.08]), rng.uniform(0, 0.12)
    if m.pattern == TEXTURE:
        m.scale, m.blend = rng.uniform(0.15, 0.7), rng.uniform(0.5, 1)
    if m.pattern == PRINT:
        m.duty, m.offset[1] = rng.uniform(0.8, 2.4), rng.uniform(3.4, 5)
    if m.pattern in (STRIPES, CHECKS) and rng.random() < 0.35:
        angle = rng.choice([math.pi / 2, math.pi / 4])
        m.cosine, m.sine = math.cos(angle), math.sin(angle)
    if rng.random() < 0.35:
        m.trim[:] = m.base
    return m


def denim(rng: np.random.Generator) -> Material:
    m = cloth(rng, np.array([0.03, 0.06, 0.14]) * rng.uniform(0.4, 4))
    m.pattern, m.grain = PLAIN, 0.35
    return m


def suiting(rng: np.random.Generator) -> Material:
    """What suits are made of: dark and plain as a rule, pin-stripes, faint checks."""
    dark = np.array(
        [(0.008, 0.008, 0.009), (0.012, 0.016, 0.035), (0.03, 0.03, 0.032), (0.05, 0.035, 0.025)]
    )
    base = (
        dark[rng.integers(len(dark))] * rng.uniform(0.6, 2.5)
        if rng.random() < 0.75
        else colour(rng)
    )
    m = cloth(rng, base)
    m.pattern = rng.choice([PLAIN, STRIPES, CHECKS], p=[0.74, 0.13, 0.13])
    m.second[:] = np.array(base) * rng.uniform(1.2, 2.2)
    if m.pattern == STRIPES:
        m.scale, m.duty, m.cosine, m.sine = rng.uniform(3, 9), 0.15, 0, 1
    m.fold *= 0.6
    return m


def shirting(rng: np.random.Generator) -> Material:
    """White, pale or black; plain, finely striped or checked."""
    kind = rng.random()
    base = (
        np.full(3, rng.uniform(0.55, 0.85))
        if kind < 0.5
        else (
            np.array([0.35, 0.5, 0.75]) * rng.uniform(0.7, 1.1)
            if kind < 0.7
            else np.full(3, 0.01) if kind < 0.8 else colour(rng)
        )
    )
    m = cloth(rng, base)
    m.pattern = rng.choice([PLAIN, STRIPES, CHECKS], p=[0.7, 0.15, 0.15])
    if m.pattern != PLAIN:
        m.scale, m.duty = rng.uniform(3, 9), 0.3
        m.cosine, m.sine = (0, 1) if rng.random() < 0.7 else (1, 0)
    return m


def leather(rng: np.random.Generator) -> Material:
    brown = np.array([0.08, 0.04, 0.02]) * rng.uniform(0.3, 3)
    m = cloth(rng, np.full(3, rng.uniform(0.005, 0.02)) if rng.random() < 0.6 else brown)
    m.pattern, m.specular, m.shininess = PLAIN, rng.uniform(0.1, 0.4), rng.uniform(12, 40)
    return m


def legwear(rng: np.random.Generator) -> Material:
    """Tights: black or dark as a rule."""
    m = cloth(rng, np.full(3, rng.uniform(0.004, 0.03)) if rng.random() < 0.65 else colour(rng))
    m.pattern = PLAIN if rng.random() < 0.85 else m.pattern
    m.fold *= 0.2
    return m


def casual(rng: np.random.Generator) -> Material:
    return cloth(rng) if rng.random() < 0.8 else denim(rng)


def knit(rng: np.random.Generator) -> Material:
    """Ribs along or across, a coarse grain."""
    m = cloth(rng)
    if m.pattern in (PLAIN, PRINT):
        m.pattern, m.duty, m.scale = STRIPES, 0.5, rng.uniform(3, 8)
        m.second[:] = np.array(m.base) * rng.uniform(0.55, 0.85)
        m.cosine, m.sine = (0, 1) if rng.random() < 0.7 else (1, 0)
    m.grain, m.grain_scale, m.specular = rng.uniform(0.2, 0.45), rng.uniform(4, 10), 0
    return m


FABRICS = {
    "casual": casual,
    "suiting": suiting,
    "shirting": shirting,
    "leather": leather,
    "legwear": legwear,
    "knit": knit,
}
"""Kinds of fabric by name; `mesh.Layer.fabric` says which a garment may be given anew."""


def restyled(rng: np.random.Generator, old: Material, fabric: str) -> Material:
    """New fabric of a kind for a garment that keeps its cut (seams, buttons, lapels)."""
    m = FABRICS[fabric](rng)
    for name in ("trim_width", "placket", "button_pitch", "lapel", "pocket", "belt", "tie"):
        setattr(m, name, getattr(old, name))
    return m


def darkened(rng: np.random.Generator, m: Material) -> Material:
    """The same fabric in black, or nearly; its pattern all but gone."""
    base = np.full(3, rng.uniform(0.004, 0.025)) * (1 + rng.normal(0, 0.12, 3))
    m.base[:], m.second[:], m.trim[:] = base, base * rng.uniform(0.8, 2), base * rng.uniform(0.8, 3)
    m.blend *= 0.15
    return m


def skin(rng: np.random.Generator, tone: np.ndarray) -> Material:
    m = plain(rng, tone)
    m.grain, m.wrap, m.specular, m.shininess, m.rim = 0.12, 0.35, rng.uniform(0.01, 0.07), 18, 0.05
    return m


def hair(rng: np.random.Generator, base: np.ndarray) -> Material:
    m = plain(rng, base)
    m.second[:] = base * rng.uniform(1.3, 2.8)
    m.pattern, m.scale, m.grain, m.grain_scale = STRANDS, rng.uniform(6, 16), 0.3, 6
    m.fray = rng.uniform(0, 0.35)
    m.fold, m.fold_scale, m.wrap, m.specular, m.shininess = (
        rng.uniform(0.15, 0.45),
        5,
        0.1,
        rng.uniform(0.02, 0.15),
        10,
    )
    return m
