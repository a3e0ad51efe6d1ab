"""Things that stand among people and look like them, or like what they wear: posts, cones, hydrants,
furniture, signs, flags, balls, bags, animals, statues, mannequins, clothes and shoes that nobody
wears. All of them are background; they stand on y = 0, in decimetres.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from synthetic import classes, clothing, materials
from synthetic.assembly import Assembly
from synthetic.body import load, sample_shape
from synthetic.geometry import X, Y, Z, about
from synthetic.mesh import Layer
from synthetic.person import Person, cached
from synthetic.pose import bone_transforms, hanging
from synthetic.rasteriser import (
    BLOTCHES,
    CHECKS,
    HIDDEN,
    PLAIN,
    STRANDS,
    STRIPES,
    TEXTURE,
    Material,
    contiguous,
    vertex_normals,
)
from synthetic.shapes import Mesh, box, ellipsoid, grid, join, tube

CLOTHES = 12  # kinds that neighbouring scenes share: dressing costs more than drawing
COATS = np.array(
    [
        (0.012, 0.01, 0.009),
        (0.06, 0.03, 0.015),
        (0.14, 0.065, 0.03),
        (0.25, 0.15, 0.08),
        (0.45, 0.33, 0.2),
        (0.2, 0.19, 0.18),
        (0.75, 0.72, 0.68),
    ]
)
"""Fur and hides, linear RGB."""

STONES = np.array(
    [
        (0.6, 0.58, 0.53),
        (0.35, 0.34, 0.32),
        (0.12, 0.22, 0.17),
        (0.2, 0.12, 0.05),
        (0.75, 0.75, 0.75),
    ]
)
"""Marble, granite, weathered and new bronze, plaster; lighter than people in the shade."""


def _shown(layer: Layer) -> np.ndarray:
    """The vertices of what is drawn of a layer."""
    triangle = layer.triangle[layer.label != HIDDEN]
    if layer.field is not None:
        triangle = triangle[(layer.field[triangle] > 0).any(1)]
    return layer.position[triangle.ravel()] if len(triangle) else layer.position


@dataclass(frozen=True)
class Thing:
    layers: list[Layer]

    @property
    def points(self) -> np.ndarray:
        """(P, 3) corners of what is drawn, for bounds."""
        return np.concatenate([_shown(layer) for layer in self.layers])

    def placed(self, turn: float, position: np.ndarray) -> "Thing":
        """Turned by `turn` radians about the vertical and moved so that its middle is over
        `position` (3,)."""
        points = self.points
        middle = (points.min(0) + points.max(0)) / 2 * [1, 0, 1]
        rotation = about(Y, turn)
        shift = np.asarray(position) - rotation @ middle
        return Thing([layer.moved(rotation, shift, layer.material) for layer in self.layers])


def _layer(mesh: Mesh, material: Material) -> Layer:
    vertices, triangle = contiguous(mesh[0]), contiguous(mesh[1], np.int32)
    return Layer(
        vertices,
        vertex_normals(vertices, triangle),
        vertices,
        triangle,
        np.full(len(triangle), classes.BACKGROUND, np.uint8),
        material,
    )


def _surface(rng: np.random.Generator) -> Material:
    """Paint, metal, wood or plastic; often the colour of skin, hair or cloth."""
    kind = rng.random()
    if kind < 0.25:
        tone = materials.SKIN_TONES[rng.integers(len(materials.SKIN_TONES))]
        m = materials.plain(rng, tone * rng.uniform(0.6, 1.3))
    else:
        m = materials.plain(rng, materials.colour(rng))
    m.pattern = rng.choice(
        [PLAIN, STRIPES, CHECKS, BLOTCHES, TEXTURE], p=[0.7, 0.1, 0.03, 0.05, 0.12]
    )
    m.scale, m.duty = rng.uniform(0.3, 2), rng.uniform(0.2, 0.6)
    m.texture, m.blend = rng.integers(1000), rng.uniform(0.3, 1)
    m.grain, m.specular, m.shininess = rng.uniform(0, 0.25), rng.choice([0, 0.1, 0.4]), 20
    return m


def _upright(heights: list[float], radii: list[float], sides: int = 12) -> Mesh:
    """A turned body: radii at heights, closed at both ends."""
    heights = [heights[0], *heights, heights[-1]]
    path = np.stack([np.zeros(len(heights)), np.array(heights), np.zeros(len(heights))], 1)
    path[:, 1] += np.linspace(0, 1e-3, len(heights))
    return tube(path, np.array([0, *radii, 0]), sides)


def post(rng: np.random.Generator) -> list[Layer]:
    """A bollard, post or pillar, perhaps with a cap or a chain's ring."""
    tall, wide = rng.choice([rng.uniform(6, 13), rng.uniform(13, 30)]), rng.uniform(0.3, 1.4)
    material = _surface(rng)
    if rng.random() < 0.4:  # bands
        material.pattern, material.scale = STRIPES, rng.uniform(0.15, 0.8)
    neck = rng.uniform(0.6, 1)
    body = _upright(
        [0, tall * 0.04, tall * 0.8, tall * 0.86, tall * 0.9, tall],
        [
            wide * 1.2,
            wide,
            wide * rng.uniform(0.7, 1),
            wide * neck,
            wide * rng.uniform(0.8, 1.2),
            wide * 0.3,
        ],
        rng.integers(4, 14),
    )
    layers = [_layer(body, material)]
    if rng.random() < 0.4:
        top = np.array([0, tall + wide * 0.6, 0])
        layers.append(
            _layer(ellipsoid(top, np.full(3, wide * rng.uniform(0.8, 1.3)), 0, rng), _surface(rng))
        )
    return layers


