"""Garments: the body's tights and skirt helper meshes, pushed out along their normals and cut by
scalar fields.

A field lives in rest space and is, near its zero, roughly the distance in decimetres to the cut
(sleeve end, hem, neckline, opening): positive is cloth. So one mesh gives every length and
neckline, and the cut is exact to the fragment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic import classes, materials
from synthetic.assembly import Assembly
from synthetic.body import Surface
from synthetic.rasteriser import PLAIN, PRINT, Material

NOWHERE = -9.0


@dataclass(frozen=True)
class Outfit:
    """What a person wears; lengths and colours are drawn later."""

    upper: str  # tee, long, tank, dress, none
    lower: str  # trousers, cropped, shorts, skirt, none
    coat: bool
    hat: str  # none, cap, beanie, brim, hood
    sunglasses: bool
    scarf: bool
    gloves: bool
    shoes: str  # low, ankle, boot, none
    socks: str  # none, low, high, full
    hair: str  # bald, short, mid, long, bun, tail, curly
    bag: str  # none, backpack, shoulder, hand


def sample_outfit(rng: np.random.Generator, masculine: float) -> Outfit:
    """Rare classes (hat, sunglasses, scarf, gloves, skirt, dress, socks) come far more often than
    in the street."""
    feminine = masculine < 0.5

    def pick(*options: tuple[str, float]) -> str:
        names, share = zip(*options)
        return str(rng.choice(names, p=np.array(share) / sum(share)))

    if feminine:
        upper = pick(("tee", 0.36), ("long", 0.3), ("tank", 0.08), ("dress", 0.24), ("none", 0.02))
        lower = pick(("trousers", 0.47), ("shorts", 0.1), ("skirt", 0.33), ("cropped", 0.1))
        hair = pick(
            ("bald", 0.01),
            ("short", 0.12),
            ("mid", 0.22),
            ("long", 0.37),
            ("bun", 0.1),
            ("tail", 0.1),
            ("curly", 0.08),
        )
        socks = pick(("none", 0.35), ("low", 0.3), ("high", 0.2), ("full", 0.15))
    else:
        upper = pick(("tee", 0.48), ("long", 0.45), ("tank", 0.04), ("none", 0.03))
        lower = pick(("trousers", 0.74), ("shorts", 0.2), ("cropped", 0.06))
        hair = pick(
            ("bald", 0.1),
            ("short", 0.68),
            ("mid", 0.1),
            ("long", 0.04),
            ("tail", 0.02),
            ("curly", 0.06),
        )
        socks = pick(("none", 0.35), ("low", 0.45), ("high", 0.2))
    if upper == "dress" and rng.random() < 0.88:
        lower = "none"
    cold = rng.random() < 0.25
    return Outfit(
        upper,
        lower,
        rng.random() < (0.7 if cold else 0.14),
        pick(
            ("none", 0.62),
            ("cap", 0.15),
            ("beanie", 0.14 if cold else 0.06),
            ("brim", 0.09),
            ("hood", 0.05 if cold else 0.02),
        ),
        rng.random() < 0.22,
        rng.random() < (0.4 if cold else 0.08),
        rng.random() < (0.4 if cold else 0.08),
        pick(("low", 0.6), ("ankle", 0.22), ("boot", 0.12), ("none", 0.06)),
        socks,
        hair,
        pick(("none", 0.7), ("backpack", 0.1), ("shoulder", 0.1), ("hand", 0.1)),
    )


@dataclass
class Garment:
    surface: Surface
    vertices: np.ndarray  # (V, 3), rest shape
    label: int | np.ndarray  # one class, or (T,) classes
    material: Material
    field: np.ndarray  # (V,)
    bias: float
    order: float  # an outer garment has a larger one
    tint: np.ndarray | None = None


class Wardrobe:
    """Makes the garments of one person and keeps account of the skin they hide."""

    def __init__(self, person: Assembly) -> None:
        self.body, self.shape, self.rng = person.body, person.shape, person.rng
        self.pushed, self.noise = person.pushed, person.waves
        self.garments: list[Garment] = []
        # (V,) positive where the skin is certainly under cloth
        self.hidden = np.full(len(self.body.vertices), NOWHERE, np.float32)

    def cover(self, inside: np.ndarray, margin: float) -> None:
        np.maximum(self.hidden, inside - margin, out=self.hidden)

    # ---- fields

    def sleeves(self, length: float) -> np.ndarray:
        return np.where(self.body.on_arm, (length - self.body.sleeve) * 3, 9)

    def neckline(self, height: float, vee: float) -> np.ndarray:
        x, y, z = self.body.vertices.T
        ax = abs(x)
        top = self.body.y_neck + height - 0.05 - y + 1.1 * np.clip(ax - 0.6, 0, 1.5)
        if vee <= 0:
            return top
        return np.where(
            z > 0.2, np.minimum(top, ax * 2.2 - (y - (self.body.y_neck + height - vee))), top
        )

    def off_arms(self, inside: np.ndarray) -> np.ndarray:
        return np.where(self.body.no_arm, inside, NOWHERE)

    # ---- garments

    def trousers(self, kind: str) -> None:
        rng, body = self.rng, self.body
        y = body.vertices[:, 1]
        length = {
            "trousers": rng.uniform(0.93, 1.04),
            "shorts": rng.uniform(0.25, 0.5),
            "cropped": rng.uniform(0.6, 0.85),
        }[kind]
        waist = body.y_hip + rng.uniform(0.5, 1.5)
        flare = rng.uniform(0.05, 0.3) if kind == "shorts" else rng.uniform(-0.02, 0.3)
        out = (
            0.07
            + abs(rng.normal(0.04, 0.07))
            + flare * np.clip(body.leg_length, 0, 1.1)
            + 0.03 * self.noise(1.6)
        )
        material = materials.denim(rng) if rng.random() < 0.42 else materials.cloth(rng)
        if rng.random() < 0.3:
            material.belt = waist - 0.25
        if rng.random() < 0.3:
            material.trim_width = rng.uniform(0.1, 0.4)
        inside = np.minimum(waist - y, (length - body.leg_length) * 8)
        self.garments.append(
            Garment(
                body.tights,
                self.pushed(out),
                classes.PANTS,
                material,
                np.where(body.arm > 0.3, -3, np.minimum(waist - y, length - body.leg_length) * 3),
                0.06,
                0,
            )
        )
        self.cover(self.off_arms(inside), 0.25)

    def skirt_shape(
        self,
        label: int,
        material: Material,
        hem: float,
        flare: float,
        bias: float,
        order: float,
        opening: np.ndarray | None = None,
        grow: float = 0,
    ) -> None:
        """The skirt helper, widened towards the hem, with `hem` a height in rest space."""
        rng, body, shape = self.rng, self.body, self.shape.vertices
        x, y, z = body.vertices.T
        axis = np.array([0, 0, shape[body.skirt.start : body.skirt.stop, 2].mean()])
        pleats = 1 + 0.15 * np.sin(np.arctan2(x, z) * rng.integers(4, 12))
        widen = np.clip(body.y_hip + 1.3 - y, 0, 9) * flare * pleats
        vertices = self.pushed(0.06 + grow) + (shape - axis) * [1, 0, 1] * widen[:, None]
        inside = y - hem
        if opening is not None:
            inside = np.minimum(inside, opening)
        self.garments.append(Garment(body.skirt, vertices, label, material, inside, bias, order))

    def cover_hips(self, top: float) -> None:
        y = self.body.vertices[:, 1]
        self.cover(
            self.off_arms(np.minimum(np.minimum(top - y, y - (self.body.y_hip - 2)), 1)), 0.2
        )

    def hem(self, *lengths: float) -> float:
        """A hem as a height; lengths are fractions of hip to ankle."""
        leg = self.body.y_hip - self.body.y_ankle
        return self.body.y_hip - self.rng.choice(lengths) * leg - self.rng.uniform(0, 0.4)

    def skirt(self) -> None:
        self.skirt_shape(
            classes.SKIRT,
            materials.cloth(self.rng),
            self.hem(0.28, 0.45, 0.6, 0.95),
            self.rng.uniform(0, 0.09),
            0.07,
            0,
        )
        self.cover_hips(self.body.y_hip + self.rng.uniform(0.8, 1.8))

    def top(self, kind: str, tucked: bool) -> None:
        rng, body = self.rng, self.body
        y = body.vertices[:, 1]
        length = {
            "tee": rng.uniform(0.18, 0.48),
            "long": rng.uniform(0.9, 1.02),
            "tank": -0.05,
            "dress": rng.choice([-0.05, 0.3, 1.0]),
        }[kind]
        cropped = kind != "dress" and self.shape.masculine < 0.5 and rng.random() < 0.1
        hem = body.y_hip + (rng.uniform(0.6, 1.4) if cropped else rng.uniform(-1.0, 0.4))
        vee = rng.choice([0, 0, rng.uniform(0.3, 1.2)])
        inside = np.minimum(
            np.minimum(self.sleeves(length), y - hem), self.neckline(rng.uniform(-0.25, 0.3), vee)
        )
        loose = abs(rng.normal(0.1, 0.13))
        out = (
            0.10
            + loose * (1 - body.head) * (0.4 + 0.6 * np.clip((body.y_shoulder - y) / 3, 0, 1))
            + 0.05 * self.noise(1.3) * (loose + 0.2)
            + (kind != "long") * 0.12 * np.clip(body.sleeve / 0.4, 0, 1)
        )
        material = materials.cloth(rng)
        if rng.random() < 0.45:
            material.trim_width = rng.uniform(0.06, 0.35)
        if rng.random() < (0.35 if kind == "long" else 0.15):  # a shirt
            material.placket, material.button_pitch = rng.uniform(0.12, 0.25), rng.uniform(0.7, 1.1)
            material.pocket = body.y_shoulder - 1.6 if rng.random() < 0.5 else 0
            material.lapel = body.y_neck - rng.uniform(0.6, 1.1) if rng.random() < 0.7 else 0
            if material.pattern == PRINT or rng.random() < 0.4:
                material.pattern = PLAIN
            material.tie = body.y_neck - 0.1 if kind == "long" and rng.random() < 0.35 else 0
        label = classes.DRESS if kind == "dress" else classes.UPPER_CLOTHES
        self.garments.append(
            Garment(
                body.tights,
                self.pushed(out),
                label,
                material,
                inside,
                0.03 if tucked else 0.12,
                -1 if tucked else 1,
            )
        )
        self.cover(inside, 0.3)
        if kind == "dress":
            self.skirt_shape(
                label, material, self.hem(0.3, 0.5, 0.65, 1.0), rng.uniform(0, 0.1), 0.1, 1
            )
            self.cover_hips(body.y_hip + 1)

    def coat(self) -> None:
        rng, body = self.rng, self.body
        x, y, z = body.vertices.T
        hem = body.y_hip - rng.choice([-0.3, 0, 0.2, 0.45]) * (body.y_hip - body.y_ankle)
        open_width = rng.choice([-1, 0.05, 0.5, 0.9])
        opening = np.where(z > 0.1, abs(x) - open_width * (0.6 + 0.08 * (body.y_shoulder - y)), 9)
        vee = rng.choice([0.6, 1.2, 2.0]) if open_width > 0 else rng.choice([0, 0.8])
        inside = np.minimum(
            np.minimum(self.sleeves(rng.uniform(0.93, 1.05)), y - max(hem, body.y_hip - 0.6)),
            np.minimum(self.neckline(rng.uniform(0, 0.45), vee), opening),
        )
        material = (
            materials.cloth(rng)
            if rng.random() < 0.5
            else materials.cloth(rng, materials.colour(rng) * 0.5)
        )
        if rng.random() < 0.6:
            material.pattern = PLAIN
        if open_width <= 0.05:
            material.placket, material.button_pitch = 0.12, rng.choice([0, 0.9, 1.3])
        if rng.random() < 0.5:
            material.lapel = body.y_neck - rng.uniform(1, 3)
        if rng.random() < 0.4:
            material.trim_width = rng.uniform(0.08, 0.3)
        self.garments.append(
            Garment(
                body.tights,
                self.pushed(0.28 + 0.22 * rng.random() + 0.06 * self.noise(1.1)),
                classes.COAT,
                material,
                inside,
                0.25,
                2,
            )
        )
        self.cover(inside, 0.4)
        if hem < body.y_hip - 0.6:
            self.skirt_shape(
                classes.COAT, material, hem, rng.uniform(0.01, 0.05), 0.25, 2, opening, 0.25
            )

    def socks(self, kind: str) -> None:
        body = self.body
        top = {"low": body.y_ankle + 0.7, "high": body.y_knee - 0.3, "full": body.y_hip + 0.4}[kind]
        material = materials.cloth(self.rng)
        material.pattern = PLAIN if self.rng.random() < 0.75 else material.pattern
        inside = np.where(body.no_arm, top - body.vertices[:, 1], -1)
        self.garments.append(
            Garment(body.tights, self.pushed(0.025), classes.SOCKS, material, inside, 0.01, -2)
        )
        self.cover(inside, 0.1)

    def shoes(self, kind: str) -> None:
        rng, body = self.rng, self.body
        y, z = body.vertices[:, 1], body.vertices[:, 2]
        top = {
            "low": body.y_ankle - 0.15,
            "ankle": body.y_ankle + 0.4,
            "boot": rng.uniform(body.y_ankle + 1, body.y_knee - 0.2),
        }[kind]
        instep = 0.35 * np.clip(z - 0.3, -0.5, 1.2) * (y < body.y_ankle + 0.3)
        inside = np.where(body.no_arm, top - y - instep, -1)
        material = materials.cloth(rng)
        material.pattern = PLAIN if rng.random() < 0.8 else material.pattern
        material.specular = rng.choice([0, 0.1, 0.3])
        material.trim_width = rng.choice([0, 0.12])
        vertices = self.pushed(0.12)
        vertices[:, 1] -= rng.choice([0.12, 0.2, 0.3]) * np.clip(body.y_ankle - 0.55 - y, 0, 1)
        sole = rng.choice(
            [materials.colour(rng), np.array([0.7, 0.7, 0.68]), np.array(material.base) * 0.5]
        )
        tint = np.where(
            (y < body.y_ankle - rng.uniform(0.68, 0.8))[:, None],
            sole / (np.array(material.base) + 1e-3),
            1,
        )
        self.garments.append(
            Garment(body.tights, vertices, body.shoe_label, material, inside, 0.04, -1.5, tint)
        )
        self.cover(inside, 0.15)

    def resolve(self) -> list[Garment]:
        """The garments, each cut away where an outer one on the same mesh certainly covers it."""
        for inner in self.garments:
            if inner.order < -1:
                continue  # socks and shoes stick out of trouser legs
            for outer in self.garments:
                if (
                    outer.order > inner.order
                    and outer.surface is inner.surface
                    and inner.surface is self.body.tights
                ):
                    inner.field = np.minimum(inner.field, np.where(outer.field > 0.45, -1, 9))
        return self.garments


def dress(person: Assembly, outfit: Outfit) -> Wardrobe:
    """All garments but those of the head and hands."""
    rng, wardrobe = person.rng, Wardrobe(person)
    if outfit.lower in ("trousers", "shorts", "cropped"):
        wardrobe.trousers(outfit.lower)
    elif outfit.lower == "skirt":
        wardrobe.skirt()
    if outfit.upper != "none":
        wardrobe.top(
            outfit.upper,
            tucked=outfit.lower != "none" and outfit.upper != "dress" and rng.random() < 0.3,
        )
    if outfit.coat:
        wardrobe.coat()
    if outfit.socks != "none":
        wardrobe.socks(outfit.socks)
    if outfit.shoes != "none":
        wardrobe.shoes(outfit.shoes)
    wardrobe.resolve()
    return wardrobe
