"""Hats, glasses, scarves, gloves, watches, badges; and things that are no part of a person: bags and
what hands hold."""

from __future__ import annotations

import numpy as np

from synthetic import classes, materials, pieces
from synthetic.assembly import Assembly
from synthetic.geometry import Y, about
from synthetic.rasteriser import CHECKS, PLAIN, STRIPES, TEXTURE, Material
from synthetic.shapes import Mesh, box, ellipsoid, grid, join, tube


def add_hat(person: Assembly, kind: str) -> None:
    rng, body = person.rng, person.body
    _, y, z = body.vertices.T
    fabric = "knit" if kind == "beanie" and rng.random() < 0.7 else "casual"
    material = materials.FABRICS[fabric](rng)
    if fabric == "casual":
        material.pattern = rng.choice([PLAIN, PLAIN, PLAIN, STRIPES, CHECKS, TEXTURE])
    material.trim_width = rng.choice([0, 0.15, 0.4])
    piece = pieces.pick(rng, "hat") if kind == "brim" and rng.random() < 0.6 else None
    if piece is not None:
        material.trim_width = 0
        vertices = piece.item.fit(person.shape.vertices)
        person.add_piece(piece, vertices, classes.HAT, material, bias=0.03, fabric=fabric)
        return
    if kind == "helmet":
        _add_helmet(person)
        return
    if kind == "hood":
        x = abs(body.vertices[:, 0])
        inside = np.minimum(body.scalp + 0.9 * (z < 0.9), np.where(z > 0.6, y - 7.9 - 0.3 * x, 9))
        person.add_surface(
            body.scalp_surface,
            person.pushed(rng.uniform(0.15, 0.35)),
            classes.HAT,
            material,
            inside,
            0.05,
            fabric=fabric,
        )
        return
    inside = y - 7.75 + rng.uniform(-0.05, 0.12) * z
    grow = {"cap": 0.12, "brim": 0.16, "beanie": rng.uniform(0.12, 0.35)}[kind]
    person.add_surface(
        body.hat_surface,
        person.pushed(grow * (0.7 + 0.6 * np.clip(inside, 0, 1))),
        classes.HAT,
        material,
        inside,
        0.03,
        fabric=fabric,
    )
    if kind == "beanie" and rng.random() < 0.3:
        top = person.hat_centre + [0, 1.25 + grow, 0]
        person.add_rigid(
            "head",
            *ellipsoid(top, np.full(3, rng.uniform(0.2, 0.4)), 0.1, rng),
            classes.HAT,
            material,
        )
    if kind in ("cap", "brim"):
        angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        back = -1 if kind == "cap" and rng.random() < 0.12 else 1
        reach = rng.uniform(0.5, 1.2)
        out = reach * (
            np.clip(np.sin(angle) * back, 0, 1) ** 0.35 if kind == "cap" else np.ones_like(angle)
        )
        rx, rz = person.hat_radius + 0.08
        centre = person.hat_centre - [0, 0.05, 0]
        inner = centre + np.stack([rx * np.cos(angle), 0 * angle, rz * np.sin(angle)], 1)
        side = 0.55 if kind == "cap" else 0.9
        outer = centre + np.stack(
            [
                (rx + out * side) * np.cos(angle),
                -out * rng.uniform(0, 0.3),
                (rz + out) * np.sin(angle),
            ],
            1,
        )
        person.add_rigid(
            "head",
            *grid(np.stack([inner, outer]), close_columns=True),
            classes.HAT,
            material,
            0.03,
            fabric,
        )