def cone(rng: np.random.Generator) -> list[Layer]:
    tall = rng.uniform(4, 9)
    material = materials.plain(rng, np.array([0.8, 0.12, 0.02]) * rng.uniform(0.5, 1.1))
    material.second[:] = np.full(3, 0.75)
    material.pattern, material.scale, material.duty = STRIPES, 2.2 / tall, rng.uniform(0.2, 0.5)
    base = tall * rng.uniform(0.22, 0.3)
    mesh = join(
        _upright([0.3, tall], [base, base * 0.15], 16),
        box(np.array([0, 0.15, 0]), np.array([base * 1.25, 0.15, base * 1.25])),
    )
    return [_layer(mesh, material)]


def hydrant(rng: np.random.Generator) -> list[Layer]:
    tall, wide = rng.uniform(6, 9), rng.uniform(0.9, 1.3)
    material = materials.plain(
        rng, np.array([0.6, 0.03, 0.02]) if rng.random() < 0.5 else materials.colour(rng)
    )
    material.specular = 0.15
    at = np.array([0, 0.06, 0.1, 0.12, 0.72, 0.75, 0.8, 0.95, 1]) * tall
    mesh = [
        _upright(
            at.tolist(), (np.array([1.3, 1.3, 1.3, 1, 1, 1.25, 1.1, 0.6, 0.3]) * wide).tolist()
        )
    ]
    for side in (-1, 1):
        path = np.array([[0, 0.6, 0], [side * wide * 1.5, 0.6 * 1, 0], [side * wide * 1.7, 0.6, 0]])
        mesh.append(tube(path * [1, tall, 1], np.array([0.4, 0.45, 0]) * wide, 8))
    return [_layer(join(*mesh), material)]


def seat(rng: np.random.Generator) -> list[Layer]:
    """A chair, stool, sofa or bench, often upholstered."""
    material = materials.cloth(rng) if rng.random() < 0.6 else _surface(rng)
    high, half, deep = rng.uniform(3.8, 5), rng.choice([rng.uniform(2, 3), rng.uniform(4, 9)]), 2.2
    meshes = [box(np.array([0, high - 0.3, 0]), np.array([half, rng.uniform(0.2, 0.9), deep]))]
    if rng.random() < 0.8:
        tall = rng.uniform(1.8, 3.5)
        meshes.append(box(np.array([0, high + tall, -deep]), np.array([half, tall, 0.3])))
    if rng.random() < 0.5:
        for side in (-1, 1):
            meshes.append(box(np.array([side * half, high + 0.8, 0]), np.array([0.35, 1.1, deep])))
    legs = [
        tube(np.array([[x, 0, z], [x, high / 2, z], [x, high, z]]), 0.18, 5)
        for x in (-half * 0.9, half * 0.9)
        for z in (-deep * 0.9, deep * 0.9)
    ]
    return [_layer(join(*meshes), material), _layer(join(*legs), _surface(rng))]


