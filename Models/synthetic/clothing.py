"""Garments: the body's tights and skirt helper meshes, pushed out along their normals and cut by scalar fields.

A field lives in rest space and is, near its zero, roughly the distance in decimetres to the cut (sleeve end, hem, neckline,
opening): positive is cloth. So one mesh gives every length and neckline, and the cut is exact to the fragment.
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from synthetic import classes, materials
from synthetic.body import Body, Shape, Surface
from synthetic.geometry import waves
from synthetic.rasteriser import PLAIN, PRINT, Material

NOWHERE = -9.0


@dataclass(frozen=True)
class Outfit:
    """What a person wears; lengths and colours are drawn later."""
    upper: str     # tee, long, tank, dress, none
    lower: str     # trousers, cropped, shorts, skirt, none
    coat: bool
    hat: str       # none, cap, beanie, brim, hood
    sunglasses: bool
    scarf: bool
    gloves: bool
    shoes: str     # low, ankle, boot, none
    socks: str     # none, low, high, full
    hair: str      # bald, short, mid, long, bun, tail, curly
    bag: str       # none, backpack, shoulder, hand


def sample_outfit(rng: np.random.Generator, masculine: float) -> Outfit:
    """Rare classes (hat, sunglasses, scarf, gloves, skirt, dress, socks) come far more often than in the street."""
    feminine = masculine < .5

    def pick(*options: tuple[str, float]) -> str:
        names, share = zip(*options)
        return str(rng.choice(names, p=np.array(share) / sum(share)))

    if feminine:
        upper = pick(("tee", .36), ("long", .3), ("tank", .08), ("dress", .24), ("none", .02))
        lower = pick(("trousers", .47), ("shorts", .1), ("skirt", .33), ("cropped", .1))
        hair = pick(("bald", .01), ("short", .12), ("mid", .22), ("long", .37), ("bun", .1), ("tail", .1), ("curly", .08))
        socks = pick(("none", .35), ("low", .3), ("high", .2), ("full", .15))
    else:
        upper = pick(("tee", .48), ("long", .45), ("tank", .04), ("none", .03))
        lower = pick(("trousers", .74), ("shorts", .2), ("cropped", .06))
        hair = pick(("bald", .1), ("short", .68), ("mid", .1), ("long", .04), ("tail", .02), ("curly", .06))
        socks = pick(("none", .35), ("low", .45), ("high", .2))
    if upper == "dress" and rng.random() < .88:
        lower = "none"
    cold = rng.random() < .25
    return Outfit(
        upper, lower, rng.random() < (.7 if cold else .14),
        pick(("none", .62), ("cap", .15), ("beanie", .14 if cold else .06), ("brim", .09), ("hood", .05 if cold else .02)),
        rng.random() < .22, rng.random() < (.4 if cold else .08), rng.random() < (.4 if cold else .08),
        pick(("low", .6), ("ankle", .22), ("boot", .12), ("none", .06)), socks, hair,
        pick(("none", .7), ("backpack", .1), ("shoulder", .1), ("hand", .1)))


@dataclass
class Garment:
    surface: Surface
    vertices: np.ndarray                # (V, 3), rest shape
    label: int | np.ndarray             # one class, or (T,) classes
    material: Material
    field: np.ndarray                   # (V,)
    bias: float
    order: float                        # an outer garment has a larger one
    tint: np.ndarray | None = None


@dataclass
class Wardrobe:
    """The garments of one person and what of the skin they hide."""
    body: Body
    shape: Shape
    normal: np.ndarray                  # (V, 3) of the shaped body and its helpers
    rng: np.random.Generator
    garments: list[Garment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hidden = np.full(len(self.body.vertices), NOWHERE, np.float32)  # positive: certainly under cloth

    def cover(self, inside: np.ndarray, margin: float) -> None:
        np.maximum(self.hidden, inside - margin, out=self.hidden)

    def pushed(self, distance: np.ndarray | float) -> np.ndarray:
        return self.shape.vertices + self.normal * np.broadcast_to(distance, len(self.normal))[:, None]

    def noise(self, frequency: float) -> np.ndarray:
        return waves(self.body.vertices, frequency, self.rng.uniform(0, 9))

    # ---- fields

    def sleeves(self, length: float) -> np.ndarray:
        return np.where(self.body.on_arm, (length - self.body.sleeve) * 3, 9)

    def neckline(self, height: float, vee: float) -> np.ndarray:
        x, y, z = self.body.vertices.T
        ax = abs(x)
        top = self.body.y_neck + height - .05 - y + 1.1 * np.clip(ax - .6, 0, 1.5)
        if vee <= 0:
            return top
        return np.where(z > .2, np.minimum(top, ax * 2.2 - (y - (self.body.y_neck + height - vee))), top)

    def off_arms(self, inside: np.ndarray) -> np.ndarray:
        return np.where(self.body.no_arm, inside, NOWHERE)

    # ---- garments

    def trousers(self, kind: str) -> None:
        rng, body = self.rng, self.body
        y = body.vertices[:, 1]
        length = {"trousers": rng.uniform(.93, 1.04), "shorts": rng.uniform(.25, .5), "cropped": rng.uniform(.6, .85)}[kind]
        waist = body.y_hip + rng.uniform(.5, 1.5)
        flare = rng.uniform(.05, .3) if kind == "shorts" else rng.uniform(-.02, .3)
        out = .07 + abs(rng.normal(.04, .07)) + flare * np.clip(body.leg_length, 0, 1.1) + .03 * self.noise(1.6)
        material = materials.denim(rng) if rng.random() < .42 else materials.cloth(rng)
        if rng.random() < .3:
            material.belt = waist - .25
        if rng.random() < .3:
            material.trim_width = rng.uniform(.1, .4)
        inside = np.minimum(waist - y, (length - body.leg_length) * 8)
        self.garments.append(Garment(body.tights, self.pushed(out), classes.PANTS, material,
                                     np.where(body.arm > .3, -3, np.minimum(waist - y, length - body.leg_length) * 3), .06, 0))
        self.cover(self.off_arms(inside), .25)

    def skirt_shape(self, label: int, material: Material, hem: float, flare: float, bias: float, order: float,
                    opening: np.ndarray | None = None, grow: float = 0) -> None:
        """The skirt helper, widened towards the hem, with `hem` a height in rest space."""
        rng, body, shape = self.rng, self.body, self.shape.vertices
        x, y, z = body.vertices.T
        axis = np.array([0, 0, shape[body.skirt.start:body.skirt.stop, 2].mean()])
        pleats = 1 + .15 * np.sin(np.arctan2(x, z) * rng.integers(4, 12))
        widen = np.clip(body.y_hip + 1.3 - y, 0, 9) * flare * pleats
        vertices = self.pushed(.06 + grow) + (shape - axis) * [1, 0, 1] * widen[:, None]
        inside = y - hem
        if opening is not None:
            inside = np.minimum(inside, opening)
        self.garments.append(Garment(body.skirt, vertices, label, material, inside, bias, order))

    def cover_hips(self, top: float) -> None:
        y = self.body.vertices[:, 1]
        self.cover(self.off_arms(np.minimum(np.minimum(top - y, y - (self.body.y_hip - 2)), 1)), .2)

    def hem(self, *lengths: float) -> float:
        """A hem as a height; lengths are fractions of hip to ankle."""
        leg = self.body.y_hip - self.body.y_ankle
        return self.body.y_hip - self.rng.choice(lengths) * leg - self.rng.uniform(0, .4)

    def skirt(self) -> None:
        self.skirt_shape(classes.SKIRT, materials.cloth(self.rng), self.hem(.28, .45, .6, .95), self.rng.uniform(0, .09),
                         .07, 0)
        self.cover_hips(self.body.y_hip + self.rng.uniform(.8, 1.8))

    def top(self, kind: str, tucked: bool) -> None:
        rng, body = self.rng, self.body
        y = body.vertices[:, 1]
        length = {"tee": rng.uniform(.18, .48), "long": rng.uniform(.9, 1.02), "tank": -.05,
                  "dress": rng.choice([-.05, .3, 1.])}[kind]
        cropped = kind != "dress" and self.shape.masculine < .5 and rng.random() < .1
        hem = body.y_hip + (rng.uniform(.6, 1.4) if cropped else rng.uniform(-1., .4))
        vee = rng.choice([0, 0, rng.uniform(.3, 1.2)])
        inside = np.minimum(np.minimum(self.sleeves(length), y - hem), self.neckline(rng.uniform(-.25, .3), vee))
        loose = abs(rng.normal(.1, .13))
        out = (.10 + loose * (1 - body.head) * (.4 + .6 * np.clip((body.y_shoulder - y) / 3, 0, 1))
               + .05 * self.noise(1.3) * (loose + .2) + (kind != "long") * .12 * np.clip(body.sleeve / .4, 0, 1))
        material = materials.cloth(rng)
        if rng.random() < .45:
            material.trim_width = rng.uniform(.06, .35)
        if rng.random() < (.35 if kind == "long" else .15):  # a shirt
            material.placket, material.button_pitch = rng.uniform(.12, .25), rng.uniform(.7, 1.1)
            material.pocket = body.y_shoulder - 1.6 if rng.random() < .5 else 0
            material.lapel = body.y_neck - rng.uniform(.6, 1.1) if rng.random() < .7 else 0
            if material.pattern == PRINT or rng.random() < .4:
                material.pattern = PLAIN
            material.tie = body.y_neck - .1 if kind == "long" and rng.random() < .35 else 0
        label = classes.DRESS if kind == "dress" else classes.UPPER_CLOTHES
        self.garments.append(Garment(body.tights, self.pushed(out), label, material, inside, .03 if tucked else .12,
                                     -1 if tucked else 1))
        self.cover(inside, .3)
        if kind == "dress":
            self.skirt_shape(label, material, self.hem(.3, .5, .65, 1.), rng.uniform(0, .1), .1, 1)
            self.cover_hips(body.y_hip + 1)

    def coat(self) -> None:
        rng, body = self.rng, self.body
        x, y, z = body.vertices.T
        hem = body.y_hip - rng.choice([-.3, 0, .2, .45]) * (body.y_hip - body.y_ankle)
        open_width = rng.choice([-1, .05, .5, .9])
        opening = np.where(z > .1, abs(x) - open_width * (.6 + .08 * (body.y_shoulder - y)), 9)
        vee = rng.choice([.6, 1.2, 2.]) if open_width > 0 else rng.choice([0, .8])
        inside = np.minimum(np.minimum(self.sleeves(rng.uniform(.93, 1.05)), y - max(hem, body.y_hip - .6)),
                            np.minimum(self.neckline(rng.uniform(0, .45), vee), opening))
        material = materials.cloth(rng) if rng.random() < .5 else materials.cloth(rng, materials.colour(rng) * .5)
        if rng.random() < .6:
            material.pattern = PLAIN
        if open_width <= .05:
            material.placket, material.button_pitch = .12, rng.choice([0, .9, 1.3])
        if rng.random() < .5:
            material.lapel = body.y_neck - rng.uniform(1, 3)
        if rng.random() < .4:
            material.trim_width = rng.uniform(.08, .3)
        self.garments.append(Garment(body.tights, self.pushed(.28 + .22 * rng.random() + .06 * self.noise(1.1)), classes.COAT,
                                     material, inside, .25, 2))
        self.cover(inside, .4)
        if hem < body.y_hip - .6:
            self.skirt_shape(classes.COAT, material, hem, rng.uniform(.01, .05), .25, 2, opening, .25)

    def socks(self, kind: str) -> None:
        body = self.body
        top = {"low": body.y_ankle + .7, "high": body.y_knee - .3, "full": body.y_hip + .4}[kind]
        material = materials.cloth(self.rng)
        material.pattern = PLAIN if self.rng.random() < .75 else material.pattern
        inside = np.where(body.no_arm, top - body.vertices[:, 1], -1)
        self.garments.append(Garment(body.tights, self.pushed(.025), classes.SOCKS, material, inside, .01, -2))
        self.cover(inside, .1)

    def shoes(self, kind: str) -> None:
        rng, body = self.rng, self.body
        y, z = body.vertices[:, 1], body.vertices[:, 2]
        top = {"low": body.y_ankle - .15, "ankle": body.y_ankle + .4,
               "boot": rng.uniform(body.y_ankle + 1, body.y_knee - .2)}[kind]
        instep = .35 * np.clip(z - .3, -.5, 1.2) * (y < body.y_ankle + .3)
        inside = np.where(body.no_arm, top - y - instep, -1)
        material = materials.cloth(rng)
        material.pattern = PLAIN if rng.random() < .8 else material.pattern
        material.specular = rng.choice([0, .1, .3])
        material.trim_width = rng.choice([0, .12])
        vertices = self.pushed(.12)
        vertices[:, 1] -= rng.choice([.12, .2, .3]) * np.clip(body.y_ankle - .55 - y, 0, 1)
        sole = rng.choice([materials.colour(rng), np.array([.7, .7, .68]), np.array(material.base) * .5])
        tint = np.where((y < body.y_ankle - rng.uniform(.68, .8))[:, None], sole / (np.array(material.base) + 1e-3), 1)
        self.garments.append(Garment(body.tights, vertices, body.shoe_label, material, inside, .04, -1.5, tint))
        self.cover(inside, .15)

    def resolve(self) -> list[Garment]:
        """The garments, each cut away where an outer one on the same mesh certainly covers it."""
        for inner in self.garments:
            if inner.order < -1:
                continue  # socks and shoes stick out of trouser legs
            for outer in self.garments:
                if outer.order > inner.order and outer.surface is inner.surface and inner.surface is self.body.tights:
                    inner.field = np.minimum(inner.field, np.where(outer.field > .45, -1, 9))
        return self.garments


def dress(body: Body, shape: Shape, normal: np.ndarray, outfit: Outfit, rng: np.random.Generator) -> Wardrobe:
    """All garments but those of the head and hands."""
    wardrobe = Wardrobe(body, shape, normal, rng)
    if outfit.lower in ("trousers", "shorts", "cropped"):
        wardrobe.trousers(outfit.lower)
    elif outfit.lower == "skirt":
        wardrobe.skirt()
    if outfit.upper != "none":
        wardrobe.top(outfit.upper, tucked=outfit.lower != "none" and outfit.upper != "dress" and rng.random() < .3)
    if outfit.coat:
        wardrobe.coat()
    if outfit.socks != "none":
        wardrobe.socks(outfit.socks)
    if outfit.shoes != "none":
        wardrobe.shoes(outfit.shoes)
    wardrobe.resolve()
    return wardrobe