def _add_helmet(person: Assembly) -> None:
    """A hard shell: of builders with a rim, of cyclists, or down to the neck, with the face free."""
    rng, body = person.rng, person.body
    x, y, z = body.vertices.T
    shell = materials.plain(rng, materials.colour(rng))
    shell.specular, shell.shininess = rng.uniform(0.1, 0.6), rng.uniform(20, 60)
    shell.pattern = rng.choice([PLAIN, PLAIN, STRIPES])
    shell.scale, shell.duty, shell.cosine, shell.sine = rng.uniform(0.8, 3), 0.4, 0, 1
    if rng.random() < 0.3:
        inside = np.minimum(body.scalp + 0.9 * (z < 0.9), np.where(z > 0.6, y - 7.8, 9))
        inside = np.minimum(inside, y - 6.3)
        surface, grow = body.scalp_surface, rng.uniform(0.3, 0.5)
    else:
        inside = y - 7.5 + rng.uniform(-0.15, 0.15) - 0.2 * z * (z > 0)
        surface, grow = body.hat_surface, rng.uniform(0.25, 0.5)
    person.add_surface(surface, person.pushed(grow), classes.HAT, shell, inside, 0.1)
    if rng.random() < 0.4:  # a rim or peak
        angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        rx, rz = person.hat_radius + grow - 0.05
        out = rng.uniform(0.2, 0.8) * np.clip(np.sin(angle), rng.choice([0, 0.5]), 1)
        ring = [
            person.hat_centre
            + np.stack([(rx + o) * np.cos(angle), 0 * angle - drop, (rz + o) * np.sin(angle)], 1)
            for o, drop in ((0 * out, 0.1), (out, 0.2))
        ]
        mesh = grid(np.stack(ring), close_columns=True)
        person.add_rigid("head", *mesh, classes.HAT, shell, 0.05)


def add_glasses(person: Assembly) -> None:
    """Clear glasses: rims, bridge and temples; the eyes behind them stay face."""
    rng, body = person.rng, person.body
    material = materials.plain(
        rng, np.full(3, 0.01) if rng.random() < 0.7 else materials.colour(rng)
    )
    material.specular = 0.3
    thick = rng.uniform(0.02, 0.05)
    wide, high = rng.uniform(0.25, 0.33), rng.uniform(0.18, 0.28)
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    meshes = []
    for eye in (body.left_eye, body.right_eye):
        centre = person.shape.vertices[eye].mean(0)
        side = np.sign(centre[0])
        centre = centre + [side * 0.02, -0.02, 0.42]
        rim = np.stack(
            [wide * np.cos(angle), high * np.sin(angle), -0.2 * (np.cos(angle) * side + 0.2)], 1
        )
        meshes.append(tube(centre + rim, thick, 5, closed=True))
        hinge = centre + [side * wide, 0.05, -0.22]
        ear = hinge * [0, 1, 0] + [
            side * person.hat_radius[0] * 1.02 + person.hat_centre[0],
            0,
            person.hat_centre[2] - 0.1,
        ]
        meshes.append(tube(np.array([hinge, (hinge + ear) / 2, ear]), thick, 5))
        bridge = centre * [0, 1, 1] + [0, 0.05, 0.03]
        inner = centre + [-side * wide, 0.05, 0]
        meshes.append(tube(np.array([inner, (inner + bridge) / 2, bridge]), thick, 5))
    person.add_rigid("head", *join(*meshes), classes.SUNGLASSES, material, 0.04)


def add_watch(person: Assembly) -> None:
    """A watch or bracelet. Its class is the arm's: it has none of its own, and the arm goes on."""
    rng, body = person.rng, person.body
    side = rng.choice(["L", "R"])
    wrist = person.joints[body.bone[f"wrist.{side}"]]
    along = wrist - person.joints[body.bone[f"lowerarm01.{side}"]]
    along /= np.linalg.norm(along)
    across = np.cross(along, [0.0, 1, 0])
    across /= np.linalg.norm(across)
    up = np.cross(across, along)
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)[:, None]
    centre = wrist - along * rng.uniform(0.1, 0.35)
    radius = 0.26 * np.linalg.norm(person.hat_radius) / 1.2
    ring = centre + radius * (np.cos(angle) * across + np.sin(angle) * up)
    meshes = [tube(ring, rng.uniform(0.04, 0.1), 5, closed=True)]
    if rng.random() < 0.6:
        turn = np.stack([across, up, along], 1)
        meshes.append(box(centre + up * radius, np.array([0.16, 0.06, 0.16]), turn))
    material = materials.plain(rng, materials.colour(rng))
    material.specular, material.shininess = rng.uniform(0, 0.8), 40
    label = classes.LEFT_ARM if side == "L" else classes.RIGHT_ARM
    person.add_rigid(f"wrist.{side}", *join(*meshes), label, material, 0.03)