def table(rng: np.random.Generator) -> list[Layer]:
    high, half = rng.uniform(5, 8), rng.uniform(3, 8)
    cloth = rng.random() < 0.4
    top = box(
        np.array([0, high, 0]),
        np.array([half, high if cloth else 0.3, 3]) * [1, 0.5 if cloth else 1, 1],
    )
    if cloth:
        top = (top[0] - [0, high / 2, 0], top[1])
    layers = [_layer((contiguous(top[0]), top[1]), materials.cloth(rng))]
    for _ in range(int(rng.integers(0, 4))):  # bottles, vases, bowls on it
        tall, wide = rng.uniform(0.6, 3.5), rng.uniform(0.3, 0.9)
        at = np.array([rng.uniform(-0.8, 0.8) * half, high + 0.3 * (not cloth), rng.uniform(-2, 2)])
        profile = rng.uniform(0.3, 1.2, 5) * wide
        v, t = _upright(np.linspace(0, tall, 5).tolist(), profile.tolist())
        layers.append(_layer((contiguous(v + at), t), _surface(rng)))
    return layers


def sign(rng: np.random.Generator) -> list[Layer]:
    tall = rng.uniform(12, 28)
    pole = _layer(_upright([0, tall], [rng.uniform(0.15, 0.35)] * 2, 8), _surface(rng))
    half = np.array([rng.uniform(1.2, 4), rng.uniform(1.2, 4), 0.08])
    round_plate = rng.random() < 0.4
    at = np.array([0, tall - half[1] * rng.uniform(0, 1), 0.3])
    plate = _surface(rng)
    if rng.random() < 0.5:
        plate.pattern, plate.scale, plate.blend = TEXTURE, rng.uniform(0.1, 0.4), 1
    mesh = ellipsoid(at, half * [1, 1, 2], 0, rng) if round_plate else box(at, half)
    return [pole, _layer(mesh, plate)]


def flag(rng: np.random.Generator) -> list[Layer]:
    """Cloth on a pole, or a curtain or towel that hangs from a rail."""
    tall = rng.uniform(14, 30)
    wide, drop = rng.uniform(4, 12), rng.uniform(3, 14)
    u, v = np.meshgrid(np.linspace(0, 1, 22), np.linspace(0, 1, 12), indexing="ij")
    sway = np.sin(u * rng.uniform(3, 14) + v * rng.uniform(0, 3) + rng.uniform(0, 6)) * rng.uniform(
        0.2, 0.9
    )
    points = np.stack(
        [u * wide, tall - v * drop - u * rng.uniform(0, 3), sway * np.minimum(1, 3 * u)], -1
    )
    material = materials.cloth(rng)
    if rng.random() < 0.5:
        material.pattern, material.scale = STRIPES, rng.uniform(0.1, 0.6)
    pole = _upright([0, tall], [rng.uniform(0.12, 0.3)] * 2, 8)
    if rng.random() < 0.4:
        pole = tube(
            np.array([[-0.5, tall, 0], [wide / 2, tall, 0], [wide + 0.5, tall, 0]]), 0.12, 6
        )
    return [_layer(grid(points), material), _layer(pole, _surface(rng))]


def ball(rng: np.random.Generator) -> list[Layer]:
    """Balls and balloons, perhaps several."""
    layers = []
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        radius = rng.choice([rng.uniform(0.4, 1.3), rng.uniform(1.3, 3)])
        at = np.array([rng.uniform(-4, 4), radius, rng.uniform(-3, 3)]) * [len(layers) > 0, 1, 1]
        layers.append(_layer(ellipsoid(at, np.full(3, radius), 0, rng), _surface(rng)))
    return layers


