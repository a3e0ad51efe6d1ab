"""Head hair and beards: MakeHuman's styles, or a shell over the scalp, the hair helper mesh for long
hair, and rigid balls for buns and tails."""

from __future__ import annotations

import numpy as np

from synthetic import classes, materials, pieces
from synthetic.assembly import Assembly
from synthetic.body import Shape
from synthetic.shapes import ellipsoid

PIECE_SHARE = 0.5  # of the heads for whose style there are pieces
STYLES = {
    "short": ("short01", "short02", "short03", "short04"),
    "mid": ("bob01", "bob02", "short03"),
    "long": ("long01", "long01", "bob01"),
    "tail": ("ponytail01", "braid01"),
    "curly": ("afro01",),
}
"""MakeHuman's hair for each style."""
EVERYWHERE = 99.0
COLOUR_SHARE = np.array([0.33, 0.22, 0.15, 0.08, 0.09, 0.06, 0.05, 0.02])
COLOUR_SHARE_OLD = np.array([0.08, 0.08, 0.05, 0.03, 0.05, 0.4, 0.02, 0.29])


def sample_colour(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Grey for the old as a rule, and dark for dark skin unless it is dyed."""
    share = COLOUR_SHARE if shape.age < 0.75 else COLOUR_SHARE_OLD
    if shape.tone > 0.6 and rng.random() < 0.85:
        share = share * (materials.HAIR_COLOURS.max(1) < 0.05) + share * (shape.age >= 0.75) * (
            np.ptp(materials.HAIR_COLOURS, axis=1) < 0.06
        )
    index = rng.choice(len(materials.HAIR_COLOURS), p=share / share.sum())
    return materials.HAIR_COLOURS[index] * rng.uniform(0.7, 1.3)


def add(person: Assembly, style: str, covered: bool, colour: np.ndarray) -> None:
    """`covered`: under a hat, so without volume above."""
    if style == "bald":
        return
    rng, body = person.rng, person.body
    _, y, z = body.vertices.T
    material = materials.hair(rng, colour)
    piece = pieces.catalogue().get("hair", {}).get(str(rng.choice(STYLES.get(style, [""]))))
    if piece is not None and rng.random() < PIECE_SHARE:
        person.add_surface(
            body.scalp_surface, person.pushed(0.02), classes.HAIR, material, body.scalp, 0.005
        )
        vertices = piece.item.fit(person.shape.vertices)
        height = piece.rest[:, 1]
        field = (7.65 if covered else EVERYWHERE) - height  # a hat leaves no hair above its band
        if style in ("long", "tail") and rng.random() < 0.6:  # cut shorter
            field = np.minimum(
                field, height - rng.uniform(2, 6) - 0.2 * np.sin(9 * piece.rest[:, 0])
            )
        person.add_piece(piece, vertices, classes.HAIR, material, field, 0.12)
        return
    volume = {
        "short": rng.uniform(0.03, 0.25),
        "mid": rng.uniform(0.1, 0.4),
        "curly": rng.uniform(0.4, 1.1),
        "long": rng.uniform(0.08, 0.25),
    }.get(style, rng.uniform(0.03, 0.1)) * (0.4 if covered else 1)
    lumps = person.waves(6 if style == "curly" else 2.2)
    inside = body.scalp + rng.uniform(-0.12, 0.12) + 0.06 * person.waves(5)
    if style in ("short", "mid", "long") and rng.random() < 0.35:  # a fringe
        inside = inside + rng.uniform(0.2, 0.7) * (z > 0.7) * (abs(body.vertices[:, 0]) < 0.75) * (
            body.scalp > -0.6
        )
    thickness = np.clip(inside * 1.2, 0, 1) * volume * (1 + 0.25 * lumps) + 0.015
    if covered:
        thickness = np.minimum(thickness, 0.1)
    person.add_surface(
        body.scalp_surface, person.pushed(thickness), classes.HAIR, material, inside, 0.01
    )
    if style in ("mid", "long"):
        end = rng.uniform(6.1, 6.7) if style == "mid" else rng.uniform(3.2, 6.0)
        inside = np.minimum(y - end - 0.25 * person.waves(3), (7.65 if covered else 8.35) - y)
        front = rng.uniform(0.15, 0.55) + 0.12 * person.waves(4) + np.clip(y - 7.6, 0, 1) * 0.8
        inside = np.minimum(inside, np.where(y > 5.2, (front - z) * 2, 9))
        person.add_surface(
            body.hair, person.pushed(rng.uniform(-0.05, 0.15)), classes.HAIR, material, inside, 0.12
        )
    if style in ("bun", "tail"):
        centre = person.hat_centre + [0, rng.uniform(-0.6, 0.6), -person.hat_radius[1] - 0.25]
        radii = np.array([0.4, 0.4, 0.35]) * rng.uniform(0.7, 1.3)
        if style == "tail":
            radii = np.array([0.28, rng.uniform(0.8, 1.6), 0.28])
            centre = centre - [0, radii[1] * 0.8, 0]
        person.add_rigid(
            "head", *ellipsoid(centre, radii, rng.uniform(0, 0.15), rng), classes.HAIR, material
        )


def add_beard(person: Assembly, colour: np.ndarray) -> None:
    """A full beard with volume. CIHP counts it as face, so it is one."""
    rng, body = person.rng, person.body
    _, y, z = body.vertices.T
    top = rng.uniform(6.7, 6.95)
    inside = np.minimum(
        top + 0.35 * np.clip(abs(body.vertices[:, 0]) - 0.35, 0, 1) - y, (z - 0.35) * 2
    )
    inside = np.minimum(inside, 0.12 - body.mouth) + 0.05 * person.waves(6)
    thickness = np.clip(inside, 0, 0.4) * rng.uniform(0.2, 1.2) + 0.02
    person.add_surface(
        body.beard_surface,
        person.pushed(thickness),
        classes.FACE,
        materials.hair(rng, colour),
        inside,
        0.01,
    )