def add_badge(person: Assembly, label: int) -> None:
    """A badge on the chest or a card on a ribbon, of the class of what it hangs on."""
    rng, body = person.rng, person.body
    chest = person.shape.vertices[body.chest]
    front, shoulder = chest[:, 2].max(), person.joints[body.bone["upperarm01.L"]]
    material = materials.plain(rng, materials.colour(rng))
    material.pattern, material.scale, material.blend = rng.choice([PLAIN, TEXTURE]), 0.4, 1
    half = np.array([rng.uniform(0.15, 0.4), rng.uniform(0.15, 0.5), 0.03])
    if rng.random() < 0.5:
        at = np.array([rng.choice([-1, 1]) * 0.8, shoulder[1] - 1.1, front + 0.15])
        person.add_rigid("spine02", *box(at, half), label, material, 0.35)
        return
    card = np.array([0, shoulder[1] - rng.uniform(1.5, 3.2), front + 0.3])
    meshes = [box(card, half)]
    for side in (-1, 1):
        neck = np.array([side * 0.65, shoulder[1] + 0.5, 0.55])
        meshes.append(tube(np.linspace(neck, card, 5) + np.array([[0, 0, 0.0]]), 0.05, 5))
    person.add_rigid("spine02", *join(*meshes), label, material, 0.35)


def add_microphone_stand(person: Assembly) -> None:
    """A microphone before the mouth on a thin pole."""
    rng, body = person.rng, person.body
    head = person.joints[body.bone["head"]] * [0, 1, 1] + [0, -0.7, rng.uniform(2, 3)]
    foot = head * [1, 0, 1] + [0, person.shape.vertices[: body.skin.stop, 1].min(), 1]
    black = materials.plain(rng, np.full(3, rng.uniform(0.005, 0.3)))
    meshes = [tube(np.linspace(foot, head, 4), 0.08, 6), ellipsoid(head, np.full(3, 0.28), 0, rng)]
    person.add_rigid("root", *join(*meshes), classes.BACKGROUND, black)


def add_sunglasses(person: Assembly) -> None:
    rng, body = person.rng, person.body
    material = materials.plain(
        rng, np.full(3, 0.01) if rng.random() < 0.7 else materials.colour(rng) * 0.3
    )
    material.specular, material.shininess = rng.uniform(0.2, 0.8), 40
    half_width, half_height, square = (
        rng.uniform(0.25, 0.34),
        rng.uniform(0.18, 0.29),
        rng.choice([1, 0.6]),
    )
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    corner = lambda a: np.sign(a) * abs(a) ** square  # noqa: E731  superellipse
    meshes = []
    for eye in (body.left_eye, body.right_eye):
        centre = person.shape.vertices[eye].mean(0)
        side = np.sign(centre[0])
        centre = centre + [side * 0.02, -0.02, 0.42]
        rim = centre + np.stack(
            [
                half_width * corner(np.cos(angle)),
                half_height * corner(np.sin(angle)),
                -0.25 * (np.cos(angle) * side + 0.2),
            ],
            1,
        )
        fan = np.array([[0, 1 + i, 1 + (i + 1) % 14] for i in range(14)], np.int32)
        meshes.append((np.concatenate([[centre], rim]).astype(np.float32), fan))
        hinge = centre + [side * half_width, 0.05, -0.25]
        ear = np.array(
            [
                side * person.hat_radius[0] * 1.02 + person.hat_centre[0],
                centre[1] + 0.05,
                person.hat_centre[2] - 0.1,
            ]
        )
        bridge = np.array([0, centre[1] + 0.05, centre[2] + 0.03])
        meshes.append(
            (
                np.array(
                    [
                        hinge,
                        ear,
                        hinge - [0, 0.07, 0],
                        ear - [0, 0.07, 0],
                        centre + [-side * half_width, 0.05, 0],
                        bridge,
                        bridge - [0, 0.06, 0],
                    ],
                    np.float32,
                ),
                np.array([[0, 1, 2], [2, 1, 3], [4, 5, 6]], np.int32),
            )
        )
    person.add_rigid("head", *join(*meshes), classes.SUNGLASSES, material, 0.04)