def bag(rng: np.random.Generator) -> list[Layer]:
    """A bag, case or box that nobody carries, with a handle."""
    half = np.array([rng.uniform(1, 3), rng.uniform(0.8, 3.5), rng.uniform(0.4, 1.3)])
    centre = np.array([0, half[1], 0])
    soft = rng.random() < 0.5
    mesh = ellipsoid(centre, half * 1.15, 0.05, rng) if soft else box(centre, half)
    arc = np.linspace(0, np.pi, 9)
    handle = centre + np.stack(
        [np.cos(arc) * half[0] * 0.5, half[1] * 0.9 + np.sin(arc) * rng.uniform(0.5, 2), 0 * arc], 1
    )
    material = materials.leather(rng) if rng.random() < 0.5 else materials.cloth(rng)
    return [_layer(mesh, material), _layer(tube(handle, 0.12, 6), _surface(rng))]


def animal(rng: np.random.Generator) -> list[Layer]:
    """A four-footed animal that faces +z: from a lap dog to a horse or a giraffe's neck."""
    large = rng.random() < 0.5
    leg = rng.uniform(6, 10) if large else rng.uniform(1.5, 4)
    thick = leg * (rng.uniform(0.28, 0.4) if large else rng.uniform(0.3, 0.5))
    long = leg * rng.uniform(1.4, 2)
    back = leg + thick * 0.7
    coat = materials.plain(rng, COATS[rng.integers(len(COATS))] * rng.uniform(0.7, 1.3))
    coat.second[:] = COATS[rng.integers(len(COATS))]
    coat.pattern = rng.choice([PLAIN, BLOTCHES, STRANDS, STRIPES], p=[0.5, 0.25, 0.2, 0.05])
    coat.scale, coat.grain, coat.fold, coat.fold_scale = rng.uniform(0.3, 1.2), 0.3, 0.15, 1
    coat.duty = 0.5
    if coat.pattern == STRANDS:
        coat.scale = rng.uniform(4, 10)
    spine = np.linspace(-0.5, 0.5, 8)
    trunk = tube(
        np.stack([0 * spine, back + thick * 0.15 * np.cos(spine * 6), spine * long], 1),
        thick * np.array([0.05, 0.75, 0.95, 0.9, 0.95, 1.02, 0.85, 0.05]),
        12,
    )
    raised = rng.uniform(-0.5, 1.2)
    neck_length = leg * rng.uniform(0.5, 1.1)
    start = np.array([0, back + thick * 0.3, long * 0.42])
    ahead = np.array([rng.normal(0, 0.25), np.sin(raised), np.cos(raised)])
    poll = start + ahead * neck_length
    neck = tube(
        np.array([start - ahead * thick * 0.4, (start + poll) / 2, poll]),
        thick * np.array([0.75, 0.5, 0.36]),
        10,
    )
    face = np.array([ahead[0], rng.uniform(-0.9, 0.1), 1.0])
    face /= np.linalg.norm(face)
    muzzle = leg * rng.uniform(0.35, 0.6)
    head = tube(
        poll + np.array([-0.25, 0.05, 0.4, 0.75, 1, 1.02])[:, None] * face * muzzle,
        thick * np.array([0.05, 0.42, 0.4, 0.3, 0.25, 0.02]),
        10,
    )
    parts, dark = [trunk, neck, head], []
    for side in (-1, 1):
        for z in (-0.38, 0.38):
            swing = rng.normal(0, 0.18) * leg
            hip = np.array([side * thick * 0.5, back - thick * 0.2, z * long])
            foot = np.array([side * thick * 0.5, 0, z * long + swing])
            knee = (hip + foot) / 2 + [0, 0, rng.normal(0, 0.06) * leg]
            parts.append(
                tube(
                    np.stack([hip, knee, foot + [0, 0.2, 0], foot]),
                    thick * np.array([0.42, 0.2, 0.15, 0.2]),
                    8,
                )
            )
        ear = poll + [side * thick * 0.3, thick * 0.42, 0]
        parts.append(ellipsoid(ear, thick * np.array([0.1, rng.uniform(0.2, 0.45), 0.12]), 0, rng))
        eye = poll + face * muzzle * 0.25 + [side * thick * 0.36, thick * 0.12, 0]
        dark.append(ellipsoid(eye, np.full(3, thick * 0.08), 0, rng))
    dark.append(ellipsoid(poll + face * muzzle, np.full(3, thick * 0.14), 0, rng))
    rump = np.array([0, back + thick * 0.3, -long * 0.5])
    fall = np.linspace(0, 1, 6)[:, None]
    hair = [tube(rump + fall * [0, -leg * rng.uniform(0.2, 0.8), -leg * 0.25], thick * 0.18, 6)]
    if large and rng.random() < 0.7:  # mane
        crest = (
            start
            + (poll - start) * np.linspace(0, 1.1, 6)[:, None]
            + [0, thick * 0.45, -thick * 0.3]
        )
        hair.append(tube(crest, thick * np.array([0.1, 0.25, 0.3, 0.3, 0.25, 0.05]), 6))
    black = materials.plain(rng, np.full(3, 0.012))
    black.specular = 0.3
    strands = materials.hair(rng, COATS[rng.integers(len(COATS))])
    layers = [_layer(join(*parts), coat), _layer(join(*dark), black), _layer(join(*hair), strands)]
    if large and rng.random() < 0.35:  # saddle and blanket
        cloth = box(np.array([0, back + thick * 0.75, 0]), thick * np.array([0.85, 0.35, 0.8]))
        layers.append(_layer(cloth, materials.cloth(rng)))
    return layers


