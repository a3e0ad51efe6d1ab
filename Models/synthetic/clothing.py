"""Garments: MakeHuman's, and the body's tights and skirt helper meshes pushed out along their normals;
all cut by scalar fields.

A field lives in rest space and is, near its zero, roughly the distance in decimetres to the cut
(sleeve end, hem, neckline, opening): positive is cloth. So one mesh gives every length and
neckline, and the cut is exact to the fragment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic import classes, materials, pieces
from synthetic.assembly import Assembly
from synthetic.body import Surface
from synthetic.geometry import X, about
from synthetic.pieces import Piece
from synthetic.rasteriser import PLAIN, PRINT, STRIPES, Material, vertex_normals
from synthetic.shapes import grid, tube

NOWHERE, EVERYWHERE = -9.0, 9.0
PIECE_SHARE = 0.6  # of the garments for which there are pieces
COVERED = 0.2  # where a garment's region is above it, what lies beneath cannot show


@dataclass(frozen=True)
class Outfit:
    """What a person wears; lengths and colours are drawn later."""

    upper: str  # tee, long, tank, band, dress, none
    lower: str  # trousers, cropped, shorts, briefs, skirt, dungarees, none
    coat: str  # none, coat, jacket, suit
    hat: str  # none, cap, beanie, brim, hood, helmet
    sunglasses: bool
    scarf: bool
    gloves: bool
    shoes: str  # low, ankle, boot, heels, sandals, none
    socks: str  # none, low, high, full
    hair: str  # bald, short, mid, long, bun, tail, curly
    bag: str  # none, backpack, shoulder, hand, arm


def sample_outfit(rng: np.random.Generator, masculine: float, grown: bool = True) -> Outfit:
    """Rare classes (hat, sunglasses, scarf, gloves, skirt, dress, socks) come far more often than
    in the street, and so does bare skin on those who are `grown` up."""
    feminine = masculine < 0.5

    def pick(*options: tuple[str, float]) -> str:
        names, share = zip(*options)
        return str(rng.choice(names, p=np.array(share) / sum(share)))

    if feminine:
        upper = pick(
            *(("tee", 0.32), ("long", 0.3), ("tank", 0.09), ("dress", 0.23), ("band", 0.06)),
        )
        lower = pick(
            *(("trousers", 0.43), ("shorts", 0.1), ("skirt", 0.32), ("cropped", 0.1)),
            *(("dungarees", 0.03), ("briefs", 0.02)),
        )
        hair = pick(
            ("bald", 0.01),
            ("short", 0.12),
            ("mid", 0.22),
            ("long", 0.37),
            ("bun", 0.1),
            ("tail", 0.1),
            ("curly", 0.08),
        )
        socks = pick(("none", 0.33), ("low", 0.25), ("high", 0.17), ("full", 0.25))
    else:
        upper = pick(("tee", 0.44), ("long", 0.44), ("tank", 0.05), ("none", 0.07))
        lower = pick(*(("trousers", 0.7), ("shorts", 0.2), ("cropped", 0.06), ("dungarees", 0.04)))
        hair = pick(
            ("bald", 0.1),
            ("short", 0.68),
            ("mid", 0.1),
            ("long", 0.04),
            ("tail", 0.02),
            ("curly", 0.06),
        )
        socks = pick(("none", 0.35), ("low", 0.45), ("high", 0.2))
    if upper == "dress" and (lower == "dungarees" or rng.random() < 0.88):
        lower = "none"
    cold = rng.random() < 0.25
    coat = pick(("coat", 0.45), ("jacket", 0.33), ("suit", 0.22))
    if rng.random() > (0.7 if cold else 0.2) or "dungarees" == lower:
        coat = "none"
    if not grown:
        upper = "tee" if upper in ("none", "band") else upper
        lower = "shorts" if lower == "briefs" else lower
    if upper in ("none", "band"):  # on the beach or at sports
        coat = coat if rng.random() < 0.15 else "none"
        if rng.random() < 0.5:
            lower = pick(("shorts", 0.6), ("briefs", 0.4))
    if coat == "suit":
        upper, lower = "long", "trousers" if not feminine or rng.random() < 0.5 else lower
    return Outfit(
        upper,
        lower,
        coat,
        pick(
            ("none", 0.62),
            ("cap", 0.15),
            ("beanie", 0.14 if cold else 0.06),
            ("brim", 0.11),
            ("hood", 0.05 if cold else 0.02),
            ("helmet", 0.05),
        ),
        rng.random() < 0.22,
        rng.random() < (0.4 if cold else 0.08),
        rng.random() < (0.5 if cold else 0.12),
        pick(
            *(("low", 0.54), ("ankle", 0.18), ("boot", 0.14), ("sandals", 0.05), ("none", 0.04)),
            ("heels", 0.2 if feminine and grown else 0),
        ),
        socks,
        hair,
        pick(
            *(("none", 0.56), ("backpack", 0.1), ("shoulder", 0.12), ("hand", 0.13), ("arm", 0.09))
        ),
    )


@dataclass
class Garment:
    surface: Surface | Piece
    vertices: np.ndarray  # (B, 3) of the body or (V, 3) of the piece, rest shape
    label: int | np.ndarray  # one class, or (T,) classes
    material: Material
    field: np.ndarray | None  # (B,) or (V,); None is uncut
    bias: float
    order: float  # an outer garment has a larger one
    fabric: str = "casual"  # of materials.FABRICS
    tint: np.ndarray | None = None
    region: np.ndarray | None = None  # (B,) where on the body it is; None hides no other garment


class Wardrobe:
    """Makes the garments of one person and keeps account of the skin they hide."""

    def __init__(self, person: Assembly) -> None:
        self.person = person
        self.body, self.shape, self.rng = person.body, person.shape, person.rng
        self.pushed, self.noise = person.pushed, person.waves
        self.garments: list[Garment] = []
        # (B,) positive where the skin is certainly under cloth
        self.hidden = np.full(len(self.body.vertices), NOWHERE, np.float32)

    def cover(self, inside: np.ndarray, margin: float) -> None:
        np.maximum(self.hidden, inside - margin, out=self.hidden)

    def pick(self, *roles: str) -> Piece | None:
        """A piece of one of these roles, or None: then the garment is made of the helper meshes."""
        return pieces.pick(self.rng, *roles) if self.rng.random() < PIECE_SHARE else None

    def add_piece(
        self,
        piece: Piece,
        label: int | np.ndarray,
        material: Material,
        bias: float,
        order: float,
        inside: np.ndarray | None = None,
        grow: np.ndarray | float = 0,
        fabric: str = "casual",
        tint: np.ndarray | None = None,
        hem: float = NOWHERE,
    ) -> None:
        """Dress the person in a piece, cut by `inside` (B,) and at the height `hem`, pushed out by
        `grow` (B,)."""
        vertices = piece.item.fit(self.shape.vertices)
        if isinstance(grow, np.ndarray):
            grow = piece.item.carry(grow)[:, None]
        if np.any(grow):
            normal = vertex_normals(vertices, piece.item.triangle)
            vertices = (vertices + normal * grow).astype(np.float32)
        region = piece.covers if inside is None else np.minimum(piece.covers, inside)
        field = None if inside is None else piece.item.carry(inside)
        if hem > NOWHERE:  # straight in the piece itself, whose vertices lie off those of the body
            body = self.body
            sleeve = np.where(body.arm > 0.3, EVERYWHERE, NOWHERE)
            region = np.minimum(region, np.maximum(sleeve, body.vertices[:, 1] - hem))
            above = np.maximum(piece.item.carry(sleeve), piece.rest[:, 1] - hem)
            field = above if field is None else np.minimum(field, above)
        self.garments.append(
            Garment(*(piece, vertices, label, material, field, bias, order, fabric, tint), region)
        )
        self.cover(region, 0.3)

    # ---- fields

    def sleeves(self, length: float) -> np.ndarray:
        if length < 0.15:  # an armhole: round the shoulder and through the armpit
            along = (length - self.body.along_arm) * 3
            return np.maximum(along, (0.4 - self.body.arm) * 2)
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

    def trousers(self, kind: str, bib: bool = False) -> None:
        """A `bib` makes dungarees."""
        rng, body = self.rng, self.body
        x, y, z = body.vertices.T
        length = {
            "trousers": rng.uniform(0.93, 1.06),
            "shorts": rng.uniform(0.12, 0.5),
            "briefs": rng.uniform(0.1, 0.16),
            "cropped": rng.uniform(0.6, 0.88),
        }[kind]
        material = materials.denim(rng) if rng.random() < 0.42 else materials.cloth(rng)
        if rng.random() < 0.3:
            material.trim_width = rng.uniform(0.1, 0.4)
        flare = rng.uniform(0.05, 0.3) if kind == "shorts" else rng.uniform(-0.02, 0.3)
        along = body.leg_length
        if kind == "briefs":  # cut high at the sides
            along = along + rng.uniform(0.03, 0.1) * np.clip(abs(x) - 0.25, 0, 1.2)
        layer = (0.2, 1.5) if bib else (0.06, 0)
        roles = ("dungarees",) if bib else ("trousers",)
        if kind == "shorts" and not bib and rng.random() < 0.4:
            roles = ("shorts",)
        piece = self.pick(*roles) if kind != "briefs" else None
        if piece is not None:
            if rng.random() < 0.3:
                material.belt = float(piece.rest[:, 1].max()) - 0.2
            whole = roles == ("shorts",) or kind == "trousers"
            leg = body.y_hip - body.y_ankle
            hem = NOWHERE if whole else body.y_hip - length * leg
            grow = rng.choice([0, 0.03, 0.1]) + flare * 0.4 * np.clip(body.leg_length, 0, 1.1)
            self.add_piece(piece, classes.PANTS, material, *layer, None, grow, hem=hem)
            return
        waist = body.y_hip + rng.uniform(0.5, 1.5)
        if rng.random() < 0.3:
            material.belt = waist - 0.25
        tight = kind == "briefs" or (self.shape.masculine < 0.5 and rng.random() < 0.3)
        if kind == "briefs":
            waist = body.y_hip + rng.uniform(0.3, 0.9)
        out = (
            (0.03 if tight else 0.07 + abs(rng.normal(0.04, 0.07)))
            + (0 if tight else flare) * np.clip(body.leg_length, 0, 1.1)
            + (0.01 if tight else 0.03) * self.noise(1.6)
        )
        top = waist - y
        if bib:  # a bib in front with straps over the shoulders, lower at the back
            front = np.minimum(body.y_shoulder - 1.3 - y, 0.95 - abs(x) + 0.15 * (4 - y))
            back = np.minimum(body.y_shoulder - 2.2 - y, 0.9 - abs(x))
            straps = np.minimum(0.16 - abs(abs(x) - 0.75), y - 3)
            top = np.maximum(top, np.where(z > 0.2, front, back))
            top = np.maximum(top, straps)
        inside = np.minimum(top, (length - along) * 8)
        self.garments.append(
            Garment(
                body.tights,
                self.pushed(out + (0.16 if bib else 0)),
                classes.PANTS,
                material,
                np.where(body.arm > 0.3, -3, np.minimum(top, length - along) * 3),
                *layer,
                region=self.off_arms(inside),
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
        fabric: str = "casual",
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
        self.garments.append(
            Garment(body.skirt, vertices, label, material, inside, bias, order, fabric)
        )

    def cover_hips(self, top: float) -> None:
        y = self.body.vertices[:, 1]
        self.cover(
            self.off_arms(np.minimum(np.minimum(top - y, y - (self.body.y_hip - 2)), 1)), 0.2
        )

    def hem(self, low: float, high: float) -> float:
        """A hem as a height, from `low` to `high` in fractions of hip to ankle."""
        leg = self.body.y_hip - self.body.y_ankle
        return self.body.y_hip - self.rng.uniform(low, high) * leg

    def skirt(self) -> None:
        rng = self.rng
        material = materials.denim(rng) if rng.random() < 0.15 else materials.cloth(rng)
        piece = self.pick("skirt") if rng.random() < 0.4 else None
        if piece is not None:
            self.add_piece(piece, classes.SKIRT, material, 0.07, 0)
            return
        self.skirt_shape(
            classes.SKIRT, material, self.hem(0.24, 1.03), rng.uniform(0, 0.09), 0.07, 0
        )
        self.cover_hips(self.body.y_hip + rng.uniform(0.8, 1.8))

    def shirt_details(self, material: Material, tie: float) -> None:
        """Buttons, pocket and collar, and with chance `tie` a tie."""
        rng, body = self.rng, self.body
        material.placket, material.button_pitch = rng.uniform(0.12, 0.25), rng.uniform(0.7, 1.1)
        material.pocket = body.y_shoulder - 1.6 if rng.random() < 0.5 else 0
        material.lapel = body.y_neck - rng.uniform(0.6, 1.1) if rng.random() < 0.7 else 0
        if material.pattern == PRINT or rng.random() < 0.4:
            material.pattern = PLAIN
        material.tie = body.y_neck - 0.1 if rng.random() < tie else 0

    def band(self) -> None:
        """The top of a bikini, or sports bra, with straps."""
        rng, body = self.rng, self.body
        x, y, z = body.vertices.T
        middle, half = body.y_shoulder - rng.uniform(1.15, 1.35), rng.uniform(0.4, 0.8)
        straps = np.minimum(rng.uniform(0.08, 0.25) - abs(abs(x) - 0.85), y - middle)
        inside = np.maximum(half - abs(y - middle - 0.1 * (z > 0)), straps)
        inside = np.where(body.arm > 0.2, NOWHERE, np.minimum(inside, body.y_shoulder + 1 - y))
        material = materials.cloth(rng)
        self.garments.append(
            Garment(
                *(body.tights, self.pushed(0.04), classes.UPPER_CLOTHES, material, inside, 0.03, 1),
                region=inside,
            )
        )
        self.cover(inside, 0.2)

    def top(self, kind: str, tucked: bool, beneath: bool = False, hood: bool = True) -> None:
        """A top or a dress; `tucked` into trousers or `beneath` a jacket or another top it is made of
        the helper meshes, close to the body. `hood`: there is room for a roll-neck or a hood."""
        rng, body = self.rng, self.body
        label = classes.DRESS if kind == "dress" else classes.UPPER_CLOTHES
        cropped = kind != "dress" and self.shape.masculine < 0.5 and rng.random() < 0.1
        y = body.vertices[:, 1]
        shirt = rng.random() < (0.35 if kind == "long" else 0.15)
        material = materials.shirting(rng) if shirt and rng.random() < 0.6 else materials.cloth(rng)
        fabric = "shirting" if shirt and rng.random() < 0.6 else "casual"
        roles = {"tee": ("tee",), "long": ("sweater", "shirt"), "tank": ("tee",)}.get(kind, ())
        if kind == "tee" and rng.random() < 0.25:
            roles = ("sweater", "shirt")
        piece = self.pick(*roles) if roles and not beneath and not tucked else None
        bias, order = (0.03, -1) if tucked else (0.02 if beneath else 0.24, 1)
        if piece is not None:
            inside = None
            if kind == "tank":
                inside = self.sleeves(rng.uniform(0.03, 0.12))
            elif kind == "tee" and "tee" not in roles:
                inside = self.sleeves(rng.uniform(0.2, 0.6))
            hem = body.y_hip + rng.uniform(0.9, 2) if cropped else NOWHERE
            if (cropped or inside is not None) and rng.random() < 0.5:
                material.trim_width = rng.uniform(0.06, 0.3)
            if shirt:
                self.shirt_details(material, 0)
            grow = rng.choice([0, 0.03, 0.08])
            self.add_piece(*(piece, label, material, bias, order, inside, grow, fabric), hem=hem)
            if hood:
                self.collar(label, material, fabric)
            return
        length = {
            "tee": rng.uniform(0.18, 0.48),
            "long": rng.uniform(0.9, 1.02),
            "tank": rng.uniform(-0.15, 0.08),
            "dress": rng.choice([-0.05, 0.3, 1.0]),
        }[kind]
        hem = body.y_hip + (rng.uniform(0.6, 1.4) if cropped else rng.uniform(-1.0, 0.4))
        vee = rng.choice([0, 0, rng.uniform(0.3, 1.2)])
        inside = np.minimum(
            np.minimum(self.sleeves(length), y - hem),
            self.neckline(rng.uniform(-0.25, 0.3) + 0.2 * beneath, 0 if beneath else vee),
        )
        loose = 0.03 if beneath else abs(rng.normal(0.1, 0.13))
        out = (
            (0.06 if beneath else 0.10)
            + loose * (1 - body.head) * (0.4 + 0.6 * np.clip((body.y_shoulder - y) / 3, 0, 1))
            + 0.05 * self.noise(1.3) * (loose + 0.2)
            + (kind != "long") * 0.12 * np.clip(body.sleeve / 0.4, 0, 1)
        )
        if tucked:  # close to the body at the waist
            out = np.minimum(out, 0.04 + 0.3 * np.clip(y - body.y_hip - 0.9, 0, 9))
        if rng.random() < 0.45:
            material.trim_width = rng.uniform(0.06, 0.35)
        if shirt:
            self.shirt_details(material, 0.35 if kind == "long" else 0)
        self.garments.append(
            Garment(
                *(body.tights, self.pushed(out), label, material, inside, bias, order, fabric),
                region=inside,
            )
        )
        self.cover(inside, 0.3)
        if kind == "dress":
            self.skirt_shape(
                label, material, self.hem(0.22, 1.05), rng.uniform(0, 0.1), 0.1, 1, fabric=fabric
            )
            self.cover_hips(body.y_hip + 1)
        elif hood:
            self.collar(label, material, fabric)

    def collar(self, label: int, material: Material, fabric: str) -> None:
        """Sometimes a roll-neck, or a hood that lies on the back."""
        rng, body = self.rng, self.body
        kind = rng.random()
        if kind < 0.07:
            top = rng.uniform(6.15, 6.5)
            y, z = body.vertices[:, 1], body.vertices[:, 2]
            inside = np.minimum(top - 0.25 * np.clip(z - 0.5, 0, 1) - y, y - 5.5)
            self.garments.append(
                Garment(
                    body.throat_surface,
                    self.pushed(rng.uniform(0.06, 0.14)),
                    label,
                    material,
                    inside,
                    0.06,
                    1,
                    fabric,
                )
            )
        elif kind < 0.2:
            u, v = np.meshgrid(
                np.linspace(-0.55, np.pi + 0.55, 18),
                np.linspace(0, 2 * np.pi, 8, endpoint=False),
                indexing="ij",
            )
            thick = rng.uniform(0.18, 0.3) * (0.45 + 0.75 * np.clip(np.sin(u), 0, 1))
            radius = rng.uniform(0.8, 0.95)
            centre = self.person.joints[body.bone["neck01"]] + [0, -0.15, 0.05]
            ring = centre + np.stack(
                [
                    (radius + thick * np.cos(v)) * np.cos(u),
                    1.5 * thick * np.sin(v) - 0.25 * np.sin(u) - 0.35 * (np.sin(u) < 0),
                    -(radius + thick * np.cos(v)) * np.sin(u),
                ],
                -1,
            )
            self.person.add_rigid(
                "spine01", *grid(ring, close_columns=True), label, material, 0.1, fabric
            )

    def layered(self) -> None:
        """A sweater, vest or cardigan over a shirt or tee of which collar, cuffs or hem show."""
        rng = self.rng
        self.top(
            rng.choice(["long", "tee"], p=[0.75, 0.25]), tucked=False, beneath=True, hood=False
        )
        inner = self.garments[-1]
        inner.order, inner.bias = 0.5, 0.08
        body = self.body
        y = body.vertices[:, 1]
        fabric = str(rng.choice(["knit", "casual"]))
        material = materials.FABRICS[fabric](rng)
        length = rng.choice([0.04, rng.uniform(0.75, 0.98)], p=[0.35, 0.65])
        piece = self.pick("sweater") if length > 0.5 else None
        if piece is not None:
            cut = np.minimum(self.sleeves(length), self.neckline(0.1, rng.uniform(0, 1.2)))
            self.add_piece(piece, classes.UPPER_CLOTHES, material, 0.16, 1, cut, 0.05, fabric)
            return
        inside = np.minimum(
            np.minimum(self.sleeves(length), y - (body.y_hip + rng.uniform(-0.5, 1.2))),
            self.neckline(rng.uniform(-0.2, 0.05), rng.choice([0, rng.uniform(0.5, 2)])),
        )
        out = 0.2 + abs(rng.normal(0, 0.08)) + 0.03 * self.noise(1.3)
        self.garments.append(
            Garment(
                *(body.tights, self.pushed(out), classes.UPPER_CLOTHES, material, inside, 0.16, 1),
                fabric,
                region=inside,
            )
        )
        self.cover(inside, 0.3)

    def coat(self) -> None:
        rng, body = self.rng, self.body
        x, y, z = body.vertices.T
        hem = body.y_hip - rng.uniform(-0.15, 0.85) * (body.y_hip - body.y_ankle)
        if rng.random() < 0.35:
            hem = body.y_hip + rng.uniform(-0.5, 0.8)
        open_width = rng.choice([-1, 0.05, 0.5, 0.9])
        opening = np.where(z > 0.1, abs(x) - open_width * (0.6 + 0.08 * (body.y_shoulder - y)), 9)
        vee = rng.choice([0.6, 1.2, 2.0]) if open_width > 0 else rng.choice([0, 0.8])
        vest = rng.random() < 0.1 and (open_width > 0.05 or hem > body.y_hip - 1)
        sleeves = 0.05 if vest else rng.uniform(0.93, 1.05)
        inside = np.minimum(
            np.minimum(self.sleeves(sleeves), y - max(hem, body.y_hip - 0.6)),
            np.minimum(self.neckline(rng.uniform(0, 0.45), vee), opening),
        )
        thick = 0.2 if vest else 0.28 + 0.22 * rng.random()
        material, fabric = self.coating()
        if open_width <= 0.05:
            material.placket, material.button_pitch = 0.12, rng.choice([0, 0.9, 1.3])
            if rng.random() < 0.25:
                material.belt = body.y_hip + rng.uniform(0.8, 1.6)
        if rng.random() < 0.5:
            material.lapel = body.y_neck - rng.uniform(1, 3)
        if rng.random() < 0.4:
            material.trim_width = rng.uniform(0.08, 0.3)
        self.garments.append(
            Garment(
                body.tights,
                self.pushed(thick + 0.06 * self.noise(1.1)),
                classes.COAT,
                material,
                inside,
                0.25,
                2,
                fabric,
                region=inside,
            )
        )
        self.cover(inside, 0.4)
        if hem < body.y_hip - 0.6:
            self.skirt_shape(
                *(classes.COAT, material, hem, rng.uniform(0.01, 0.05), 0.25, 2, opening, 0.25),
                fabric,
            )

    def coating(self) -> tuple[Material, str]:
        """What coats and jackets are made of, and the name of that kind of fabric."""
        rng = self.rng
        fabric = str(rng.choice(["casual", "suiting", "leather"], p=[0.55, 0.3, 0.15]))
        material = materials.FABRICS[fabric](rng)
        if rng.random() < 0.6:
            material.pattern = PLAIN
        return material, fabric

    def jacket(self, suit: bool) -> bool:
        """A jacket with lapels, open or closed, over what shows of a shirt. False where there is no
        such piece."""
        rng = self.rng
        roles = ("suit jacket",) if suit else ("open jacket", "jacket", "suit jacket")
        jacket = pieces.pick(rng, *roles)
        if jacket is None:
            return False
        if suit or jacket is pieces.catalogue().get("jacket", {}).get("female_elegantsuit01"):
            material, fabric = materials.suiting(rng), "suiting"  # in other cloth it is a blouse
        else:
            material, fabric = self.coating()
        if suit or rng.random() < 0.8:
            cut = None
        else:  # rolled or short sleeves, or none
            cut = self.sleeves(rng.choice([0.07, 0.45, rng.uniform(0.6, 0.9)]))
        self.add_piece(jacket, classes.COAT, material, 0.22, 2, cut, 0.02, fabric)
        return True

    def suit(self) -> bool:
        """Jacket and trousers of one fabric, shirt and tie. False where there are no pieces."""
        rng = self.rng
        if not self.jacket(True):
            return False
        outer = self.garments[-1]
        trousers = pieces.catalogue()["trousers"]["male_elegantsuit01"]
        material = outer.material if rng.random() < 0.8 else materials.suiting(rng)
        self.add_piece(trousers, classes.PANTS, material, 0.06, 0, fabric="suiting")
        shirt = materials.shirting(rng)
        shirt.lapel = self.body.y_neck - 0.25
        if rng.random() < 0.6:
            shirt.tie = self.body.y_neck - 0.1
        front = pieces.catalogue()["shirt front"]["male_elegantsuit01"]
        self.add_piece(front, classes.UPPER_CLOTHES, shirt, 0.1, 1, fabric="shirting")
        return True

    def socks(self, kind: str) -> None:
        body = self.body
        top = {"low": body.y_ankle + 0.7, "high": body.y_knee - 0.3, "full": body.y_hip + 0.4}[kind]
        fabric = "legwear" if kind == "full" else "casual"
        material = materials.FABRICS[fabric](self.rng)
        material.pattern = PLAIN if self.rng.random() < 0.75 else material.pattern
        inside = np.where(body.no_arm, top - body.vertices[:, 1], -1)
        self.garments.append(
            Garment(
                *(body.tights, self.pushed(0.025), classes.SOCKS, material, inside, 0.01, -2),
                fabric,
            )
        )
        self.cover(inside, 0.1)

    def shoes(self, kind: str) -> None:
        rng, body = self.rng, self.body
        x, y, z = body.vertices.T
        leather = rng.random() < 0.5
        material = materials.leather(rng) if leather else materials.cloth(rng)
        material.pattern = PLAIN if rng.random() < 0.8 else material.pattern
        material.specular = rng.choice([0, 0.1, 0.3])
        sole = rng.choice(
            [materials.colour(rng), np.array([0.7, 0.7, 0.68]), np.array(material.base) * 0.5]
        )
        shine = sole / (np.array(material.base) + 1e-3)
        piece = self.pick("shoes") if kind == "low" else None
        if piece is not None:
            heights = piece.rest[:, 1]
            tint = np.where((heights < heights.min() + rng.uniform(0.12, 0.4))[:, None], shine, 1)
            side = piece.rest[piece.item.triangle][:, :, 0].mean(1)
            label = np.where(side > 0, classes.LEFT_SHOE, classes.RIGHT_SHOE).astype(np.uint8)
            self.add_piece(
                *(piece, label, material, 0.04, -1.5, None, rng.choice([0, 0.03, 0.06]), ""),
                tint.astype(np.float32),
            )
            return
        if kind == "sandals":  # straps over the bare foot
            straps = np.array(material.base)
            material = materials.plain(rng, materials.skin_tone(self.shape.tone))
            material.second[:], material.pattern = straps, STRIPES
            material.scale, material.duty = rng.uniform(1.5, 3), rng.uniform(0.3, 0.6)
            shine = straps / (np.array(material.base) + 1e-3)
        top = {
            "low": body.y_ankle - 0.15,
            "heels": body.y_ankle - rng.uniform(-0.1, 0.3),
            "sandals": body.y_ankle - rng.uniform(0, 0.3),
            "ankle": body.y_ankle + 0.4,
            "boot": rng.uniform(body.y_ankle + 1, body.y_knee - 0.2),
        }[kind]
        instep = 0.35 * np.clip(z - 0.3, -0.5, 1.2) * (y < body.y_ankle + 0.3)
        inside = np.where(body.no_arm, top - y - instep, -1)
        over = {"heels": 0.07, "sandals": 0.05}.get(kind, 0.12)
        if kind == "boot" and rng.random() < 0.6:  # trousers in boots, else over them
            over = 0.16 + 0.1 * np.clip((y - body.y_ankle) / 2, 0, 1)
            for other in self.garments:
                if other.label == classes.PANTS:
                    self.cut(other, y - top + 0.25)
        material.trim_width = rng.choice([0, 0.12])
        vertices = self.pushed(over)
        vertices[:, 1] -= rng.choice([0.12, 0.2, 0.3]) * np.clip(body.y_ankle - 0.55 - y, 0, 1)
        tint = np.where((y < body.y_ankle - rng.uniform(0.68, 0.8))[:, None], shine, 1)
        self.garments.append(
            Garment(
                *(body.tights, vertices, body.shoe_label, material, inside, 0.04, -1.5, "", tint),
                region=inside * 2,
            )
        )
        self.cover(inside, 0.15)
        if self.person.heel > 0:
            self.heels(material)

    def heels(self, material: Material) -> None:
        """What stands beneath heels that the pose has raised."""
        rng, body = self.rng, self.body
        down = about(X, -self.person.heel) @ [0, -1, 0]
        wide = rng.uniform(0.1, 0.4)
        for side, sign, label in (("L", 1, classes.LEFT_SHOE), ("R", -1, classes.RIGHT_SHOE)):
            foot = self.shape.vertices[body.soles[side]]
            back, front = foot[foot[:, 2].argmin()], foot[foot[:, 2].argmax()]
            start = np.array([back[0], foot[:, 1].min() + 0.1, back[2] + 0.35])
            length = 0.62 * (front[2] - back[2]) * np.sin(self.person.heel)
            path = start + np.linspace(0, length, 4)[:, None] * down
            self.person.add_rigid(
                f"foot.{side}",
                *tube(path, wide * np.array([1.3, 1, 0.8, 0.8]), 6),
                *(label, material, 0.03),
            )

    @staticmethod
    def cut(garment: Garment, inside: np.ndarray) -> None:
        """Cut a garment by one more field (B,)."""
        if garment.region is not None:
            garment.region = np.minimum(garment.region, inside)
        if isinstance(garment.surface, Piece):
            inside = garment.surface.item.carry(inside)
        garment.field = inside if garment.field is None else np.minimum(garment.field, inside)

    def outermost(self) -> int:
        """The class of what is on the chest, or torso skin."""
        chest = int(np.argmin(abs(self.body.vertices - [0, self.body.y_shoulder - 1, 2]).sum(1)))
        over = [g for g in self.garments if g.region is not None and g.region[chest] > 0]
        return int(max(over, key=lambda g: g.order).label) if over else classes.TORSO_SKIN

    def resolve(self) -> list[Garment]:
        """The garments, each cut away where an outer one certainly covers it, socks in trousers too."""
        for inner in self.garments:
            if inner.surface is self.body.skirt:
                continue
            for outer in self.garments:
                if outer.order <= inner.order or outer.region is None:
                    continue
                self.cut(inner, np.where(outer.region > COVERED, -1, EVERYWHERE))
        return self.garments

    def wear(self) -> None:
        """Pose the garments on the person."""
        for garment in self.garments:
            add = (
                self.person.add_piece
                if isinstance(garment.surface, Piece)
                else self.person.add_surface
            )
            add(
                garment.surface,
                garment.vertices,
                garment.label,
                garment.material,
                garment.field,
                garment.bias,
                garment.tint,
                fabric=garment.fabric,
            )


def dress(person: Assembly, outfit: Outfit) -> Wardrobe:
    """All garments but those of the head and hands."""
    rng, wardrobe = person.rng, Wardrobe(person)
    suit = outfit.coat == "suit" and outfit.lower == "trousers" and wardrobe.suit()
    jacket = not suit and outfit.coat in ("jacket", "suit") and wardrobe.jacket(False)
    coat = outfit.coat != "none" and not suit and not jacket
    if suit:
        pass
    elif outfit.lower in ("trousers", "shorts", "briefs", "cropped"):
        wardrobe.trousers(outfit.lower)
    elif outfit.lower == "dungarees":
        wardrobe.trousers("trousers", bib=True)
    elif outfit.lower == "skirt":
        wardrobe.skirt()
    if outfit.upper == "band":
        wardrobe.band()
    elif outfit.upper != "none" and not suit:
        if outfit.upper == "long" and not jacket and not coat and rng.random() < 0.2:
            wardrobe.layered()
        else:
            often = {"none": 0, "skirt": 0.5}.get(outfit.lower, 0.3)
            tucked = outfit.upper != "dress" and rng.random() < often
            beneath = jacket or outfit.lower == "dungarees"
            wardrobe.top(outfit.upper, tucked, beneath, hood=not beneath and not coat)
    if coat:
        wardrobe.coat()
    if outfit.socks != "none":
        in_trousers = outfit.lower in ("trousers", "cropped", "dungarees")
        wardrobe.socks("low" if in_trousers else outfit.socks)
    if outfit.shoes != "none":
        wardrobe.shoes(outfit.shoes)
    wardrobe.resolve()
    return wardrobe
