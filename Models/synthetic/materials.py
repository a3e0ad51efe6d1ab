"""Colours and surfaces, all linear RGB."""
from __future__ import annotations

import colorsys
import math

import numpy as np

from synthetic.rasteriser import BLOTCHES, CHECKS, DOTS, PLAIN, PRINT, STRANDS, STRIPES, TEXTURE, Material

SKIN_TONES = np.array([
    (.80, .56, .44), (.70, .45, .33), (.58, .36, .24), (.42, .24, .15), (.28, .15, .09), (.16, .085, .055),
    (.09, .05, .035)])
HAIR_COLOURS = np.array([
    (.012, .009, .008), (.03, .018, .012), (.08, .045, .025), (.2, .11, .05), (.45, .3, .14), (.35, .33, .31),
    (.22, .05, .02), (.62, .6, .57)])

IRIS_COLOURS = np.array([(.04, .02, .012), (.05, .03, .02), (.09, .05, .025), (.05, .09, .14), (.07, .1, .05)])


def colour(rng: np.random.Generator) -> np.ndarray:
    """A colour that clothes, paint and plastic come in: many neutrals, navy, then any hue."""
    kind = rng.random()
    if kind < 0.4:
        return np.clip(rng.choice([.01, .02, .04, .1, .3, .6, .8]) * (1 + rng.normal(0, .05, 3)), .005, .9)
    if kind < 0.55:
        return np.clip(np.array([.02, .04, .12]) * rng.uniform(.5, 3.5) * (1 + rng.normal(0, .15, 3)), .004, .9)
    if kind < 0.68:  # earth: beige, brown, olive
        return np.clip(np.array([.35, .24, .13]) * rng.uniform(.15, 1.8) * (1 + rng.normal(0, .15, 3)), .004, .9)
    hsv = colorsys.hsv_to_rgb(rng.random(), rng.uniform(.2, .95), rng.uniform(.15, .95))
    return np.clip(np.array(hsv) ** 2.2, .004, .9)


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
    """Fabric: plain, striped, checked, dotted, camouflage, a photo's texture, or a print on the chest."""
    m = plain(rng, colour(rng) if base is None else base)
    m.pattern = rng.choice([PLAIN, STRIPES, CHECKS, DOTS, BLOTCHES, TEXTURE, PRINT],
                           p=[.47, .11, .08, .04, .05, .14, .11])
    m.scale, m.duty, m.texture, m.blend = rng.uniform(.8, 6), rng.uniform(.2, .6), rng.integers(1000), rng.uniform(.3, 1)
    m.grain, m.fold, m.fold_scale = rng.uniform(.03, .3), rng.uniform(.03, .28), rng.uniform(.7, 2.5)
    m.wrap, m.specular, m.rim = .15, rng.choice([0, .02, .08]), rng.uniform(0, .12)
    if m.pattern == TEXTURE:
        m.scale = rng.uniform(.08, .6)
    if m.pattern == PRINT:
        m.duty, m.offset[1] = rng.uniform(.8, 2.4), rng.uniform(3.4, 5)
    if m.pattern in (STRIPES, CHECKS) and rng.random() < .35:
        angle = rng.choice([math.pi / 2, math.pi / 4])
        m.cosine, m.sine = math.cos(angle), math.sin(angle)
    if rng.random() < .35:
        m.trim[:] = m.base
    return m


def denim(rng: np.random.Generator) -> Material:
    m = cloth(rng, np.array([.03, .06, .14]) * rng.uniform(.4, 4))
    m.pattern, m.grain = PLAIN, .35
    return m


def restyled(rng: np.random.Generator, old: Material) -> Material:
    """New fabric for a garment that keeps its cut (seams, buttons, lapels)."""
    m = cloth(rng) if rng.random() < .8 else denim(rng)
    for name in ("trim_width", "placket", "button_pitch", "lapel", "pocket", "belt", "tie"):
        setattr(m, name, getattr(old, name))
    return m


def skin(rng: np.random.Generator, tone: np.ndarray) -> Material:
    m = plain(rng, tone)
    m.grain, m.wrap, m.specular, m.shininess, m.rim = .12, .35, rng.uniform(.01, .07), 18, .05
    return m


def hair(rng: np.random.Generator, base: np.ndarray) -> Material:
    m = plain(rng, base)
    m.second[:] = base * rng.uniform(1.3, 2.8)
    m.pattern, m.scale, m.grain, m.grain_scale = STRANDS, rng.uniform(6, 16), .3, 6
    m.fray = rng.uniform(0, .35)
    m.fold, m.fold_scale, m.wrap, m.specular, m.shininess = rng.uniform(.15, .45), 5, .1, rng.uniform(.02, .15), 10
    return m