def plush(rng: np.random.Generator) -> list[Layer]:
    """A doll, snowman or teddy: round limbs, upright like a person."""
    size = rng.uniform(0.8, 3.5)
    coat = materials.cloth(rng) if rng.random() < 0.5 else _surface(rng)
    parts = [
        ellipsoid(np.array([0, 1.2, 0]) * size, np.array([0.9, 1.2, 0.8]) * size, 0.03, rng),
        ellipsoid(np.array([0, 2.9, 0]) * size, np.full(3, 0.8) * size, 0.03, rng),
    ]
    for side in (-1, 1):
        parts += [
            ellipsoid(
                np.array([side * 1.1, 1.6, 0.3]) * size, np.array([0.35, 0.8, 0.35]) * size, 0, rng
            ),
            ellipsoid(
                np.array([side * 0.6, 0.35, 0.8]) * size, np.array([0.35, 0.35, 0.9]) * size, 0, rng
            ),
            ellipsoid(np.array([side * 0.55, 3.6, 0]) * size, np.full(3, 0.3) * size, 0, rng),
        ]
    dark = [
        ellipsoid(np.array([x, y, z]) * size, np.full(3, 0.09) * size, 0, rng)
        for x, y, z in ((-0.28, 3.1, 0.72), (0.28, 3.1, 0.72), (0, 2.85, 0.8))
    ]
    return [_layer(join(*parts), coat), _layer(join(*dark), materials.plain(rng, np.full(3, 0.01)))]


RIGID = {
    post: 0.2,
    cone: 0.07,
    hydrant: 0.07,
    seat: 0.14,
    table: 0.08,
    sign: 0.09,
    flag: 0.09,
    ball: 0.07,
    bag: 0.09,
    animal: 0.06,
    plush: 0.04,
}


ALONE = {"upper": 0.3, "lower": 0.15, "coat": 0.25, "shoes": 0.2, "all": 0.1}
"""What of an outfit lies about without the rest."""


def _background(layer: Layer, material: Material) -> Layer:
    label = np.where(layer.label == HIDDEN, HIDDEN, classes.BACKGROUND).astype(np.uint8)
    return replace(layer, label=label, material=material, tint=None)