def add_scarf(person: Assembly) -> None:
    rng, body = person.rng, person.body
    x, y, z = body.vertices.T
    fabric = str(rng.choice(["knit", "casual"]))
    material = materials.FABRICS[fabric](rng)
    centre = person.joints[body.bone["neck02"]] + [0, -0.2, 0.1]
    u, v = np.meshgrid(
        np.linspace(0, 2 * np.pi, 28, endpoint=False),
        np.linspace(0, 2 * np.pi, 10, endpoint=False),
        indexing="ij",
    )
    radius = rng.uniform(0.75, 0.95)
    thick = rng.uniform(0.22, 0.48) * (1 + 0.25 * np.sin(3 * u + 2 * v))
    ring = centre + np.stack(
        [
            (radius + thick * np.cos(v)) * np.cos(u),
            thick * 1.1 * np.sin(v) - 0.2 * np.sin(u),
            (radius * 0.95 + thick * np.cos(v)) * np.sin(u),
        ],
        -1,
    )
    person.add_rigid(
        "neck01",
        *grid(ring, close_rows=True, close_columns=True),
        classes.SCARF,
        material,
        0.1,
        fabric,
    )
    if rng.random() < 0.6:  # an end that hangs down the chest
        middle = rng.uniform(-0.5, 0.5)
        inside = np.minimum(
            np.minimum(0.38 - abs(x - middle), y - rng.uniform(1.5, 4)),
            np.where(z > 0.2, 6.2 - y, -1),
        )
        person.add_surface(
            body.tights,
            person.pushed(0.5),
            classes.SCARF,
            material,
            np.where(body.arm < 0.1, inside, -1),
            0.3,
            fabric=fabric,
        )


def add_gloves(person: Assembly) -> None:
    body = person.body
    material = materials.cloth(person.rng)
    material.pattern = PLAIN
    start = person.rng.uniform(0.92, 0.98)
    person.add_surface(
        body.hand,
        person.pushed(0.04),
        classes.GLOVES,
        material,
        (body.sleeve - start) * 3,
        0.02,
        fabric="casual",
    )


def _pouch(rng: np.random.Generator, half: np.ndarray) -> Mesh:
    """A bag of half-sizes (3,) about the origin: x thick, y high, z wide, with rounded edges."""
    profile = np.array([0, 0.9, 1, 1, 1, 0]) * np.linspace(1, rng.uniform(0.6, 1.1), 6)
    heights = np.array([-1, -1, -0.8, 0, 1, 1])
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    edge = rng.uniform(0.3, 0.8)
    x, z = (np.sign(f) * abs(f) ** edge for f in (np.cos(angle), np.sin(angle)))
    rings = np.stack([np.stack([x * r, 0 * x + h, z * r], 1) for r, h in zip(profile, heights)])
    return grid(rings * half, close_columns=True)


def _hang(person: Assembly, bone: str, grip: np.ndarray, material: Material) -> None:
    """A handbag whose handles lie at `grip` (3,), in rest space; it hangs down in the pose."""
    rng = person.rng
    turn = person.bones[person.body.bone[bone]][:, :3]
    heading = rng.normal(0, 0.5)
    upright = turn.T @ about(Y, heading)  # columns: the bag's axes at rest
    half = np.array([rng.uniform(0.25, 0.7), rng.uniform(0.7, 1.8), rng.uniform(0.9, 2.2)])
    drop = rng.uniform(0.2, 1.5)
    arc = np.linspace(0, np.pi, 9)
    handle = np.stack(
        [0 * arc, half[1] + np.sin(arc) * drop, np.cos(arc) * half[2] * rng.uniform(0.3, 0.8)], 1
    )
    vertices, triangles = join(_pouch(rng, half), tube(handle, rng.uniform(0.06, 0.14), 6))
    vertices = (vertices - [0, half[1] + drop, 0]) @ upright.T + grip
    person.add_rigid(bone, vertices, triangles, classes.BACKGROUND, material)


