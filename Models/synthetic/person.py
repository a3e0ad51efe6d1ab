"""One dressed, posed person, standing on y = 0 and facing +z."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from synthetic import accessories, classes, clothing, hair, materials
from synthetic.assembly import Assembly
from synthetic.body import Body, load, sample_shape
from synthetic.geometry import Y, about
from synthetic.mesh import Layer
from synthetic.pose import bone_transforms, sample_pose
from synthetic.rasteriser import vertex_normals


@dataclass(frozen=True)
class Person:
    layers: list[Layer]
    points: np.ndarray  # (P, 3) a thinned set of skin vertices, for bounds
    head: np.ndarray  # (3,) middle of the head
    pose: str

    def placed(
        self, turn: float, position: np.ndarray, rng: np.random.Generator, dark: bool = False
    ) -> "Person":
        """Turned by `turn` radians about the vertical, moved so that the point of its middle is
        over `position` (3,) and given other fabrics, all of them `dark` or not."""
        rotation = about(Y, turn)
        middle = (self.points.min(0) + self.points.max(0)) / 2 * [1, 0, 1]
        shift = np.asarray(position) - rotation @ middle
        fabrics: dict[int, object] = {}  # garments cut from one cloth stay so
        layers = []
        for layer in self.layers:
            material = layer.material
            if layer.fabric:
                if id(material) not in fabrics:
                    new = materials.restyled(rng, material, layer.fabric)
                    fabrics[id(material)] = materials.darkened(rng, new) if dark else new
                material = fabrics[id(material)]
            layers.append(layer.moved(rotation, shift, material))
        return Person(
            layers, self.points @ rotation.T + shift, rotation @ self.head + shift, self.pose
        )


def _skin_tint(
    body: Body, rng: np.random.Generator, tone: np.ndarray, hair_colour: np.ndarray, stubble: bool
) -> np.ndarray:
    """Multipliers (V, 3) of the skin tone: lips, brows, sockets, cheeks, stubble."""
    tint = np.ones((len(body.vertices), 3), np.float32)
    lips = np.array([0.85, 0.42, 0.42]) * rng.uniform(0.7, 1.1)
    tint += (body.mouth * rng.uniform(0.4, 1))[:, None] * (lips - 1)
    tint += (body.brow * rng.uniform(0.5, 0.95))[:, None] * np.clip(
        hair_colour / tone - 1, -0.95, 0.2
    )
    tint *= 1 - rng.uniform(0.05, 0.25) * body.socket[:, None]
    tint *= 1 - rng.uniform(0.2, 0.9) * body.lash[:, None]
    if rng.random() < 0.25:  # a smile that shows teeth
        tint += body.teeth[:, None] * (np.clip(0.6 / tone, 0, 4) - 1)
    tint *= 1 + rng.uniform(0, 0.5) * body.cheek[:, None] * [0.1, -0.15, -0.15]
    if stubble:
        tint += (body.beard * rng.uniform(0.2, 0.9))[:, None] * (
            np.clip(hair_colour / tone, 0, 1) * 0.8 - 0.8
        )
    return tint.astype(np.float32)


def build(seed: tuple[int, ...]) -> Person:
    """The person of a seed."""
    rng, body = np.random.default_rng(seed), load()
    shape = sample_shape(body, rng)
    joints, _ = body.joints(shape.vertices)
    outfit = clothing.sample_outfit(rng, shape.masculine, shape.age > 0.45)
    heel = float(rng.uniform(0.3, 0.75)) if outfit.shoes == "heels" else 0.0
    pose = sample_pose(body, joints, float(shape.vertices[body.chest, 2].max()), rng, heel)
    normal = vertex_normals(shape.vertices, body.everything)
    person = Assembly(body, shape, normal, joints, bone_transforms(body, joints, pose), rng, heel)
    wardrobe = clothing.dress(person, outfit)

    tone = materials.skin_tone(shape.tone) * rng.uniform(0.9, 1.1) * (1 + rng.normal(0, 0.04, 3))
    hair_colour = hair.sample_colour(rng, shape)
    grown_man = shape.masculine > 0.6 and shape.age > 0.45
    beard = grown_man and rng.random() < 0.22
    if outfit.coat != "none" or outfit.lower in ("trousers", "shorts", "cropped", "dungarees"):
        for side, arm in pose.arms.items():
            if arm == "pocket":
                wardrobe.hidden[body.hands[side]] = 1
    tint = _skin_tint(body, rng, tone, hair_colour, grown_man and not beard and rng.random() < 0.4)
    skin = person.add_skin(wardrobe.hidden, materials.skin(rng, tone), tint)
    eye = materials.plain(rng, np.array([0.75, 0.72, 0.7]))
    eye.specular = 0.3
    iris = np.ones((len(body.vertices), 3), np.float32)
    look = materials.IRIS_COLOURS[rng.integers(len(materials.IRIS_COLOURS))]
    for index in (body.left_eye, body.right_eye):
        depth = body.vertices[index, 2]
        iris[index[depth > depth.max() - 0.08]] = look
    person.add_surface(body.eyes, shape.vertices, classes.FACE, eye, tint=iris, bias=-0.01)
    wardrobe.wear()
    hair.add(person, outfit.hair, outfit.hat != "none", hair_colour)
    if beard:
        hair.add_beard(person, hair_colour)
    if outfit.hat != "none":
        accessories.add_hat(person, outfit.hat)
    if outfit.sunglasses:
        accessories.add_sunglasses(person)
    elif rng.random() < 0.12:
        accessories.add_glasses(person)
    if outfit.scarf:
        accessories.add_scarf(person)
    if outfit.gloves and "pocket" not in pose.arms.values():
        accessories.add_gloves(person)
    elif rng.random() < 0.2:
        accessories.add_watch(person)
    if rng.random() < 0.06:
        accessories.add_badge(person, wardrobe.outermost())
    if outfit.bag != "none" and pose.kind != "lie":
        accessories.add_bag(person, outfit.bag, pose.arms)
    free = [side for side, arm in pose.arms.items() if arm not in ("pocket", "behind", "cross")]
    if free and rng.random() < 0.25:
        side = str(rng.choice(free))
        accessories.add_held(person, side, pose.arms[side])
    if rng.random() < 0.02:
        accessories.add_microphone_stand(person)
    if pose.kind == "sit" and rng.random() < 0.75:
        accessories.add_seat(person)

    floor = skin[:, 1].min() - 0.12  # soles
    if pose.kind == "jump":
        floor -= rng.uniform(0, 4)
    for layer in person.layers:
        layer.position[:, 1] -= floor
    head = person.bones[body.bone["head"]]
    middle = head[:, :3] @ person.hat_centre + head[:, 3] - [0, floor, 0]
    return Person(person.layers, skin[::16] - [0, floor, 0], middle, pose.kind)


@functools.lru_cache(maxsize=128)
def cached(seed: tuple[int, ...]) -> Person:
    """`build`, remembered: building costs more than drawing, so neighbouring scenes share people
    (scene.py)."""
    return build(seed)