def figure(rng: np.random.Generator, person: Person) -> Thing:
    """A statue of one material, or a mannequin that may keep its clothes but has no hair and no
    colours in the face."""
    layers = []
    if rng.random() < 0.65:
        stone = materials.plain(rng, STONES[rng.integers(len(STONES))] * rng.uniform(0.6, 1.2))
        stone.grain, stone.specular = rng.uniform(0.05, 0.4), rng.choice([0, 0.1, 0.4])
        layers = [_background(layer, stone) for layer in person.layers]
        if rng.random() < 0.5:  # on a plinth
            points = person.points
            middle = (points.min(0) + points.max(0)) / 2 * [1, 0, 1]
            half = np.array(
                [np.ptp(points[:, 0]) / 2 + 0.5, rng.uniform(1, 6), np.ptp(points[:, 2]) / 2 + 0.5]
            )
            lift = np.array([0, 2 * half[1], 0])
            layers = [layer.moved(np.eye(3), lift, layer.material) for layer in layers]
            layers.append(_layer(box(middle + [0, half[1], 0], half), stone))
        return Thing(layers)
    # white or grey: people have the other colours
    pale = materials.plain(rng, np.full(3, rng.uniform(0.5, 0.85)))
    pale.specular = rng.uniform(0.1, 0.5)
    bare = (
        classes.FACE,
        classes.TORSO_SKIN,
        classes.LEFT_ARM,
        classes.RIGHT_ARM,
        classes.LEFT_LEG,
        classes.RIGHT_LEG,
    )
    headless = rng.random() < 0.4
    for layer in person.layers:
        shown = layer.label[layer.label != HIDDEN]
        kind = shown[0] if len(shown) else HIDDEN
        if kind in (HIDDEN, classes.HAIR, classes.BACKGROUND) or (
            headless and kind == classes.FACE
        ):
            continue
        layers.append(_background(layer, pale if kind in bare else layer.material))
    return Thing(layers)


@functools.lru_cache(maxsize=64)
def clothes(seed: tuple[int, ...]) -> Thing:
    """Clothes or shoes that nobody wears: hung up, laid flat, stood side by side or tipped over."""
    rng, body = np.random.default_rng(seed), load()
    shape = sample_shape(body, rng)
    joints, _ = body.joints(shape.vertices)
    normal = vertex_normals(shape.vertices, body.everything)
    bones = bone_transforms(body, joints, hanging(body, joints, rng))
    assembly = Assembly(body, shape, normal, joints, bones, rng)
    outfit = clothing.sample_outfit(rng, shape.masculine)
    only = str(rng.choice(list(ALONE), p=list(ALONE.values())))
    if only != "all":
        wanted = getattr(outfit, only)
        if wanted == "none":
            only, wanted = "upper", "tee"
        outfit = replace(outfit, upper="none", lower="none", coat="none", shoes="none")
        outfit = replace(outfit, **{only: wanted})
    clothing.dress(assembly, replace(outfit, socks="none")).wear()
    shoes, flat, lift = only == "shoes", np.eye(3), 0.0
    if shoes and rng.random() < 0.3:
        flat = about(Z, rng.uniform(-1.6, 1.6))
    elif not shoes and rng.random() < 0.35:
        flat = about(X, -np.pi / 2)
    elif not shoes:
        lift = rng.uniform(0, 8)
    shrink = flat * [1, 1, 1 if shoes else rng.uniform(0.2, 0.6)]  # no body fills them
    layers = []
    for layer in assembly.layers:
        position = contiguous(layer.position @ shrink.T)
        layer = replace(layer, position=position, normal=vertex_normals(position, layer.triangle))
        layers.append(_background(layer, layer.material))
    points = Thing(layers).points
    if lift > 0 and rng.random() < 0.7:  # a rail
        rail = np.array([[-8.0, 0, 0], [0, 0, 0], [8, 0, 0]]) + [0, points[:, 1].max() + 0.6, 0]
        layers.append(_layer(tube(rail, 0.12, 6), _surface(rng)))
    up = np.array([0, lift - points[:, 1].min(), 0])
    return Thing([layer.moved(np.eye(3), up, layer.material) for layer in layers])


def sample(rng: np.random.Generator, cast: int, neighbourhood: tuple[int, ...]) -> Thing:
    """A thing of any kind. Statues and mannequins have the shape of one of the `cast` that scenes
    of a neighbourhood share, which begins the seeds of people and clothes."""
    kind = rng.random()
    if kind < 0.12:
        return figure(rng, cached((*neighbourhood, int(rng.integers(cast)))))
    if kind < 0.34:
        return clothes((*neighbourhood, int(rng.integers(CLOTHES))))
    makers, share = list(RIGID), np.array(list(RIGID.values()))
    return Thing(makers[rng.choice(len(makers), p=share / share.sum())](rng))