def add_bag(person: Assembly, kind: str, arms: dict[str, str]) -> None:
    """Bags are background in CIHP: drawn with label 0, hiding what lies behind them. `arms` is what
    each arm does (`pose.ARMS`)."""
    rng, body = person.rng, person.body
    material = materials.leather(rng) if rng.random() < 0.4 else materials.cloth(rng)
    material.specular = max(material.specular, rng.choice([0, 0.1, 0.25]))
    joints = {
        s: [person.joints[body.bone[f"{b}.{s}"]] for b in ("upperarm01", "lowerarm01", "wrist")]
        for s in "LR"
    }
    chest = person.joints[body.bone["spine02"]]
    trunk = person.shape.vertices[body.chest]
    back, front = trunk[:, 2].min(), trunk[:, 2].max()
    if kind == "backpack":
        half = np.array([rng.uniform(0.5, 0.9), rng.uniform(1.4, 2.2), rng.uniform(1.0, 1.5)])
        vertices, triangles = _pouch(rng, half)
        at = np.array([0, chest[1] - 0.2, back - half[0] - 0.25])
        mesh = [(vertices @ about(Y, np.pi / 2).T + at, triangles)]
        for s in "LR":
            shoulder = joints[s][0]
            x = shoulder[0] * 0.62
            strap = [
                [x, chest[1] + 1, back - 0.3],
                [x, shoulder[1] + 0.7, chest[2] - 0.3],
                [x, shoulder[1] - 0.3, front + 0.3],
                [x * 1.3, chest[1] - 1.5, front + 0.1],
                [x * 1.5, chest[1] - 2, back],
            ]
            mesh.append(tube(np.array(strap), 0.13, 6))
        person.add_rigid("spine02", *join(*mesh), classes.BACKGROUND, material, 0.3)
        return
    if kind == "shoulder":
        s = rng.choice(["L", "R"])
        sign, shoulder = (1 if s == "L" else -1), joints[s][0]
        half = np.array([rng.uniform(0.25, 0.5), rng.uniform(0.6, 1.4), rng.uniform(0.8, 1.7)])
        hip = np.array([sign * (abs(shoulder[0]) + 0.5), body.y_hip + rng.uniform(0.2, 1.2), 0])
        strap = [
            hip + [0, half[1], 0.2],
            [sign * 0.5, chest[1] + 0.4, front + 0.35],
            [-sign * 1.1, shoulder[1] + 0.75, chest[2]],
            [-sign * 0.5, chest[1], back - 0.35],
            hip + [0, half[1], -0.2],
        ]
        vertices, triangles = _pouch(rng, half)
        mesh = join((vertices + hip, triangles), tube(np.array(strap), rng.uniform(0.06, 0.14), 6))
        person.add_rigid("spine04", *mesh, classes.BACKGROUND, material, 0.3)
        return
    bent = [s for s, arm in arms.items() if arm in ("bent", "together", "mouth", "ear", "point")]
    if kind == "arm" and bent:
        s = rng.choice(bent)
        _, elbow, wrist = joints[s]
        _hang(person, f"lowerarm01.{s}", elbow + (wrist - elbow) * rng.uniform(0.2, 0.6), material)
        return
    free = [s for s, arm in arms.items() if arm not in ("pocket", "behind", "cross", "hip")]
    s = rng.choice(free or list("LR"))
    _, elbow, wrist = joints[s]
    _hang(person, f"wrist.{s}", wrist + (wrist - elbow) * 0.3, material)


def add_held(person: Assembly, side: str, arm: str) -> None:
    """Something in a hand, by what the `arm` does (`pose.ARMS`)."""
    rng, body = person.rng, person.body
    wrist = person.joints[body.bone[f"wrist.{side}"]]
    along = wrist - person.joints[body.bone[f"lowerarm01.{side}"]]
    along /= np.linalg.norm(along)
    grip = wrist + along * 0.8 + [0, 0, 0.35]
    up = np.array([0, 0, 1.0])  # of the thing; hands hold it across the arm
    material = materials.cloth(rng)
    kinds = {"ear": ("phone",), "mouth": ("microphone", "cup", "food", "food")}.get(
        arm,
        (
            *("phone", "bottle", "cup", "ball", "stick", "sheet", "food", "racket", "umbrella"),
            *("bouquet", "sheet", "bottle"),
        ),
    )
    match str(rng.choice(kinds)):
        case "phone":
            material.specular, material.pattern = 0.3, PLAIN
            mesh = box(grip, np.array([0.4, 0.8, 0.06]) * rng.uniform(0.8, 1.3))
        case "bottle":
            mesh = tube(
                grip + up * np.linspace(-1, 1.2, 6)[:, None],
                np.array([0.3, 0.35, 0.35, 0.35, 0.15, 0.12]),
            )
        case "cup":
            tall, wide = rng.uniform(0.4, 1), rng.uniform(0.25, 0.45)
            mesh = tube(
                grip + up * np.linspace(-tall, tall, 5)[:, None],
                wide * np.array([0, 0.8, 0.85, 0.9, 1]),
            )
        case "ball":
            mesh = ellipsoid(grip, np.full(3, rng.uniform(0.5, 1.2)), 0, rng)
        case "stick":
            path = np.array([0, 0.3, 1.0]) * np.linspace(-4, 5, 6)[:, None] * rng.uniform(0.4, 1)
            mesh = tube(grip + path, 0.12, 6)
        case "sheet":
            mesh = box(grip, np.array([1.1, 0.05, 1.5]) * rng.uniform(0.7, 1.4))
        case "food":
            lumps = [
                ellipsoid(
                    grip + rng.normal(0, 0.25, 3),
                    rng.uniform(0.2, 0.6, 3),
                    rng.uniform(0, 0.2),
                    rng,
                )
                for _ in range(int(rng.integers(1, 4)))
            ]
            mesh = join(*lumps)
        case "microphone":
            shaft = tube(grip + up * np.linspace(-0.9, 0.7, 4)[:, None], 0.14, 8)
            mesh = join(shaft, ellipsoid(grip + up * 0.9, np.full(3, 0.28), 0, rng))
            material = materials.plain(rng, np.full(3, rng.uniform(0.005, 0.1)))
        case "racket":
            angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)[:, None]
            head = grip + up * 4 + np.cos(angle) * np.array([1.2, 0, 0]) + np.sin(angle) * up * 1.5
            mesh = join(
                tube(grip + up * np.linspace(-0.8, 2.6, 4)[:, None], 0.14, 6),
                tube(head, 0.12, 5, closed=True),
            )
        case "umbrella":
            top = grip + up * rng.uniform(6, 9)
            angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            wide = rng.uniform(4, 6)
            rings = [
                top + np.stack([r * np.cos(angle), r * np.sin(angle), 0 * angle - d], 1)
                for r, d in ((0.05, 0), (wide * 0.55, wide * 0.12), (wide, wide * 0.4))
            ]
            mesh = join(
                grid(np.stack(rings), close_columns=True),
                tube(np.linspace(grip - up, top, 4), 0.1, 6),
            )
        case "bouquet":
            flowers = [
                ellipsoid(grip + up * 1.2 + rng.normal(0, 0.5, 3), np.full(3, 0.45), 0.2, rng)
                for _ in range(6)
            ]
            mesh = join(tube(grip + up * np.linspace(-1, 1, 4)[:, None], 0.25, 6), *flowers)
    person.add_rigid(f"wrist.{side}", *mesh, classes.BACKGROUND, material)


def add_seat(person: Assembly) -> None:
    """A chair, stool or bench beneath someone who sits, perhaps a table before them."""
    rng, body = person.rng, person.body
    material = materials.cloth(rng)
    height, half = body.y_hip - rng.uniform(1.2, 1.5), rng.uniform(1.3, 2.4)
    centre = np.array([0, height, rng.uniform(-0.2, 0.6)])
    meshes = [box(centre - [0, 0.25, 0], np.array([half, 0.25, 1.7]))]
    if rng.random() < 0.7:
        tall = rng.uniform(1.5, 3.5)
        meshes.append(box(centre + [0, tall, -1.9], np.array([half, tall, 0.2])))
    if rng.random() < 0.4:
        for side in (-1, 1):
            meshes.append(
                box(
                    centre + [side * (half + 0.2), 1.2, 0],
                    np.array([0.2, rng.uniform(0.2, 1.2), 1.6]),
                )
            )
    if rng.random() < 0.3:
        meshes.append(box(centre - [0, 2.2, 0], np.array([half * 0.95, 1.8, 1.5])))
    else:
        for x in (-0.85, 0.85):
            for z in (-1.4, 1.4):
                meshes.append(
                    tube(
                        centre
                        + np.array([[x * half, -0.3, z], [x * half, -2, z], [x * half, -4, z]]),
                        0.13,
                        5,
                    )
                )
    person.add_rigid("root", *join(*meshes), classes.BACKGROUND, material)
    if rng.random() < 0.3:
        top = np.array([rng.normal(0, 0.5), height + rng.uniform(1.6, 2.3), rng.uniform(4.5, 5.5)])
        person.add_rigid(
            "root",
            *box(top, np.array([rng.uniform(3, 7), rng.uniform(0.1, 0.5), 2])),
            classes.BACKGROUND,
            materials.cloth(rng),
        )
